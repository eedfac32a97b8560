"""An evaluation as one page of pictures: each query, its first ten hits, the right ones framed.

The page stands alone (pictures inside), so it can be sent to whoever has to look at it.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ml.errors import ShapelensError
from ml.types import Array

if TYPE_CHECKING:
    from ml.pipelines.evaluating import Evaluation, QueryResult, Ranked

__all__ = ["write_report"]

SIDE = 132  # pixels of a picture on the page
COLUMNS = 12  # of a sheet of views
HITS = 10
_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:24px;color:#1b2430;background:#f6f7f9}
h1{font-size:20px} h2{font-size:15px;margin:28px 0 6px}
table{border-collapse:collapse;margin:8px 0} td,th{padding:3px 12px;text-align:right} th{color:#667}
td:first-child,th:first-child{text-align:left}
.row{display:flex;gap:8px;background:#fff;border-radius:8px;padding:10px;margin:8px 0;overflow-x:auto}
figure{margin:0;width:136px;flex:none} figcaption{font-size:11px;color:#556;overflow-wrap:anywhere}
img{width:132px;height:132px;object-fit:contain;border:2px solid transparent;border-radius:6px}
.right img{border-color:#17924a} .right figcaption{color:#17703c;font-weight:600}
.query img{border-color:#2a5bd7} .none{color:#a33}
"""


def write_report(evaluation: Evaluation, path: Path, *, limit: int = 200) -> None:
    """limit: queries shown, evenly spread over all of them."""
    results = evaluation.results
    picked = np.unique(np.linspace(0, len(results) - 1, min(limit, len(results))).round().astype(int))
    manifest = evaluation.gallery.manifest
    title = f"{manifest.embedder_fingerprint}, {manifest.models} models, tau {evaluation.options.tau:g}"
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{len(picked)} of {len(results)} queries. A green frame is a right product.</p>",
        _scores(results),
    ]
    parts += [_row(results[index], evaluation) for index in picked]
    path.write_text("\n".join(parts), encoding="utf-8")


def _scores(results: Sequence[QueryResult]) -> str:
    groups = sorted({result.query.category or "all" for result in results})
    rows = ["<tr><th>category<th>queries<th>top 1<th>top 10<th>precision 5</tr>"]
    for group in ["", *groups]:
        found = [one.exact for one in results if not group or (one.query.category or "all") == group]
        means = [
            100 * float(np.mean([getattr(score, name) for score in found]))
            for name in ("top1", "top10", "precision5")
        ]
        cells = "".join(f"<td>{value:.1f}" for value in means)
        rows.append(f"<tr><td>{html.escape(group or 'all')}<td>{len(found)}{cells}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _row(result: QueryResult, evaluation: Evaluation) -> str:
    notes = [result.query.category, result.query.product]
    if result.no_match:
        notes.append("<span class=none>nothing similar</span>")
    if not result.is_found:
        notes.append("<span class=none>box missed</span>")
    figures = [_figure(_photo(result), " ".join([html.escape(result.query.label), *notes]), "query")]
    for ranked in result.ranked[:HITS]:
        item = evaluation.gallery.items[ranked.at]
        caption = f"{html.escape(item.name or item.id)}<br>{ranked.score:.3f} / {ranked.calibrated:+.2f}"
        view = _view(evaluation.gallery.directories[ranked.at], ranked)
        figures.append(_figure(view, caption, "right" if ranked.is_right else ""))
    return f"<div class=row>{''.join(figures)}</div>"


def _figure(image: Image.Image, caption: str, kind: str) -> str:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=72)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"<figure class='{kind}'><img loading=lazy alt='' src='data:image/jpeg;base64,{data}'>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _photo(result: QueryResult) -> Image.Image:
    """The first photo, its box drawn on it."""
    from ml.pipelines.photos import open_photo

    try:
        pixels = open_photo(result.query.photos[0]).pixels
    except ShapelensError:
        return Image.new("RGB", (SIDE, SIDE), "#dddddd")
    image = Image.fromarray(pixels)
    if result.box is not None:
        draw = ImageDraw.Draw(image)
        draw.rectangle(result.box.as_tuple(), outline="#2a5bd7", width=max(1, image.width // 100))
    image.thumbnail((SIDE, SIDE))
    return image


def _view(directory: Path, ranked: Ranked) -> Image.Image:
    """The best view, unstretched."""
    sheet, aspects = _sheet(directory)
    side = sheet.width // COLUMNS
    left, upper = (ranked.view % COLUMNS) * side, (ranked.view // COLUMNS) * side
    tile = sheet.crop((left, upper, left + side, upper + side))
    aspect = float(aspects[ranked.view])
    size = (max(1, round(SIDE * min(1.0, 1 / aspect))), max(1, round(SIDE * min(1.0, aspect))))
    return tile.resize(size)


@lru_cache(maxsize=64)
def _sheet(directory: Path) -> tuple[Image.Image, Array]:
    image = Image.open(directory / "views.jpg")
    image.draft("RGB", (image.width // 2, image.height // 2))
    image.load()
    with np.load(directory / "views.npz", allow_pickle=False) as table:
        return image, np.asarray(table["aspects"])
