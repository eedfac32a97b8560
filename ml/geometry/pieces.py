"""Connected pieces of a mask."""

from __future__ import annotations

import cv2
import numpy as np

from ml.types import BoolArray

__all__ = ["large_pieces"]

SPECK = 0.1  # of the largest piece's area: what is smaller is no part of the object


def large_pieces(mask: BoolArray) -> BoolArray:
    """An (h, w) mask without its specks; pixels that touch at a corner are of one piece."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # what is around them
    kept: BoolArray = (areas >= SPECK * areas.max())[numbers] & mask
    return kept
