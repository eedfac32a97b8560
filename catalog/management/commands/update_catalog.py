"""Update products from a table: no model is read, no view rendered, no index rebuilt."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import ShapelensError
from catalog.models import Catalog
from catalog.services import updating

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Update names, SKUs, categories, prices, stock, links and texts from a CSV or JSON table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("table", type=Path, help="rows found by key, file or sku")
        parser.add_argument("--catalog", required=True, metavar="N", help="name of the catalog")
        parser.add_argument("--json", action="store_true", help="print a report")

    def handle(self, *args: Any, **options: Any) -> None:
        catalog = Catalog.objects.filter(name=options["catalog"]).first()
        if catalog is None:
            known = ", ".join(Catalog.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"no catalog is called {options['catalog']!r}; there is: {known}")
        try:
            report = updating.update_products(catalog, options["table"])
        except ShapelensError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), indent=1))
            return
        for number, name in report.unknown:
            self.stdout.write(f"unknown  row {number}: no product of {catalog.name} is {name!r}")
        for warning in report.warnings:
            self.stdout.write(f"warning  {warning}")
        self.stdout.write(
            f"{catalog.name}: {report.updated} updated, {report.unchanged} unchanged, "
            f"{len(report.unknown)} unknown of {report.rows}"
        )
