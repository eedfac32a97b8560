"""Greedy non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterable

from ml.detect.choosing import log_odds
from ml.geometry.boxes import iou
from ml.types import Box, Detection

__all__ = ["OVERLAP", "suppress", "without_parts"]

OVERLAP = 0.5  # IoU above which two boxes are the same object
PART = 0.8  # share of a box inside a better one, above which it is a part of that object


def suppress(detections: Iterable[Detection], *, overlap: float = OVERLAP) -> list[Detection]:
    """Best first; of two that overlap by an IoU above `overlap` the better one stays."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda found: -found.score):
        if all(iou(detection.box, other.box) <= overlap for other in kept):
            kept.append(detection)
    return kept


def without_parts(detections: Iterable[Detection], *, clearly: float = 0.0) -> list[Detection]:
    """Best first; a box that lies in a better one, or that holds two better ones, is left out.

    clearly: log-odds by which the one it lies in has to be better.
    """
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda found: -found.score):
        is_part = any(
            _share_inside(detection.box, other.box) > PART
            and log_odds(other.score) - log_odds(detection.score) >= clearly
            for other in kept
        )
        held = sum(_share_inside(other.box, detection.box) > PART for other in kept)
        if not is_part and held < 2:
            kept.append(detection)
    return kept


def _share_inside(box: Box, other: Box) -> float:
    """Of the box's area, what lies in the other."""
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    return max(width, 0.0) * max(height, 0.0) / max(box.area, 1e-9)
