"""How good detected viewpoints are: average viewpoint precision, and errors of the azimuth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import iou
from ml.study.viewpoint.symmetry import CONTINUOUS, equivalents
from ml.types import Box, FloatArray

__all__ = ["Found", "Truth", "average_precision", "average_viewpoint_precision", "bin_of"]

FOUND = 0.5  # IoU from which a box counts


@dataclass(frozen=True, slots=True)
class Truth:
    """An object in picture `picture`; turns: of its symmetry."""

    picture: int
    box: Box
    azimuth: float
    turns: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """A detection with its viewpoint; radians."""

    picture: int
    box: Box
    score: float
    azimuth: float


def average_viewpoint_precision(truths: Sequence[Truth], found: Sequence[Found], bins: int | None) -> float:
    """AVP of Pascal3D+ with `bins` azimuth bins (Xiang et al., 2014); plain AP where bins is None.

    Detections in order of their score; one is box-correct where it overlaps an unused object by IoU >= 0.5, and
    right where its azimuth also lies in the object's bin. Recall counts box-correct ones, precision right ones;
    the area under precision made monotone (VOC). A round object has every bin; one that looks the same from
    several azimuths has each of theirs.
    """
    if not truths:
        return 0.0
    by_picture: dict[int, list[int]] = {}
    for place, truth in enumerate(truths):
        by_picture.setdefault(truth.picture, []).append(place)
    used = np.zeros(len(truths), np.bool_)
    is_box, is_right = np.zeros((2, len(found)), np.bool_)
    for rank, detection in enumerate(sorted(found, key=lambda one: -one.score)):
        near = by_picture.get(detection.picture, [])
        overlaps = [iou(detection.box, truths[place].box) for place in near]
        if not overlaps or max(overlaps) < FOUND:
            continue
        place = near[int(np.argmax(overlaps))]
        if used[place]:
            continue
        used[place] = True
        is_box[rank] = True
        is_right[rank] = bins is None or _same_bin(detection.azimuth, truths[place], bins)
    recall = np.cumsum(is_box) / len(truths)
    precision = np.cumsum(is_right) / np.arange(1, len(found) + 1)
    return average_precision(recall, precision)


def average_precision(recall: FloatArray, precision: FloatArray) -> float:
    """Area under the curve, precision taken as the best at this recall or a higher one (VOC since 2010)."""
    edges = np.concatenate([[0.0], recall])
    envelope = np.maximum.accumulate(np.asarray(precision, np.float64)[::-1])[::-1]
    return float((np.diff(edges) * envelope).sum())


def bin_of(azimuth: FloatArray | float, bins: int) -> npt.NDArray[np.int64]:
    """Pascal3D+'s bins: the first is centered on 0, the last half bin joins it."""
    width = 2 * math.pi / bins
    return np.asarray(np.floor((np.asarray(azimuth) % (2 * math.pi)) / width + 0.5), np.int64) % bins


def _same_bin(azimuth: float, truth: Truth, bins: int) -> bool:
    if truth.turns == CONTINUOUS:
        return True
    right = bin_of(equivalents(np.array(truth.azimuth), truth.turns), bins)
    return bool((right == bin_of(azimuth, bins)).any())
