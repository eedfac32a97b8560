"""Put a backup in place of what is here."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from catalog import operations
from catalog.errors import NotPossible
from catalog.services import backups

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Restore a backup: database, models, photos and index generations. Stop web and workers before."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        if alive := operations.alive_workers():
            names = ", ".join(worker.name for worker in alive)
            raise CommandError(f"workers run ({names}); stop them and the web server, then restore")
        try:
            report = backups.restore(options["folder"].absolute())
        except (NotPossible, OSError) as error:
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0, interactive=False)
        if report.media:
            self.stdout.write(
                f"photos, models and indexes are those of {report.media}; delete index/ and icons/ in SHAPELENS_DATA "
                "of every other machine"
            )
        self.stdout.write(f"restored {report.files} files; start web and workers, then manage.py check_index")
