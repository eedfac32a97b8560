"""Making views comparable: each gets c and d so that background scores -1 on average and rarely above 0.

Thesis 4.3.1: calibrated = c * cosine + d, with the mean of random background patches at -1 and their 99.99th
percentile at 0. So few patches lie beyond it that the percentile is extrapolated: the excesses over a view's
95th percentile are fitted by a generalized Pareto tail, its scale from the view's own mean excess, its
shape, which needs far more data than one view has, shared by all views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ml.types import FloatArray

__all__ = ["ESTIMATOR", "Calibration", "fit_calibration", "no_match_threshold"]

ESTIMATOR = "generalized Pareto tail over the 95th percentile, scale per view, shape shared"
TAIL = 0.05  # share of the patches the tail is fitted on
TARGET = 1e-4  # false alarms a patch and view, at calibrated score 0
FALSE_ACCEPTS = 0.01  # of queries with nothing to find, at the no-match threshold
_BLOCK = 2048  # views scored at a time
_SHAPE_VIEWS = 200  # views whose excesses the shared shape is fitted on
_SMALLEST_SPAN = 1e-4  # of cosine, between mean and percentile


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """lines (n, 2) float32: c and d of each view; shape: the tail's; patches: how many were scored."""

    lines: npt.NDArray[np.float32]
    shape: float
    patches: int


def fit_calibration(vectors: FloatArray, patches: FloatArray) -> Calibration:
    """vectors (n, d) of views and patches (m, d) of background, rows of length 1, m >= 200.

    Raises ValueError for fewer patches: ten in the tail are the least a mean excess can be read from.
    """
    count = len(patches)
    kept = round(TAIL * count)
    if kept < 10:
        raise ValueError(f"calibration needs at least {int(10 / TAIL)} background patches, not {count}")
    means, edges, excesses = _tails(vectors, patches, kept)
    shape = _shared_shape(excesses)
    scale = np.maximum(excesses.mean(axis=1), 1e-6) * (1.0 - shape)
    reach = kept / count / TARGET  # how far beyond the tail's edge the target lies, as a ratio of shares
    factor = math.log(reach) if abs(shape) < 1e-6 else (reach**shape - 1.0) / shape
    span = np.maximum(edges + scale * factor - means, _SMALLEST_SPAN)
    c = 1.0 / span
    lines = np.stack([c, -c * (means + span)], axis=1).astype(np.float32)
    return Calibration(lines, shape, count)


def _tails(
    vectors: FloatArray, patches: FloatArray, kept: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Mean score (n,), the score the tail starts at (n,), and the excesses over it (n, kept)."""
    n = len(vectors)
    means, edges = np.empty(n), np.empty(n)
    excesses = np.empty((n, kept), dtype=np.float32)
    columns = torch.from_numpy(np.ascontiguousarray(patches, dtype=np.float32)).T
    with torch.inference_mode():
        for start in range(0, n, _BLOCK):
            rows = torch.from_numpy(np.array(vectors[start : start + _BLOCK], dtype=np.float32))
            scores = rows @ columns
            block = slice(start, start + len(rows))
            means[block] = scores.mean(dim=1).numpy()
            top = torch.topk(scores, kept + 1, dim=1, sorted=True).values.numpy()
            edges[block] = 0.5 * (top[:, kept - 1] + top[:, kept])
            excesses[block] = top[:, :kept] - edges[block, None]
    return means, edges, excesses


def _shared_shape(excesses: npt.NDArray[np.float32]) -> float:
    """Of the views' excesses, each view's divided by its mean; clipped, as a cosine is bounded."""
    picked = excesses[:: max(1, len(excesses) // _SHAPE_VIEWS)]
    pooled = (picked / np.maximum(picked.mean(axis=1, keepdims=True), 1e-6)).ravel()
    # Probability-weighted moments (Hosking and Wallis, 1987): closed form, steady for short tails.
    ordered = np.sort(pooled.astype(np.float64))
    beyond = 1.0 - (np.arange(len(ordered)) + 0.65) / len(ordered)  # share of the excesses above each
    first, second = float(ordered.mean()), float((ordered * beyond).mean())
    shape = 2.0 - first / max(first - 2.0 * second, 1e-9)
    return float(np.clip(shape, -0.5, 0.3))


def no_match_threshold(vectors: FloatArray, lines: FloatArray, absent: FloatArray) -> float:
    """The calibrated score that 1% of queries reach which have nothing to find.

    absent (m, d): descriptors of such queries; each is scored by its best view of all. Patches that
    `fit_calibration` saw must not be among them.
    """
    best = torch.full((len(absent),), -math.inf)
    columns = torch.from_numpy(np.ascontiguousarray(absent, dtype=np.float32)).T
    with torch.inference_mode():
        for start in range(0, len(vectors), _BLOCK):
            block = slice(start, start + _BLOCK)
            rows = torch.from_numpy(np.array(vectors[block], dtype=np.float32))
            line = torch.from_numpy(np.array(lines[block], dtype=np.float32))
            scores = (rows @ columns) * line[:, :1] + line[:, 1:]
            best = torch.maximum(best, scores.amax(dim=0))
    return float(np.quantile(best.numpy(), 1.0 - FALSE_ACCEPTS))
