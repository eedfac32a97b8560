"""Views to products: one row a product, by its best view; over several photos, by the sum of those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.types import Box, FloatArray, IntArray

__all__ = [
    "ABSENT",
    "PhotoBest",
    "ProductRanking",
    "best_views",
    "fuse_photos",
    "is_truncated",
    "usable_photos",
]

ABSENT = -1.0  # what a product scores for a photo in which none of its views was searched: background's mean
TOUCH = 1.0  # pixels within which a box touches the photo's border


@dataclass(frozen=True, slots=True, eq=False)
class PhotoBest:
    """One photo's best view of each of p products.

    scores  (p,) float32, -inf where no view of the product was searched
    rows    (p,) int64, row of that view in the generation; -1 where none was searched
    """

    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ProductRanking:
    """products  (k,) int64, best first
    scores    (k,) float32
    rows      (k, photos) int64, each photo's view given the product; -1 where none was searched
    """

    products: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]


def best_views(scores: FloatArray, products: IntArray, rows: IntArray, count: int) -> PhotoBest:
    """scores, products in [0, count) and rows, each (m,), one a searched view -> each product's best.

    A view scored -inf is not there. Of equal views the first is taken.
    """
    best = np.full(count, -np.inf, dtype=np.float32)
    np.maximum.at(best, products, np.asarray(scores, dtype=np.float32))
    found = np.full(count, -1, dtype=np.int64)
    winners = np.flatnonzero((scores == best[products]) & (scores > -np.inf))[::-1]
    found[products[winners]] = rows[winners]
    return PhotoBest(best, found)


def fuse_photos(
    photos: Sequence[PhotoBest], top: int | None = None, *, absent: float = ABSENT
) -> ProductRanking:
    """Sum over photos of the maximum over views (thesis eq. 3.9); each photo's view given the product is
    that photo's maximum (eq. 3.10).

    A product searched in no photo is left out; for a photo it was not searched in it scores `absent`.
    """
    stacked = np.stack([photo.scores for photo in photos])
    is_searched = np.isfinite(stacked)
    totals = np.where(is_searched, stacked, absent).sum(axis=0, dtype=np.float64)
    candidates = np.flatnonzero(is_searched.any(axis=0))
    order = candidates[np.argsort(-totals[candidates], kind="stable")][:top]
    rows = np.stack([photo.rows for photo in photos], axis=1)
    return ProductRanking(order, totals[order].astype(np.float32), rows[order])


def is_truncated(box: Box, width: int, height: int) -> bool:
    """Whether a box touches the photo's border: then the object probably goes on beyond it."""
    return box.x0 <= TOUCH or box.y0 <= TOUCH or box.x1 >= width - TOUCH or box.y1 >= height - TOUCH


def usable_photos(is_cut: Sequence[bool]) -> list[int]:
    """Indices of the photos to search with: the truncated ones are left out if another remains."""
    whole = [index for index, cut in enumerate(is_cut) if not cut]
    return whole or list(range(len(is_cut)))
