"""From the disk to a bucket: run it before web and workers are started with SHAPELENS_MEDIA_URL."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from catalog.errors import ShapelensError
from catalog.services import pushing

__all__ = ["Command"]


class Command(BaseCommand):
    help = (
        "Send models, photos, index generations and uploads to the media bucket; sends only what is missing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        columns = (*Progress.get_default_columns(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            tasks: dict[str, Any] = {}

            def tell(folder: str, done: int, total: int) -> None:
                if folder not in tasks:
                    tasks[folder] = bar.add_task(folder, total=total)
                bar.update(tasks[folder], completed=done)

            try:
                report = pushing.push(tell)
            except (ShapelensError, OSError) as error:
                raise CommandError(f"{error}; what was sent stays: run it again") from error
        self.stdout.write(
            f"{report.files} files sent, {filesizeformat(report.bytes)}; {report.held} were there already"
        )
