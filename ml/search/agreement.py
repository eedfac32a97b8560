"""Why a view matched: where its cells agree with the photo's, and from where else it may be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.geometry.cameras import direction_to_camera
from ml.search.rerank import shifts
from ml.types import FloatArray, View

__all__ = ["Agreement", "agreement", "other_viewpoints"]

APART = np.radians(35)  # between two viewpoints that a shopper would call different
MOST = 2  # other viewpoints offered


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """values  (r, k) float32 over the view's cells: each one's part of `score`; they sum to it
    score   mean cosine of the aligned cells over the object, what the view was re-ranked by
    down, right  cells by which the view lies lower and further right in the photo's crop
    """

    values: npt.NDArray[np.float32]
    score: float
    down: int
    right: int


def agreement(
    query: FloatArray, cells: npt.NDArray[np.int8], mask: FloatArray, *, shift: int = 1
) -> Agreement:
    """Of one view: query (c, r, k) float32, cells (c, r, k) int8, mask (r, k) in [0, 1]; see `cell_scores`."""
    rows, columns = mask.shape
    best: Agreement | None = None
    for down, right, of_view, of_photo in shifts(rows, columns, shift):
        weights = mask[of_view]
        if weights.sum() < 0.5 * mask.sum():
            continue
        cosines = (query[:, *of_photo] * (cells[:, *of_view].astype(np.float32) / 127)).sum(axis=0)
        parts = cosines * weights / max(float(weights.sum()), 1e-6)
        score = float(parts.sum())
        if best is None or score > best.score:
            values = np.zeros((rows, columns), np.float32)
            values[of_view] = parts
            best = Agreement(values, score, down, right)
    if best is None:  # the shift by nothing always keeps the whole object
        raise ValueError(f"a mask of {mask.shape} cells lets no shift be taken")
    return best


def other_viewpoints(views: Sequence[View], scores: FloatArray, margin: float) -> list[int]:
    """Indices of views clearly apart from the best and from one another that score within `margin` of it.

    A symmetric thing looks alike from several sides; so does, more rarely, an ambiguous one.
    """
    best = int(np.argmax(scores))
    taken = [_direction(views[best])]
    found: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] < scores[best] - margin or len(found) == MOST:
            break
        direction = _direction(views[index])
        if all(np.arccos(np.clip(direction @ other, -1, 1)) > APART for other in taken):
            taken.append(direction)
            found.append(int(index))
    return found


def _direction(view: View) -> npt.NDArray[np.float64]:
    return direction_to_camera(view.azimuth, view.elevation)
