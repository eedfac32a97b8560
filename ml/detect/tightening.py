"""Boxes that are about right, drawn to the object's edges by what the mask network says of the pixels in and around
them: a proposal's edges are rough, and a crop that is off matches worse."""

from __future__ import annotations

from collections.abc import Sequence

from ml.detect.cutting import MARGIN, object_shares
from ml.errors import BadBox
from ml.geometry.boxes import clip, expand, mask_box
from ml.geometry.pieces import large_pieces
from ml.types import Box, FloatArray, Photo

__all__ = ["tightened"]

LEAST = 0.3  # share from which a pixel is the object's: thin parts are never sure


def tightened(photo: Photo, boxes: Sequence[Box]) -> list[Box]:
    """One for each, inside the photo; a box in which nothing is told from its surroundings stays as it is.

    Raises BadBox for a box with no part inside the photo, WeightsMissing.
    """
    if not boxes:
        return []
    inside = [clip(box, photo.width, photo.height) for box in boxes]
    shares = object_shares(photo, inside)
    return [_drawn(photo, box, share) for box, share in zip(inside, shares, strict=True)]


def _drawn(photo: Photo, box: Box, share: FloatArray) -> Box:
    """The box of the share's larger pieces."""
    found = mask_box(large_pieces(share >= LEAST))
    if found is None:
        return box
    outer = expand(box, MARGIN)
    across, down = outer.width / share.shape[1], outer.height / share.shape[0]
    x0, x1 = outer.x0 + across * found.x0, outer.x0 + across * found.x1
    y0, y1 = outer.y0 + down * found.y0, outer.y0 + down * found.y1
    try:
        return clip(Box(x0, y0, x1, y1), photo.width, photo.height)
    except BadBox:  # what it sees lies outside the photo
        return box
