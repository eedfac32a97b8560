"""Greedy non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterable

from ml.geometry.boxes import iou
from ml.types import Detection

__all__ = ["OVERLAP", "suppress"]

OVERLAP = 0.5  # IoU above which two boxes are the same object


def suppress(detections: Iterable[Detection], *, overlap: float = OVERLAP) -> list[Detection]:
    """Best first; of two that overlap by an IoU above `overlap` the better one stays."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda found: -found.score):
        if all(iou(detection.box, other.box) <= overlap for other in kept):
            kept.append(detection)
    return kept
