"""Verify every byte of the index that is being served."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import ShapelensError
from catalog.services import indexing

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Verify the active index generation."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = indexing.check()
        except ShapelensError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"index {report.generation.pk} is whole: {report.manifest.models} models, "
            f"{report.manifest.views} views; {report.waiting} models wait for the next build, "
            f"{report.withdrawn} are withdrawn"
        )
