"""Comparing the best views cell by cell: where a compact vector says what, aligned cells say which one.

A photo's cells are laid over a view's, a cell to either side allowed for a box that is a little off; only
cells in which the view shows the object count, because only the view's mask is known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from ml.search.config import SearchConfig
from ml.search.generation import CELL_SCALE, MASK_SIDE
from ml.types import FloatArray

__all__ = ["blend", "cell_masks", "cell_scores", "quantize_cells", "reranked", "shifts"]


Part = tuple[slice, slice]


def quantize_cells(cells: FloatArray) -> npt.NDArray[np.int8]:
    """Values in [-1, 1] -> int8, times 127."""
    return np.asarray(np.rint(np.clip(cells, -1, 1) * CELL_SCALE), dtype=np.int8)


def cell_masks(packed: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """(n, 128) packed masks -> (n, rows, columns) float32, the share of each cell the object fills."""
    masks = np.unpackbits(packed, axis=1).reshape(-1, 1, MASK_SIDE, MASK_SIDE).astype(np.float32)
    pooled = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(masks), (rows, columns))
    return np.asarray(pooled[:, 0].numpy())


def cell_scores(
    query: FloatArray, cells: npt.NDArray[np.int8], masks: FloatArray, *, shift: int = 1
) -> npt.NDArray[np.float32]:
    """Mean cosine of aligned cells over the object, at the best shift.

    query (c, r, k) float32, each cell of length 1 over c; cells (n, c, r, k) int8; masks (n, r, k) in
    [0, 1]. A shift that leaves less than half of the object inside the photo's grid is not taken.
    Returns (n,) in [-1, 1].
    """
    side_r, side_k = query.shape[1:]
    views = torch.from_numpy(np.ascontiguousarray(cells)).float() / CELL_SCALE
    weights = torch.from_numpy(np.ascontiguousarray(masks, dtype=np.float32))
    total = weights.sum(dim=(1, 2)).clamp_min(1e-6)
    photo = torch.from_numpy(np.ascontiguousarray(query, dtype=np.float32))
    best = torch.full((len(views),), -1.0)
    for _, _, of_view, of_photo in shifts(side_r, side_k, shift):
        cosines = (views[:, :, of_view[0], of_view[1]] * photo[:, of_photo[0], of_photo[1]]).sum(dim=1)
        inside = weights[:, of_view[0], of_view[1]]
        weight = inside.sum(dim=(1, 2))
        score = (cosines * inside).sum(dim=(1, 2)) / weight.clamp_min(1e-6)
        best = torch.where(weight >= 0.5 * total, torch.maximum(best, score), best)
    return np.asarray(best.numpy())


def shifts(rows: int, columns: int, most: int) -> Iterator[tuple[int, int, Part, Part]]:
    """Every way to lay a view's cells over a photo's: the shift down and right, and the cells of the view
    and of the photo that then lie on one another."""
    for down in range(-most, most + 1):
        for right in range(-most, most + 1):
            of_view = (
                slice(max(0, -down), rows - max(0, down)),
                slice(max(0, -right), columns - max(0, right)),
            )
            of_photo = (
                slice(max(0, down), rows + min(0, down)),
                slice(max(0, right), columns + min(0, right)),
            )
            yield down, right, of_view, of_photo


def reranked(
    scores: FloatArray,
    shortlist: npt.NDArray[np.int64],
    query: FloatArray,
    stored: tuple[npt.NDArray[np.int8], npt.NDArray[np.uint8]],
    config: SearchConfig,
) -> FloatArray:
    """Scores (m,) with those of the shortlist (s,) blended with their cells' scores.

    query (c, r, k) as in `cell_scores`; stored: cells (s, c, r, k) int8 and packed masks (s, 128).
    """
    masks = cell_masks(stored[1], *query.shape[1:])
    by_cell = cell_scores(query, stored[0], masks, shift=config.cell_shift)
    return blend(scores, shortlist, by_cell, config.cell_weight)


def blend(
    scores: FloatArray, shortlist: npt.NDArray[np.int64], by_cell: FloatArray, weight: float
) -> FloatArray:
    """Scores (m,) with the shortlisted ones re-ranked: (1 - weight) * score + weight * cell score.

    Every other score gets the shortlist's lowest cell score, so the order among them stays and none of
    them rises by not having been compared.
    """
    if len(shortlist) == 0:
        return scores
    result = (1.0 - weight) * scores + weight * float(by_cell.min())
    result[shortlist] = (1.0 - weight) * scores[shortlist] + weight * by_cell
    return np.asarray(result, dtype=np.float32)
