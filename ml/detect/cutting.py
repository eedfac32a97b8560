"""How likely each pixel about a box is the object's, by our own network: trained on scenes we draw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import cv2
import numpy as np
import torch

from ml.detect.networks import load_network
from ml.embed.fusing import fused
from ml.geometry.boxes import clip, crop_matrix
from ml.geometry.crops import warp
from ml.types import Box, FloatArray, Photo

__all__ = ["MARGIN", "crop_shares", "object_share", "object_shares"]

SIDE = 128  # pixels of the crop
MARGIN = 0.2  # of the box, on each side
_FINE = 128  # pixels of a crop's shares before they are averaged down


def object_share(photo: Photo, box: Box) -> FloatArray:
    """(64, 64) float32 in [0, 1] over the box and MARGIN of its sides, stretched to the square.

    Raises BadBox, WeightsMissing.
    """
    share: FloatArray = object_shares(photo, [box])[0]
    return share


def object_shares(photo: Photo, boxes: Sequence[Box]) -> FloatArray:
    """The same of n boxes in one pass: (n, 64, 64). The last answer is kept, with its photo, and is read-only."""
    return _shares(photo, tuple(boxes))


@lru_cache(maxsize=1)  # a search asks of its box for the ranking, then for the pose
def _shares(photo: Photo, boxes: tuple[Box, ...]) -> FloatArray:
    pixels = np.stack([warp(photo.pixels, crop_matrix(box, SIDE, MARGIN), SIDE) for box in boxes])
    with torch.inference_mode():
        pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        shares = np.asarray(_network()(pictures)[:, 0].sigmoid().numpy())
    shares.flags.writeable = False
    return shares


def crop_shares(photo: Photo, boxes: Sequence[Box], side: int) -> FloatArray:
    """The same over crops as an embedder sees them (`ml.geometry.crops.crop_photo`): (n, side, side)."""
    inner = [clip(box, photo.width, photo.height) for box in boxes]
    shares = object_shares(photo, inner) if boxes else np.empty((0, side, side), np.float32)
    found = np.empty((len(boxes), side, side), np.float32)
    for place, (box, share) in enumerate(zip(inner, shares, strict=True)):
        fine = crop_matrix(box, _FINE) @ np.linalg.inv(crop_matrix(box, len(share), MARGIN))
        large = cv2.warpAffine(share.astype(np.float32), fine[:2], (_FINE, _FINE))
        found[place] = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
    return found


@cache
def _network() -> torch.nn.Module:
    return fused(load_network("mask"))
