"""Import CAD models: every file becomes a product or a line with its reason."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from catalog.errors import Busy, ShapelensError
from catalog.models import ImportItem, ImportRun
from catalog.services import importing

__all__ = ["Command"]

_ARRIVED = (ImportItem.Outcome.IMPORTED, ImportItem.Outcome.UPDATED, ImportItem.Outcome.UNCHANGED)


class Command(BaseCommand):
    help = "Import a catalog: a .sh3f library, a ZIP, a folder, or one model file."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """One that reads `--front -x` as it is written: argparse takes -x for an option of its own."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parse = parser.parse_args

        def parse_args(args: Sequence[str] | None = None, namespace: Any = None) -> Any:
            return parse(_joined(sys.argv[2:] if args is None else args), namespace)

        parser.parse_args = parse_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--name", default="", help="name of the catalog; default: the file's own")
        parser.add_argument("--unit", choices=ImportRun.Unit.values, default="")
        parser.add_argument("--up", choices=["y", "z"], default="")
        parser.add_argument("--front", choices=ImportRun.Front.values, default="")
        parser.add_argument("--exclude-category", action="append", default=[], metavar="C")
        parser.add_argument("--json", action="store_true", help="print a report")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = importing.ImportOptions(
            unit=options["unit"],
            up=f"+{options['up']}" if options["up"] else "",
            front=options["front"],
            excluded_categories=tuple(options["exclude_category"]),
        )
        try:
            run = importing.request_import(options["path"], name=options["name"], options=chosen)
            self._run(run)
        except (Busy, ShapelensError) as error:
            raise CommandError(str(error)) from error
        run.refresh_from_db()
        report = _report(run)
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=1))
        else:
            self._print(report)
        if run.state != ImportRun.State.DONE:
            raise CommandError(
                run.error or f"the import is {run.get_state_display()}; run the same command again"
            )
        if not any(report["counts"].get(outcome, 0) for outcome in _ARRIVED):
            raise CommandError("no model came in; the lines above say why")

    def _run(self, run: ImportRun) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("models", total=None)

            def tell(row: ImportRun, item: ImportItem | None) -> None:
                bar.update(task, completed=row.processed, total=row.total or None)

            importing.run_import(run.pk, on_progress=tell, is_waiting_refused=True)

    def _print(self, report: dict[str, Any]) -> None:
        for item in report["items"]:
            if item["outcome"] == ImportItem.Outcome.FAILED:
                self.stdout.write(f"failed  {item['key']}: {item['reason']}")
        for warning in report["warnings"]:
            self.stdout.write(f"warning  {warning}")
        counts = report["counts"]
        summary = ", ".join(f"{counts[o]} {o}" for o in ImportItem.Outcome.values if counts.get(o))
        others = f"; {len(report['left_over'])} other files left out" if report["left_over"] else ""
        self.stdout.write(f"{report['catalog']}: {summary or 'nothing found'} of {report['total']}{others}")


def _joined(arguments: Sequence[str]) -> list[str]:
    """`--front`, `-x` as `--front=-x`."""
    result: list[str] = []
    for argument in arguments:
        if result and result[-1] == "--front":
            result[-1] = f"--front={argument}"
        else:
            result.append(str(argument))
    return result


def _report(run: ImportRun) -> dict[str, Any]:
    items = list(run.items.values("key", "name", "outcome", "code", "reason", "warnings", "product_id"))
    counts = Counter(item["outcome"] for item in items)
    return {
        "catalog": run.catalog.name,
        "state": run.state,
        "error": run.error,
        "total": run.total,
        "counts": dict(counts),
        "warnings": run.warnings,
        "left_over": run.left_over,
        "items": items,
    }
