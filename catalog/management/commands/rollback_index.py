"""Let the generation before the active one answer again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import ShapelensError
from catalog.services import indexing

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Go back to the index generation before the active one."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            generation = indexing.rollback()
        except ShapelensError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"index {generation.pk} answers again")
