"""The sample catalog: drawn by our own code, imported like any other."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from catalog import engine, storage

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Draw the sample catalog and import it; what is there already stays."

    def handle(self, *args: Any, **options: Any) -> None:
        folder = storage.sample_catalog_directory()
        engine.write_sample_catalog(folder)
        call_command("import_catalog", str(folder), name="Sample catalog", stdout=self.stdout)
