"""`python -m ml find MODEL PHOTO ...`: one product, looked for in photos."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ml import registry
from ml.errors import ShapelensError
from ml.pipelines.galleries import IndexOptions
from ml.pipelines.photos import open_photo
from ml.pipelines.sighting import Sighting, find_model

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """0; 1 with a sentence where it can't be done."""
    parser = argparse.ArgumentParser("python -m ml find", description=__doc__)
    parser.add_argument("model", type=Path, help="a mesh file")
    parser.add_argument("photos", type=Path, nargs="+", metavar="photo")
    parser.add_argument("--each", type=int, default=3, help="places told a photo, at most")
    parser.add_argument("--embedder", default=registry.DEFAULT_EMBEDDER)
    parser.add_argument("--cache", type=Path, help="keeps the model's views between runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="every place, best first")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="the photos, their places framed")
    options = parser.parse_args(argv)
    errors = Console(stderr=True)
    try:
        with Progress(console=errors) as bar, tempfile.TemporaryDirectory(prefix="shapelens-find-") as folder:
            task = bar.add_task("views", total=None)
            found = find_model(
                options.model,
                options.photos,
                options.cache or Path(folder),
                each=options.each,
                options=IndexOptions(embedder=options.embedder, workers=1),
                progress=lambda stage, done, total: bar.update(
                    task, description=stage, completed=done, total=total
                ),
            )
    except (ShapelensError, OSError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False)
        return 1
    if options.json:
        rows = [{**asdict(one), "photo": str(one.photo), "box": one.box.as_tuple()} for one in found]
        options.json.write_text(json.dumps(rows, indent=1))
    if options.pictures:
        _draw(found, options.photos, options.pictures)
    Console().print(_table(found))
    return 0


def _table(found: Sequence[Sighting]) -> Table:
    table = Table(title="Where it is seen; above 0: likelier than one window in 10,000 of nothing")
    for name in ("photo", "box", "calibrated", "cosine", "azimuth", "elevation"):
        table.add_column(name, justify="left" if name in {"photo", "box"} else "right")
    for one in found:
        table.add_row(
            one.photo.name,
            " ".join(f"{edge:.0f}" for edge in one.box.as_tuple()),
            f"{one.calibrated:.2f}",
            f"{one.score:.2f}",
            f"{one.azimuth_deg:.0f}",
            f"{one.elevation_deg:.0f}",
        )
    return table


def _draw(found: Sequence[Sighting], photos: Sequence[Path], folder: Path) -> None:
    """Green above 0, gray below; the best of a photo is drawn thickest."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in photos:
        picture = cv2.cvtColor(open_photo(path).pixels, cv2.COLOR_RGB2BGR)
        for place, one in enumerate(each for each in found if each.photo == path):
            x0, y0, x1, y1 = (round(edge) for edge in one.box.as_tuple())
            color = (60, 180, 60) if one.calibrated >= 0 else (150, 150, 150)
            cv2.rectangle(picture, (x0, y0), (x1, y1), color, 1 if place else 3)
        cv2.imwrite(str(folder / f"{path.stem}.jpg"), picture)
