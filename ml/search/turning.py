"""Several photos between which the camera went around the thing by known angles: one product, one heading.

Summing each photo's best view (thesis eq. 3.9) lets a wrong product be seen from one side in one photo and from
the same side in the next, although the camera had gone around it. Where the angles between the photos are known
(thesis 6.2.4), a product is also scored by views that are as far apart as the photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.search.ranking import PhotoBest
from ml.types import FloatArray, IntArray

__all__ = ["BINS", "TURNED_WEIGHT", "PhotoViews", "turned_best"]

BINS = 36  # headings told apart, as many as an index has azimuths
SPREAD = 1  # bins by which each photo's heading may be off, two photos' by 20 degrees: nobody walks exactly
TURNED_WEIGHT = 0.5  # of the score by views as far apart as the photos, beside each photo's best view


@dataclass(frozen=True, slots=True, eq=False)
class PhotoViews:
    """One photo's searched views and its angle. cosines (m,), products (m,) in [0, p), rows (m,), azimuths (m,)
    radians, one a view; turn: radians the camera has gone around the thing since the first photo,
    counter-clockwise seen from above, as azimuths grow; best: each product's, without regard to turns."""

    cosines: npt.NDArray[np.float32]
    products: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    azimuths: FloatArray
    turn: float
    best: PhotoBest


def turned_best(photos: Sequence[PhotoViews]) -> list[PhotoBest]:
    """Each photo's best views again: of a product, those that agree on the thing's heading, and their cosines
    blended with what the product is ranked by alone. Two photos at least.

    A heading in which a photo had no view of a product to compare (the aspect filter leaves out some) counts
    there as the photo's least cosine.
    """
    count = len(photos[0].best.scores)
    seen = [_by_heading(photo, count) for photo in photos]
    together = np.sum([scores for scores, _ in seen], axis=0)
    heading = together.argmax(axis=1)
    products = np.arange(count)
    result = []
    for photo, (scores, rows) in zip(photos, seen, strict=True):
        of_heading = scores[products, heading]
        turned_rows = rows[products, heading]
        blended = (1 - TURNED_WEIGHT) * photo.best.scores + TURNED_WEIGHT * of_heading
        chosen = np.where(turned_rows >= 0, turned_rows, photo.best.rows)
        result.append(PhotoBest(blended.astype(np.float32), chosen))
    return result


def _by_heading(photo: PhotoViews, count: int) -> tuple[npt.NDArray[np.float32], IntArray]:
    """(p, BINS) best cosine of a product's views at each heading of the first photo, and their rows, -1 for none."""
    bins = np.rint((photo.azimuths - photo.turn) * (BINS / (2 * np.pi))).astype(np.int64) % BINS
    least = photo.cosines.min()
    scores = np.full((count, BINS), least, np.float32)
    rows = np.full((count, BINS), -1, np.int64)
    order = np.argsort(photo.cosines, kind="stable")  # the best is written last
    for off in range(-SPREAD, SPREAD + 1):
        at = (photo.products[order], (bins[order] + off) % BINS)
        near = np.full_like(scores, least)
        near[at] = photo.cosines[order]
        near_rows = np.full_like(rows, -1)
        near_rows[at] = photo.rows[order]
        better = (near > scores) | ((rows < 0) & (near_rows >= 0))
        scores, rows = np.where(better, near, scores), np.where(better, near_rows, rows)
    return scores, rows
