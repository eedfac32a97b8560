"""What a model's own views tell of it: whether something looks wrong, and whether it looks the same when turned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.types import ViewSet

__all__ = ["symmetry", "turned_error", "view_warnings"]

BLACK = 14.0  # mean gray level of what is all black
FAINT = 5.0  # gray levels between an object and its background that can't be told apart
BACKGROUND = 128.0
FLAT = 0.004  # of the longest side
LARGE_M, SMALL_M = 15.0, 0.01
SAME_MASK = 0.97  # intersection over union
SAME_ASPECT = 0.02
EVERY = 3  # pixels looked at, in both directions: a ninth tells as much
SAME_GRAY = 6.0  # mean difference, gray levels

_TURNS = (("round", None), ("quarter", 4), ("half", 2))


def view_warnings(views: ViewSet, extents: Sequence[float]) -> list[str]:
    """Sentences for an admin. extents: width, height, depth in metres."""
    warnings = []
    inside = _gray(views.pixels)[views.masks[:, ::EVERY, ::EVERY]]
    if inside.size and inside.mean() < BLACK:
        warnings.append("it is drawn all black; its materials or textures may be missing")
    elif inside.size and np.abs(inside - BACKGROUND).mean() < FAINT:
        warnings.append("it is almost invisible on the views' gray; photos of it will hardly be found")
    longest, shortest = max(extents), min(extents)
    if shortest < FLAT * longest:
        warnings.append("it is flat; views from the side show next to nothing")
    if longest > LARGE_M:
        warnings.append(f"it is {longest:.0f} m long; is the unit right?")
    elif longest < SMALL_M:
        warnings.append(f"it is {1000 * longest:.1f} mm long; is the unit right?")
    return warnings


def symmetry(views: ViewSet) -> str:
    """ "round", "quarter" or "half", as it looks the same after any, a quarter or a half turn about its up axis,
    else "none". Judged by outlines and gray levels of the lowest ring of views."""
    azimuths = sum(view.elevation == views.grid[0].elevation for view in views.grid)
    if azimuths < 2:
        return "none"
    gray, masks = _gray(views.pixels[:azimuths]), views.masks[:azimuths, ::EVERY, ::EVERY]
    for name, parts in _TURNS:
        if parts is not None and azimuths % parts:
            continue
        step = 1 if parts is None else azimuths // parts
        if _looks_the_same(masks, gray, views.aspects[:azimuths], step):
            return name
    return "none"


def turned_error(found: float, true: float, symmetry: str) -> float:
    """The angle between two azimuths, radians, in [0, pi], as seen on a model of this symmetry: a half turn of what
    looks the same after it is none."""
    if symmetry == "round":
        return 0.0
    turns = next((parts for name, parts in _TURNS if name == symmetry), None) or 1
    return abs(math.remainder(found - true, 2 * math.pi / turns))


def _gray(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(n, h, w, 3) -> means of the channels, of every EVERYth pixel."""
    means: npt.NDArray[np.float32] = pixels[:, ::EVERY, ::EVERY].mean(axis=-1, dtype=np.float32)
    return means


def _looks_the_same(
    masks: npt.NDArray[np.bool_], gray: npt.NDArray[np.float32], aspects: npt.NDArray[np.float32], step: int
) -> bool:
    """Each view against the one `step` further round."""
    other, other_gray = np.roll(masks, step, axis=0), np.roll(gray, step, axis=0)
    both, either = (masks & other).sum(axis=(1, 2)), (masks | other).sum(axis=(1, 2))
    has_same_masks = bool((both >= SAME_MASK * either).all())
    has_same_aspects = bool((np.abs(np.log(aspects / np.roll(aspects, step))) < SAME_ASPECT).all())
    differences = (np.abs(gray - other_gray) * masks).sum(axis=(1, 2)) / np.maximum(1, masks.sum(axis=(1, 2)))
    return has_same_masks and has_same_aspects and bool((differences < SAME_GRAY).all())
