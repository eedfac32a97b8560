"""Making views comparable: each gets c and d so that background scores -1 on average and rarely above 0.

Thesis 4.3.1: calibrated = c * cosine + d, with the mean of random background patches at -1 and their 99.99th
percentile at 0. Of a few thousand patches hardly one lies beyond that percentile of a single view, so it is
taken as edge + factor * excess: a view's own 95th percentile, its own mean excess over it, and a factor all
views share. The factor is read off scores their view's edge and excess were not fitted on, pooled over
views: of those it leaves one in 10,000 above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ml.types import FloatArray

__all__ = ["ESTIMATOR", "TAIL", "Calibration", "fit_calibration"]

ESTIMATOR = "95th percentile + factor * mean excess, per view; factor cross-fitted, pooled over views"
TAIL = 0.05  # share of the patches that lie over the edge
TARGET = 1e-4  # false alarms a patch and view, at calibrated score 0
LEAST_PATCHES = 200  # ten over the edge are the least a mean excess can be read from
_BLOCK = 2048  # views scored at a time
_POOLED = 2000  # views the shared factor is read off
_SMALLEST_SPAN = 1e-4  # of cosine, between mean and percentile


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """lines (n, 2) float32: c and d of each view; factor: the shared one; patches: how many were scored."""

    lines: npt.NDArray[np.float32]
    factor: float
    patches: int


def fit_calibration(vectors: FloatArray, patches: FloatArray) -> Calibration:
    """vectors (n, d) of views and patches (m, d) of background, rows of length 1, m >= 200.

    Raises ValueError for fewer patches.
    """
    if len(patches) < LEAST_PATCHES:
        raise ValueError(f"calibration needs at least {LEAST_PATCHES} background patches, not {len(patches)}")
    columns = torch.from_numpy(np.ascontiguousarray(patches, dtype=np.float32)).T
    factor = _shared_factor(vectors, columns)
    means, spans = np.empty(len(vectors)), np.empty(len(vectors))
    with torch.inference_mode():
        for start in range(0, len(vectors), _BLOCK):
            scores = _rows(vectors[start : start + _BLOCK]) @ columns
            mean, edge, excess = _tail(scores)
            block = slice(start, start + len(scores))
            means[block], spans[block] = mean.numpy(), (edge + factor * excess - mean).numpy()
    c = 1.0 / np.maximum(spans, _SMALLEST_SPAN)
    lines = np.stack([c, -c * means - 1.0], axis=1).astype(np.float32)
    return Calibration(lines, factor, len(patches))


def _rows(block: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.array(block, dtype=np.float32))


def _tail(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(n, m) -> mean, edge of the tail, and mean excess over it, each (n,)."""
    kept = max(2, round(TAIL * scores.shape[1]))
    top = torch.topk(scores, kept + 1, dim=1, sorted=True).values
    edge = 0.5 * (top[:, kept - 1] + top[:, kept])
    return scores.mean(dim=1), edge, (top[:, :kept].mean(dim=1) - edge).clamp_min(1e-7)


def _shared_factor(vectors: FloatArray, columns: torch.Tensor) -> float:
    """In mean excesses over the edge: what one in 10,000 scores of the other half of the patches exceeds."""
    half = columns.shape[1] // 2
    folds = (columns[:, :half], columns[:, half : 2 * half])
    picked = np.unique(np.linspace(0, len(vectors) - 1, min(_POOLED, len(vectors))).astype(np.int64))
    pooled = []
    with torch.inference_mode():
        rows = _rows(vectors[picked])
        scores = [rows @ fold for fold in folds]
        for fitted, held_out in (scores, scores[::-1]):
            _, edge, excess = _tail(fitted)
            pooled.append(((held_out - edge[:, None]) / excess[:, None]).flatten())
        values = torch.cat(pooled)
        beyond = max(1, round(TARGET * len(values)))
        return max(float(torch.topk(values, beyond).values[-1]), 0.0)
