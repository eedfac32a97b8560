"""An object's pixels as rings of points: a few hundred numbers a page can draw at any size."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import mask_box
from ml.types import BoolArray

__all__ = ["outlined"]

COARSENESS = 1 / 200  # of the object's longer side: how far a ring may be from the pixels' edge
LEAST = 1e-3  # of the object's area, for a ring: smaller ones are grain


def outlined(mask: BoolArray) -> list[npt.NDArray[np.float32]]:
    """Rings (n, 2) of x, y in pixels' edges of an (h, w) mask, outer ones and holes, to be filled by the even-odd
    rule; thinned as Douglas and Peucker do (1973). Empty for an empty mask."""
    box = mask_box(mask)
    if box is None:
        return []
    # by pixels' edges, not middles: a mask twice as large has its contour there, half a pixel further out
    twice = np.kron(np.pad(mask, 1), np.ones((2, 2), np.uint8)).astype(np.uint8)
    contours, _ = cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    near = 2 * COARSENESS * max(box.width, box.height)
    least = 4 * LEAST * float(mask.sum())
    rings = []
    for contour in contours:
        thinned = cv2.approxPolyDP(contour, near, closed=True)[:, 0]
        if len(thinned) >= 3 and cv2.contourArea(contour) >= least:
            rings.append(((thinned + 0.5) / 2 - 1).astype(np.float32))
    return rings
