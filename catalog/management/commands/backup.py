"""Everything that can't be made again, as one set; nothing has to be stopped for it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from catalog.errors import NotPossible
from catalog.services import backups

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Write database, models, photos and index generations into a new folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--since", type=Path, help="an earlier backup on the same disk; equal files take no room"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = backups.take(options["folder"].absolute(), since=options["since"])
            backups.verify(report.folder)
        except (NotPossible, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{report.folder}: {report.files} files, {filesizeformat(report.bytes)}, {report.linked} of them linked; "
            "every byte was read again"
        )
        if report.media:
            self.stdout.write(
                f"photos, models and indexes are not in it: {report.media} keeps them; let its versioning keep what is "
                "deleted as long as you keep backups"
            )
