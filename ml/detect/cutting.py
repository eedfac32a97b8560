"""How likely each pixel about a box is the object's, by our own network: trained on scenes we draw."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from ml.detect.finder import load_network
from ml.geometry.boxes import crop_matrix
from ml.geometry.crops import warp
from ml.types import Box, FloatArray, Photo

__all__ = ["MARGIN", "object_share"]

SIDE = 128  # pixels of the crop
MARGIN = 0.2  # of the box, on each side


def object_share(photo: Photo, box: Box) -> FloatArray:
    """(64, 64) float32 in [0, 1] over the box and MARGIN of its sides, stretched to the square.

    Raises BadBox, WeightsMissing.
    """
    pixels = warp(photo.pixels, crop_matrix(box, SIDE, MARGIN), SIDE)
    with torch.inference_mode():
        picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        return np.asarray(_network()(picture)[0, 0].sigmoid().numpy())


@cache
def _network() -> torch.nn.Module:
    return load_network("mask")
