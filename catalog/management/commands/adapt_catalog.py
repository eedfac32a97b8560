"""Fit photos' descriptors to the renders of the catalog at hand, and keep that where it helps."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import ShapelensError
from catalog.management.bars import bars
from catalog.services import adapting

__all__ = ["Command"]


class Command(BaseCommand):
    help = (
        "Fit an adaptation of photos' descriptors to this catalog's renders; the next build_index takes it "
        "where it finds more than none does, on models it was not fitted to."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--backgrounds", type=Path, help="folder of photos; by default they are drawn")
        parser.add_argument("--models", type=int, default=400, help="at most, at random")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--keep-anyway", action="store_true", help="also where it finds no more")
        parser.add_argument("--remove", action="store_true", help="fit nothing; the next build takes none")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["remove"]:
            had = adapting.forget_adapter()
            self.stdout.write("removed; run manage.py build_index" if had else "there was none")
            return
        try:
            with bars() as tell:
                report, is_kept = adapting.adapt_catalog(
                    backgrounds=options["backgrounds"],
                    most=options["models"],
                    seed=options["seed"],
                    is_kept_anyway=options["keep_anyway"],
                    progress=tell,
                )
        except (ShapelensError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(str(report))
        self.stdout.write(
            "kept; run manage.py build_index"
            if is_kept
            else "not kept, as it finds no more; --keep-anyway keeps it, and what was kept before stays"
        )
