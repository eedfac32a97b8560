"""Comparing the best views one by one: where a compact vector says what, aligned cells, outlines and colors say which one.

A photo's cells are laid over a view's, a cell to either side allowed for a box that is a little off; only
cells in which the view shows the object count. What the photo's pixels are taken for, object or not, is held
against the view's mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from ml.search.colors import color_scores
from ml.search.config import SearchConfig
from ml.search.generation import CELL_SCALE, MASK_SIDE
from ml.types import FloatArray

__all__ = [
    "Looks",
    "Stored",
    "blend",
    "cell_masks",
    "cell_scores",
    "outline_scores",
    "quantize_cells",
    "reranked",
    "shifts",
]

_UNSEEN = 0.25  # what a pixel weighs that is the object's in the view alone: in a photo something may hide it

Part = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What of a photo's object is compared with single views.

    cells  (c, r, k) float32, each of length 1 over c; None where the embedder keeps none
    share  (MASK_SIDE, MASK_SIDE) float32, how likely each pixel of the crop is the object's; None where nothing
           tells
    colors (11,) float32, shares of the basic colors in the object (`ml.search.colors`); None where nothing tells
    """

    cells: FloatArray | None
    share: FloatArray | None = None
    colors: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What an index keeps of s views for this.

    cells  (s, c, r, k) int8, or None
    masks  (s, 128) uint8, packed
    colors (s, 11) uint8, or None: indexes built before they were kept
    """

    cells: npt.NDArray[np.int8] | None
    masks: npt.NDArray[np.uint8]
    colors: npt.NDArray[np.uint8] | None = None


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
    views = torch.from_numpy(np.ascontiguousarray(cells)).flatten(2).float()
    photo = torch.from_numpy(np.ascontiguousarray(query, dtype=np.float32)).flatten(1).T / CELL_SCALE
    weights = torch.from_numpy(np.ascontiguousarray(masks, dtype=np.float32)).flatten(1)
    pairing = _pairing(*query.shape[1:], shift)
    cosines = torch.matmul(photo, views).flatten(1)  # every cell of the photo with every one of the view
    inside = weights[:, pairing.of_view]
    total = inside @ pairing.of_shift
    scores = (cosines[:, pairing.both] * inside) @ pairing.of_shift / total.clamp_min(1e-6)
    is_enough = total >= 0.5 * weights.sum(dim=1, keepdim=True).clamp_min(1e-6)
    return np.asarray(scores.masked_fill(~is_enough, -1.0).max(dim=1).values.numpy())


@dataclass(frozen=True, slots=True, eq=False)
class _Pairing:
    """The m pairs of a photo's and a view's cell that lie on one another at any of s shifts.

    of_view   (m,) the view's cell
    both      (m,) the pair's place among all pairs, the photo's cell first
    of_shift  (m, s) float32, 1 at the shift it belongs to
    """

    of_view: torch.Tensor
    both: torch.Tensor
    of_shift: torch.Tensor


@cache
def _pairing(rows: int, columns: int, most: int) -> _Pairing:
    grid = torch.arange(rows * columns).view(rows, columns)
    laid = [
        (grid[of_view].flatten(), grid[of_photo].flatten())
        for *_, of_view, of_photo in shifts(rows, columns, most)
    ]
    of_view, of_photo = (torch.cat(part) for part in zip(*laid, strict=True))
    number = torch.repeat_interleave(torch.arange(len(laid)), torch.tensor([len(part[0]) for part in laid]))
    return _Pairing(
        of_view, of_photo * grid.numel() + of_view, torch.nn.functional.one_hot(number, len(laid)).float()
    )


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


def outline_scores(share: FloatArray, packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """How well each view covers the photo's object: share (MASK_SIDE, MASK_SIDE) in [0, 1], packed masks (n, 128)
    -> (n,) in [0, 1].

    Tversky's index (Features of similarity, 1977, eq. 4): what is the object's in the photo alone counts as a whole
    miss, what is in the view alone as a quarter, since something may stand before it.
    """
    masks = np.unpackbits(packed, axis=1).astype(np.float32)
    photo = np.asarray(share, np.float32).reshape(-1)
    common = masks @ photo
    missed = photo.sum() - common
    unseen = masks.sum(axis=1) - common
    return np.asarray(common / np.maximum(common + missed + _UNSEEN * unseen, 1e-6), np.float32)


def reranked(
    scores: FloatArray,
    shortlist: npt.NDArray[np.int64],
    looks: Looks,
    stored: Stored,
    config: SearchConfig,
    *,
    is_colored: bool = False,
) -> FloatArray:
    """Scores (m,) with those of the shortlist (s,) blended with their cells' scores, then with their colors' where
    these tell the index's views apart (is_colored), else with their outlines': models without materials have
    nothing but their shape.

    stored: of the shortlist. Without colors neither is done.
    """
    if looks.cells is not None and stored.cells is not None and config.cell_weight > 0:
        masks = cell_masks(stored.masks, *looks.cells.shape[1:])
        by_cell = cell_scores(looks.cells, stored.cells, masks, shift=config.cell_shift)
        scores = blend(scores, shortlist, by_cell, config.cell_weight)
    if looks.colors is None or looks.share is None or stored.colors is None:
        return scores
    if is_colored:
        return blend(scores, shortlist, color_scores(looks.colors, stored.colors), config.color_weight)
    return blend(scores, shortlist, outline_scores(looks.share, stored.masks), config.outline_weight)


def blend(
    scores: FloatArray, shortlist: npt.NDArray[np.int64], closer: FloatArray, weight: float
) -> FloatArray:
    """Scores (m,) with the shortlisted ones re-ranked: (1 - weight) * score + weight * the closer look's (s,).

    Every other score gets the shortlist's lowest, so the order among them stays and none of
    them rises by not having been compared.
    """
    if len(shortlist) == 0 or weight <= 0:
        return scores
    result = (1.0 - weight) * scores + weight * float(closer.min())
    result[shortlist] = (1.0 - weight) * scores[shortlist] + weight * closer
    return np.asarray(result, dtype=np.float32)
