"""The object's pixels inside its box, estimated from the photo alone: no model has a say in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ml.detect.cutting import MARGIN, object_share
from ml.geometry.boxes import clip, crop_matrix, expand, iou, mask_box
from ml.geometry.crops import uncrop
from ml.geometry.pieces import large_pieces
from ml.types import BoolArray, Box, FloatArray, Photo

__all__ = ["Part", "estimate_mask"]

SIDE = 160  # pixels, longer side of the picture that is cut: outlines need no more
AROUND = 0.3  # of the box, on each side: the background GrabCut learns from
LEAST_BACKGROUND = 0.12  # of the region: less tells nothing of the background
ROUNDS = 4
FILL = (0.12, 0.97)  # share of the box an object covers; outside, the cut has failed
AGREEMENT = 0.75  # IoU of the found object's box and the given one; less, and it is another thing
LEARNED_AGREEMENT = 0.5  # the same for what the network says, which need not stop at the box by itself
SURE = 0.9  # share from which the network's word is not asked again


@lru_cache(maxsize=1)  # a search asks for its outline and for its colors
def estimate_mask(photo: Photo, box: Box) -> BoolArray | None:
    """(h, w) the object's pixels, or None where the cut can't be trusted (GrabCut, Rother et al. 2004).

    GrabCut begins with what our network takes for the object (`ml.detect.cutting`); where what it finds can't be it,
    it begins once more with nothing but the box.
    The last answer is kept, with its photo, and is read-only.
    Raises BadBox where the box has no part inside the photo.
    """
    inside = clip(box, photo.width, photo.height)
    part = Part.about(photo, inside)
    x0, y0, x1, y1 = part.edges
    picture = cv2.resize(photo.pixels[y0:y1, x0:x1], part.size, interpolation=cv2.INTER_AREA)
    pixels, small = np.asarray(picture, np.uint8), part.within(inside)
    cut = _learned(pixels, small, object_share(photo, inside))
    if cut is None:
        cut = _cut(pixels, small)
    return None if cut is None else part.whole(cut, photo)


@dataclass(frozen=True, slots=True)
class Part:
    """What is looked at of a photo about a box: whole pixels x0, y0, x1, y1, shrunk to `size` (width, height)."""

    edges: tuple[int, int, int, int]
    size: tuple[int, int]

    @classmethod
    def about(cls, photo: Photo, box: Box, side: int = SIDE) -> Part:
        """box: inside the photo; side: the longer one's pixels at most."""
        outer = clip(expand(box, AROUND), photo.width, photo.height)
        x0, y0, x1, y1 = math.floor(outer.x0), math.floor(outer.y0), math.ceil(outer.x1), math.ceil(outer.y1)
        scale = min(1.0, side / max(x1 - x0, y1 - y0))
        return cls((x0, y0, x1, y1), (max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale))))

    def within(self, box: Box) -> Box:
        """A box of the photo, in the part's pixels."""
        (x0, y0, x1, y1), (width, height) = self.edges, self.size
        sx, sy = width / (x1 - x0), height / (y1 - y0)
        return Box((box.x0 - x0) * sx, (box.y0 - y0) * sy, (box.x1 - x0) * sx, (box.y1 - y0) * sy)

    def whole(self, cut: BoolArray, photo: Photo) -> BoolArray:
        """(h, w) of the photo from the part's own; read-only."""
        x0, y0, x1, y1 = self.edges
        found = np.zeros((photo.height, photo.width), np.bool_)
        grown = cv2.resize(cut.astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        found[y0:y1, x0:x1] = grown >= 0.5
        found.flags.writeable = False
        return found


def _cut(picture: npt.NDArray[np.uint8], box: Box) -> BoolArray | None:
    """(h, w) foreground of a small picture, None where it is implausible."""
    inside = _inside(picture, box)
    if 1 - inside.mean() < LEAST_BACKGROUND:
        return None
    cut = _grabbed(picture, np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD), ROUNDS)
    return None if cut is None else _plausible(large_pieces(cut), box, AGREEMENT)


def _learned(picture: npt.NDArray[np.uint8], box: Box, share: FloatArray) -> BoolArray | None:
    """The same from the network's share (s, s) of each pixel about the box."""
    height, width = picture.shape[:2]
    share = uncrop(share, crop_matrix(box, len(share), MARGIN), width, height)
    inside = _inside(picture, box)
    labels = np.where(share >= 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[share >= SURE] = cv2.GC_FGD
    labels[(share <= 1 - SURE) | ~inside] = cv2.GC_BGD
    cut = _grabbed(picture, labels, 1)
    return _plausible((share >= 0.5) & inside if cut is None else cut, box, LEARNED_AGREEMENT)


def _grabbed(picture: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], rounds: int) -> BoolArray | None:
    """GrabCut's foreground; None where the labels leave it nothing to tell apart."""
    found = labels.astype(np.uint8)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(picture, found, None, *models, rounds, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return None
    foreground: BoolArray = (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)
    return foreground


def _inside(picture: npt.NDArray[Any], box: Box) -> BoolArray:
    inside = np.zeros(picture.shape[:2], np.bool_)
    rows = slice(max(0, math.floor(box.y0)), math.ceil(box.y1))
    inside[rows, max(0, math.floor(box.x0)) : math.ceil(box.x1)] = True
    return inside


def _plausible(cut: BoolArray, box: Box, agreement: float) -> BoolArray | None:
    found = mask_box(cut)
    if found is None or iou(found, box) < agreement:
        return None
    return cut if FILL[0] <= cut[_inside(cut, box)].mean() <= FILL[1] else None
