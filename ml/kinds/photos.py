"""What kind of thing a photo shows, told by a network that learned from ImageNet's photographs.

It sees colors and 224 pixels where the networks that match see gray and 96, and has never seen a render: it can't say
which product, and is surer of what for.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ml.embed.devices import answers_in_bfloat16, device
from ml.embed.fusing import fused
from ml.embed.published import published_classifier
from ml.geometry.boxes import clip
from ml.kinds.vocabulary import class_kinds
from ml.types import Box, FloatArray, Photo

__all__ = ["SIDE", "kinds_of_photo"]

SIDE = 224  # pixels, as in its training
_MIDDLE, _SPREAD = 127.0, 128.0  # of a color's level, likewise


def kinds_of_photo(photo: Photo, box: Box) -> FloatArray:
    """(OTHER + 1,), summing up to 1: how likely the box shows a thing of each kind, OTHER last.

    Raises BadBox for a box with no part inside the photo, WeightsMissing.
    """
    pixels = _squared(photo, clip(box, photo.width, photo.height))
    picture = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() - _MIDDLE) / _SPREAD
    with torch.inference_mode():
        odds = _network()(picture.to(device(), _numbers()).contiguous(memory_format=torch.channels_last))
    classes: FloatArray = odds[0].float().softmax(0).cpu().numpy()
    return np.asarray(classes @ class_kinds())


def _squared(photo: Photo, box: Box) -> npt.NDArray[np.uint8]:
    """(SIDE, SIDE, 3): the box with its proportions as they are, on its mean color: stretched, a sofa is a chair."""
    x0, y0 = int(box.x0), int(box.y0)
    part = photo.pixels[y0 : max(y0 + 1, round(box.y1)), x0 : max(x0 + 1, round(box.x1))]
    scale = SIDE / max(part.shape[:2])
    height, width = (max(1, round(side * scale)) for side in part.shape[:2])
    filtering = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.empty((SIDE, SIDE, 3), np.uint8)
    square[:] = part.mean(axis=(0, 1))
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(
        part, (width, height), interpolation=filtering
    )
    return square


@cache
def _network() -> nn.Module:
    return fused(published_classifier()).to(device(), _numbers())


def _numbers() -> torch.dtype:
    """bfloat16 where the processor computes in it faster."""
    return torch.bfloat16 if answers_in_bfloat16() else torch.float32
