"""Photographs of anything but what catalogs have, as the trained network sees them; they ship with its weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ml.embed.networks import ViewNet
from ml.train.whitening import in_batches

__all__ = ["absent_vectors"]

_MIDDLE = 0.7  # of the sides: each photograph once whole, once its middle


def absent_vectors(network: ViewNet, photos: npt.NDArray[np.uint8]) -> Tensor:
    """(n, S, S) uint8 gray -> (2 n, compact) float32: the whole photographs, then their middles."""
    network.eval()
    side, size = network.shape.side, photos.shape[1]
    edge = round(size * (1 - _MIDDLE) / 2)

    def describe(gray: Tensor) -> Tensor:
        vectors: Tensor = network(functional.interpolate(gray, (side, side), mode="area"))[0]
        return vectors

    middles = photos[:, edge : size - edge, edge : size - edge]
    return torch.cat([in_batches(describe, part) for part in (photos, middles)])
