"""Which of the things found in a photo it is of, where a detector is about as sure of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ml.types import Box, Detection

__all__ = ["CLOSE", "likeliest_first", "log_odds"]

CLOSE = 1.5  # log-odds within which a detector is about as sure of one box as of another
_LEAST = 1e-6  # a score of 0 or 1 would be infinitely sure


def likeliest_first(
    detections: Sequence[Detection], worth: Callable[[Box], float], *, weight: float, most: int
) -> list[Detection]:
    """Detections (best first) in the order of their log-odds and `weight` times what worth says of the box: those
    of the first `most` that come within CLOSE of the best one; the others follow as they came.

    worth is asked only where at least two are so close.
    """
    close = [
        found for found in detections[:most] if log_odds(detections[0].score) - log_odds(found.score) < CLOSE
    ]
    if len(close) < 2 or weight <= 0:
        return list(detections)
    said = {found: log_odds(found.score) + weight * worth(found.box) for found in close}
    return [*sorted(close, key=lambda found: -said[found]), *detections[len(close) :]]


def log_odds(score: float) -> float:
    """Of a score in [0, 1], finite at its ends too."""
    inside = min(max(score, _LEAST), 1 - _LEAST)
    return math.log(inside / (1 - inside))
