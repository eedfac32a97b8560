"""`python -m ml study NAME`: unseen."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ml.errors import ShapelensError
from ml.study.unseen import Row, compare_unseen

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """0; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m ml study", description=__doc__)
    commands = parser.add_subparsers(dest="study", required=True)
    unseen = commands.add_parser("unseen", help="products never trained on beside those that were")
    unseen.add_argument("--trained", type=Path, default=Path("var/train"), help="--out of python -m ml train")
    unseen.add_argument("--library", type=Path, required=True, help="the library that was left out")
    unseen.add_argument("--backgrounds", type=Path, required=True, help="photos to composite on")
    unseen.add_argument("--embedder", action="append", help="default: hog and viewnet")
    options = parser.parse_args(argv)
    try:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("rendering", total=None)
            rows = compare_unseen(
                options.trained,
                options.library,
                options.backgrounds,
                options.embedder or ["hog", "viewnet"],
                lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total),
            )
    except (ShapelensError, FileNotFoundError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    Console().print(_table(rows))
    return 0


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Composites against plain views of all models; percent of composites")
    for name in ("embedder", "products", "models", "composites", "among", "top 1", "top 10"):
        table.add_column(name, justify="left" if name in {"embedder", "products"} else "right")
    for row in rows:
        counts = (str(row.models), str(row.queries), str(row.gallery))
        table.add_row(row.embedder, row.products, *counts, f"{100 * row.top1:.1f}", f"{100 * row.top10:.1f}")
    return table
