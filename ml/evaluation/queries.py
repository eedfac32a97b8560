"""What an evaluation asks: photos, boxes, and what would be right. One JSON object a line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.errors import BadSource
from ml.types import Box

__all__ = ["Gallery", "GalleryItem", "Query", "read_queries", "relevant_ids"]


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """One product: id as the source has it, name, category, product family ('' where unknown)."""

    id: str
    name: str
    category: str = ""
    product: str = ""


Gallery = tuple[GalleryItem, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """photos         of one object
    boxes          one a photo: a box, "full" for the whole photo, or None where it has to be found
    relevant       ids of the right products, or None
    relevant_regex pattern over names in lower case, or None
    product        family, category: for coarser scores, '' where not given
    true_boxes     one a photo or None; only the score sees them
    azimuth_deg, elevation_deg  of the first photo, or None
    mask           picture of the object's pixels in the first photo, white on black, or None
    turns_deg      how far around the thing each photo was taken from, since the first: counter-clockwise seen
                   from above, None or empty where that isn't known
    """

    photos: tuple[Path, ...]
    boxes: tuple[Box | str | None, ...]
    relevant: frozenset[str] | None = None
    relevant_regex: str | None = None
    product: str = ""
    category: str = ""
    true_boxes: tuple[Box | None, ...] = ()
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    turns_deg: tuple[float | None, ...] = ()
    mask: Path | None = None

    @property
    def label(self) -> str:
        return self.photos[0].name


def read_queries(path: Path) -> list[Query]:
    """Raises BadSource with the line's number where a line is not a query."""
    queries = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadSource(f"the queries {path} can't be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            queries.append(_parse(json.loads(line), path.parent))
        except (ValueError, KeyError, TypeError, re.error) as error:
            raise BadSource(f"{path}, line {number} is not a query: {error!r}") from error
    if not queries:
        raise BadSource(f"{path} holds no query; write one JSON object a line")
    return queries


def _parse(values: dict[str, Any], folder: Path) -> Query:
    photos = values["photo"] if isinstance(values["photo"], list) else [values["photo"]]
    relevant, pattern = values.get("relevant"), values.get("relevant_regex")
    if relevant is None and pattern is None:
        raise ValueError("it needs relevant or relevant_regex")
    if pattern is not None:
        re.compile(pattern)
    turns = tuple(None if turn is None else float(turn) for turn in values.get("turn_deg") or ())
    if turns and len(turns) != len(photos):
        raise ValueError(f"{len(photos)} photos have {len(turns)} turns")
    return Query(
        photos=tuple(folder / photo for photo in photos),
        boxes=tuple(_box(value) for value in _each(values.get("box"), len(photos))),
        relevant=None if relevant is None else frozenset(str(name) for name in relevant),
        relevant_regex=pattern,
        product=str(values.get("product") or ""),
        category=str(values.get("category") or ""),
        true_boxes=tuple(_edges(value) for value in _each(values.get("true_box"), len(photos))),
        azimuth_deg=values.get("azimuth_deg"),
        elevation_deg=values.get("elevation_deg"),
        turns_deg=turns,
        mask=folder / values["mask"] if values.get("mask") else None,
    )


def _each(value: Any, count: int) -> list[Any]:
    """One value a photo: a list of boxes stays, one box or word is for all."""
    is_list_of_boxes = isinstance(value, list) and not (
        len(value) == 4 and not isinstance(value[0], list | str)
    )
    if not is_list_of_boxes:
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{count} photos have {len(value)} boxes")
    return list(value)


def _box(value: Any) -> Box | str | None:
    if value is None or value == "full":
        return None if value is None else "full"
    return _edges(value)


def _edges(value: Any) -> Box | None:
    if value is None:
        return None
    x0, y0, x1, y1 = (float(edge) for edge in value)
    return Box(x0, y0, x1, y1)


def relevant_ids(query: Query, gallery: Gallery) -> frozenset[int]:
    """Positions in the gallery of the products that are right."""
    if query.relevant is not None:
        return frozenset(at for at, item in enumerate(gallery) if item.id in query.relevant)
    pattern = re.compile(query.relevant_regex or "")
    return frozenset(at for at, item in enumerate(gallery) if pattern.search(item.name.lower()))
