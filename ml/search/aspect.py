"""The aspect filter: which stored views have about the query's proportions (thesis eq. 3.4).

Rows are sorted by log aspect, so the views that pass are one contiguous slice, found by two binary
searches, and the filter costs nothing and loses nothing.
"""

from __future__ import annotations

import math

import numpy as np

from ml.types import FloatArray

__all__ = ["aspect_slice", "widen"]

# Relative width of the band around a boundary in which a row is decided by the ratio itself and not by
# its logarithm. Far above the rounding of a float64 logarithm, far below any difference that matters.
_BORDER = 1e-9


def aspect_slice(
    log_aspects: FloatArray, query: float, tau: float, *, aspects: FloatArray | None = None
) -> slice:
    """Rows whose aspect is within a factor tau of the query's: tau < query / aspect < 1 / tau.

    log_aspects: (n,) ascending. query: height / width, above 0. tau in (0, 1]; at 1 nothing passes.
    aspects: the same rows before the logarithm; with them a row on the boundary is decided exactly as
    a filter on the ratios would, without them as a filter on the logarithms would.
    Raises ValueError for a query or a tau outside its range.
    """
    if not (query > 0 and math.isfinite(query)):
        raise ValueError(f"an aspect is height / width, above 0 and finite, not {query!r}")
    if not 0 < tau <= 1:
        raise ValueError(f"tau is the factor two aspects may differ by, in (0, 1], not {tau!r}")
    low, high = math.log(query) + math.log(tau), math.log(query) - math.log(tau)
    start = int(np.searchsorted(log_aspects, low, side="right"))
    stop = int(np.searchsorted(log_aspects, high, side="left"))
    if aspects is not None:
        start = _decide(log_aspects, aspects, low, query, tau, is_lower=True)
        stop = _decide(log_aspects, aspects, high, query, tau, is_lower=False)
    return slice(start, max(start, stop))


def _decide(
    log_aspects: FloatArray, aspects: FloatArray, edge: float, query: float, tau: float, *, is_lower: bool
) -> int:
    """First row past an edge, with the rows next to the edge decided by their ratio."""
    band = _BORDER * (1.0 + abs(edge))
    first = int(np.searchsorted(log_aspects, edge - band, side="left"))
    last = int(np.searchsorted(log_aspects, edge + band, side="right"))
    ratios = query / np.asarray(aspects[first:last], dtype=np.float64)
    inside = ratios < 1.0 / tau if is_lower else ratios > tau
    # Rows ascend, so ratios descend: inside is False..True at the lower edge, True..False at the upper.
    return first + int(np.count_nonzero(~inside) if is_lower else np.count_nonzero(inside))


def widen(
    log_aspects: FloatArray, query: float, tau: float, *, aspects: FloatArray | None = None
) -> tuple[slice, float]:
    """The slice for the widest-needed tau: tau, tau**2, tau**4, ... until a view passes.

    Returns the slice and the tau it was taken with, which is the given one where that already suffices.
    log_aspects: (n,) ascending, n > 0. Raises ValueError where there is no row at all.
    """
    if len(log_aspects) == 0:
        raise ValueError("there is no view to widen the aspect filter for")
    used = tau
    rows = aspect_slice(log_aspects, query, used, aspects=aspects)
    while rows.start == rows.stop:
        used = min(used, 0.99) ** 2
        if used < 1e-12:  # an aspect no photo has: every view is as near as any other
            return slice(0, len(log_aspects)), used
        rows = aspect_slice(log_aspects, query, used, aspects=aspects)
    return rows, used
