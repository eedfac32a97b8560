"""Views to products: one row a product, by its best view; over several photos, by the sum of those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.types import Box, FloatArray, IntArray

__all__ = [
    "ABSENT",
    "LACKING",
    "PhotoBest",
    "ProductRanking",
    "best_views",
    "fuse_photos",
    "is_truncated",
    "usable_photos",
]

ABSENT = -1.0  # what a product scores for a photo in which none of its views was searched: background's mean
LACKING = 0.02  # of cosine
TOUCH = 1.0  # pixels within which a box touches the photo's border


@dataclass(frozen=True, slots=True, eq=False)
class PhotoBest:
    """One photo's best view of each of p products.

    scores  (p,) float32, what the product is ranked by, -inf where no view of the product was searched
    rows    (p,) int64, row of that view in the generation; -1 where none was searched
    """

    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ProductRanking:
    """products  (k,) int64, best first
    scores    (k,) float32
    rows      (k, photos) int64, each photo's view given the product; -1 where none was searched
    odds      (k,) log-odds of a last look, the surest photo's; nan where none was taken
    """

    products: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    odds: FloatArray

    def first(self, top: int | None) -> ProductRanking:
        """The best `top`."""
        return ProductRanking(self.products[:top], self.scores[:top], self.rows[:top], self.odds[:top])

    def reordered(self, more: FloatArray, rows: npt.NDArray[np.int64], odds: FloatArray) -> ProductRanking:
        """The first k in the order of their scores plus `more` (k,), with these rows (k, photos) and odds (k,); the
        rest stays behind them."""
        k = len(more)
        scores = self.scores.copy()
        scores[:k] += np.asarray(more, np.float32)
        order = np.concatenate([np.argsort(-scores[:k], kind="stable"), np.arange(k, len(scores))])
        return ProductRanking(
            self.products[order],
            scores[order],
            np.concatenate([rows, self.rows[k:]])[order],
            np.concatenate([odds, self.odds[k:]])[order],
        )


def best_views(
    scores: FloatArray, products: IntArray, rows: IntArray, count: int, *, mean_of: int = 1
) -> PhotoBest:
    """scores, products in [0, count) and rows, each (m,), one a searched view -> each product's best view, and
    the mean score of its `mean_of` best.

    A view scored -inf is not there. Of equal views the first is taken. A product with fewer views than
    `mean_of` has each missing one counted as LACKING below the mean of those there are.
    """
    left = np.array(scores, dtype=np.float32)
    found = np.full(count, -1, dtype=np.int64)
    total = np.zeros(count, dtype=np.float32)
    views = np.zeros(count, dtype=np.int64)
    for turn in range(mean_of):
        best = np.full(count, -np.inf, dtype=np.float32)
        np.maximum.at(best, products, left)
        winners = np.flatnonzero((left == best[products]) & (left > -np.inf))[::-1]
        winner = np.full(count, -1, dtype=np.int64)
        winner[products[winners]] = winners  # the first of equal ones, as it is written last
        has = winner >= 0
        if turn == 0:
            found[has] = rows[winner[has]]
        total[has] += best[has]
        views += has
        left[winner[has]] = -np.inf
    mean = np.full(count, -np.inf, dtype=np.float32)
    seen = views > 0
    mean[seen] = total[seen] / views[seen] - LACKING * (mean_of - views[seen])
    return PhotoBest(mean, found)


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
    return ProductRanking(order, totals[order].astype(np.float32), rows[order], np.full(len(order), np.nan))


def is_truncated(box: Box, width: int, height: int) -> bool:
    """Whether a box touches the photo's border: then the object probably goes on beyond it."""
    return box.x0 <= TOUCH or box.y0 <= TOUCH or box.x1 >= width - TOUCH or box.y1 >= height - TOUCH


def usable_photos(is_cut: Sequence[bool]) -> list[int]:
    """Indices of the photos to search with: the truncated ones are left out if another remains."""
    whole = [index for index, cut in enumerate(is_cut) if not cut]
    return whole or list(range(len(is_cut)))
