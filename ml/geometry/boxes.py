"""Boxes: edges in pixels; pixel i spans [i, i + 1)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ml.errors import BadBox
from ml.types import BoolArray, Box, FloatArray

__all__ = [
    "MARGIN",
    "around",
    "check_box",
    "clip",
    "crop_matrix",
    "expand",
    "iou",
    "mask_box",
    "stretched",
    "with_neighbors",
]

MARGIN = 1 / 16  # of a box's width and height, added on each side of a crop: shows the outline whole
_ABOUT = ((1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))  # wider and higher


def iou(a: Box, b: Box) -> float:
    """Intersection over union in [0, 1]; 0 where both are empty."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    common = max(width, 0.0) * max(height, 0.0)
    union = a.area + b.area - common
    return common / union if union > 0 else 0.0


def expand(box: Box, margin: float = MARGIN) -> Box:
    """Grown on each side by `margin` of its own width or height."""
    dx, dy = margin * box.width, margin * box.height
    return Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)


def stretched(box: Box, across: float, down: float) -> Box:
    """About its middle, `across` times as wide and `down` times as high."""
    dx, dy = (across - 1) / 2 * box.width, (down - 1) / 2 * box.height
    return Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)


def with_neighbors(box: Box, share: float) -> list[Box]:
    """The box, and where share > 0 six about it: by that share larger and smaller, wider, narrower, higher and lower."""
    about = _ABOUT if share > 0 else ()
    return [box, *(stretched(box, 1 + share * across, 1 + share * down) for across, down in about)]


def clip(box: Box, width: float, height: float) -> Box:
    """The part inside a width x height picture. Raises BadBox where there is none."""
    clipped = Box(max(box.x0, 0.0), max(box.y0, 0.0), min(box.x1, float(width)), min(box.y1, float(height)))
    if not (clipped.width > 0 and clipped.height > 0):
        raise BadBox(
            f"the box {_show(box)} has no area inside the {width:g} x {height:g} photo; "
            "give x0,y0,x1,y1 in pixels with x0 < x1 and y0 < y1"
        )
    return clipped


def check_box(box: Box) -> Box:
    """The box itself. Raises BadBox where an edge is not finite or the box is empty or inverted."""
    if not all(map(math.isfinite, box.as_tuple())) or box.width <= 0 or box.height <= 0:
        raise BadBox(f"the box {_show(box)} is empty; give x0,y0,x1,y1 in pixels with x0 < x1 and y0 < y1")
    return box


def around(points: FloatArray) -> Box:
    """The smallest box around (n, 2) points, n >= 1."""
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return Box(float(x0), float(y0), float(x1), float(y1))


def mask_box(mask: BoolArray) -> Box | None:
    """The smallest box around the set pixels of (h, w); None where none is set."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def crop_matrix(box: Box, size: int, margin: float = MARGIN) -> npt.NDArray[np.float64]:
    """(3, 3) crop_from_photo: the box and its margin onto a size x size square. Raises BadBox."""
    outer = expand(check_box(box), margin)
    sx, sy = size / outer.width, size / outer.height
    return np.array([[sx, 0, -sx * outer.x0], [0, sy, -sy * outer.y0], [0, 0, 1]], dtype=np.float64)


def _show(box: Box) -> str:
    return ",".join(f"{edge:g}" for edge in box.as_tuple())
