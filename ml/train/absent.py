"""Photographs of anything but what catalogs have, as the trained network sees them; they ship with its weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ml.embed.networks import ViewNet

__all__ = ["absent_vectors"]

_BATCH = 128
_MIDDLE = 0.7  # of the sides: each photograph once whole, once its middle


def absent_vectors(network: ViewNet, photos: npt.NDArray[np.uint8]) -> Tensor:
    """(n, S, S) uint8 gray -> (2 n, compact) float32: the whole photographs, then their middles."""
    network.eval()
    side, size = network.shape.side, photos.shape[1]
    edge = round(size * (1 - _MIDDLE) / 2)
    found = []
    with torch.inference_mode():
        for part in (photos, photos[:, edge : size - edge, edge : size - edge]):
            for start in range(0, len(part), _BATCH):
                gray = torch.from_numpy(np.array(part[start : start + _BATCH])).float()[:, None] / 255
                found.append(network(functional.interpolate(gray, (side, side), mode="area"))[0])
    return torch.cat(found)
