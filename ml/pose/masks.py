"""The object's pixels inside its box, estimated from the photo alone: no model has a say in it."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from ml.geometry.boxes import clip, expand, iou, mask_box
from ml.types import BoolArray, Box, Photo

__all__ = ["estimate_mask"]

SIDE = 160  # pixels, longer side of the picture that is cut: outlines need no more
AROUND = 0.3  # of the box, on each side: the background GrabCut learns from
LEAST_BACKGROUND = 0.12  # of the region: less tells nothing of the background
ROUNDS = 4
FILL = (0.12, 0.97)  # share of the box an object covers; outside, the cut has failed
AGREEMENT = 0.75  # IoU of the found object's box and the given one; less, and it is another thing


@lru_cache(maxsize=1)  # a search asks for its outline and for its colors
def estimate_mask(photo: Photo, box: Box) -> BoolArray | None:
    """(h, w) the object's pixels, or None where the cut can't be trusted (GrabCut, Rother et al. 2004).

    The last answer is kept, with its photo, and is read-only.
    Raises BadBox where the box has no part inside the photo.
    """
    inside = clip(box, photo.width, photo.height)
    outer = clip(expand(inside, AROUND), photo.width, photo.height)
    x0, y0, x1, y1 = (
        math.floor(outer.x0),
        math.floor(outer.y0),
        math.ceil(outer.x1),
        math.ceil(outer.y1),
    )
    scale = min(1.0, SIDE / max(x1 - x0, y1 - y0))
    width, height = max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale))
    picture = cv2.resize(photo.pixels[y0:y1, x0:x1], (width, height), interpolation=cv2.INTER_AREA)
    sx, sy = width / (x1 - x0), height / (y1 - y0)
    small = Box((inside.x0 - x0) * sx, (inside.y0 - y0) * sy, (inside.x1 - x0) * sx, (inside.y1 - y0) * sy)
    cut = _cut(np.asarray(picture, np.uint8), small)
    if cut is None:
        return None
    whole = np.zeros((photo.height, photo.width), np.bool_)
    grown = cv2.resize(cut.astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    whole[y0:y1, x0:x1] = grown >= 0.5
    whole.flags.writeable = False
    return whole


def _cut(picture: np.ndarray, box: Box) -> BoolArray | None:
    """(h, w) foreground of a small picture, None where it is implausible."""
    labels = np.full(picture.shape[:2], cv2.GC_BGD, np.uint8)
    columns = slice(max(0, math.floor(box.x0)), math.ceil(box.x1))
    rows = slice(max(0, math.floor(box.y0)), math.ceil(box.y1))
    labels[rows, columns] = cv2.GC_PR_FGD
    if (labels == cv2.GC_BGD).mean() < LEAST_BACKGROUND:
        return None
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(picture, labels, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return None
    cut = _largest((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    found = mask_box(cut)
    if found is None or iou(found, box) < AGREEMENT:
        return None
    return cut if FILL[0] <= cut[rows, columns].mean() <= FILL[1] else None


def _largest(mask: BoolArray) -> BoolArray:
    """The pieces that are not specks: at least a tenth of the largest."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept: BoolArray = (areas >= 0.1 * areas.max())[numbers] & mask
    return kept
