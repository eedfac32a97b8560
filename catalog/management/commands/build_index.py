"""Build an index generation beside the one that serves, verify it, let it answer."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import Busy, ShapelensError
from catalog.management.bars import bars
from catalog.models import Catalog
from catalog.services import indexing

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Build a new index generation and activate it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--catalog", default="", metavar="N", help="only that catalog's products")

    def handle(self, *args: Any, **options: Any) -> None:
        catalog = None
        if options["catalog"]:
            catalog = Catalog.objects.filter(name=options["catalog"]).first()
            if catalog is None:
                names = ", ".join(Catalog.objects.values_list("name", flat=True)) or "none yet"
                raise CommandError(f"there is no catalog {options['catalog']!r}; there are: {names}")
        try:
            generation = indexing.request_build(catalog=catalog)
            with bars() as tell:
                indexing.run_build(generation.pk, progress=tell, is_waiting_refused=True)
        except (Busy, ShapelensError) as error:
            raise CommandError(str(error)) from error
        generation.refresh_from_db()
        self.stdout.write(
            f"index {generation.pk} answers: {generation.model_count} models, {generation.view_count} views, "
            f"embedder {generation.embedder}"
        )
