"""How good ranked lists are, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.types import FloatArray

__all__ = ["Interval", "Scores", "bootstrap", "macro", "mean_of", "score_ranking"]

RESAMPLES = 2000
LEVEL = 0.95
_SEED = 0


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one query. hit at 1, 5 and 10 distinct products, precision at 5, reciprocal rank; all in [0, 1]."""

    top1: float
    top5: float
    top10: float
    precision5: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95% bootstrap interval over queries."""

    mean: float
    low: float
    high: float


def score_ranking(is_right: Sequence[bool]) -> Scores:
    """is_right: whether each distinct product is right, best first, over the whole gallery.

    precision5 divides by five, however few products there are.
    """
    first = next((rank for rank, right in enumerate(is_right) if right), None)
    one, five, ten = (float(first is not None and first < k) for k in (1, 5, 10))
    precision = sum(is_right[:5]) / 5
    return Scores(one, five, ten, precision, 0.0 if first is None else 1.0 / (first + 1))


def mean_of(scores: Sequence[Scores]) -> dict[str, float]:
    """Each measure's mean; 0 for no query."""
    return {
        name: float(np.mean([getattr(score, name) for score in scores])) if scores else 0.0
        for name in Scores.__dataclass_fields__
    }


def bootstrap(values: Sequence[float] | FloatArray) -> Interval:
    """Percentile interval of the mean, queries resampled with replacement; the same on every call."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) == 0:
        return Interval(0.0, 0.0, 0.0)
    rng = np.random.default_rng(_SEED)
    means = array[rng.integers(0, len(array), (RESAMPLES, len(array)))].mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(array.mean()), float(low), float(high))


def macro(
    values: Sequence[float], groups: Sequence[str], measure: Callable[[Sequence[float]], float] | None = None
) -> tuple[float, Mapping[str, float]]:
    """Mean over groups of each group's mean, and those; every group counts the same."""
    of = measure or (lambda found: float(np.mean(found)))
    names = sorted(set(groups))
    by_group = {
        name: of([value for value, group in zip(values, groups, strict=True) if group == name])
        for name in names
    }
    return (float(np.mean(list(by_group.values()))) if by_group else 0.0), by_group
