"""Photographs of anything but what catalogs have, as the trained networks see them; they ship with its weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ml.embed.networks import ViewNets
from ml.train.whitening import in_batches

__all__ = ["absent_vectors"]

_MIDDLE = 0.7  # of the sides: each photograph once whole, once its middle


def absent_vectors(networks: ViewNets, photos: npt.NDArray[np.uint8]) -> Tensor:
    """(n, S, S) uint8 gray -> (2 n, compact) float32: the whole photographs, then their middles."""
    networks.eval()
    side, size = networks.nets[0].shape.side, photos.shape[1]
    edge = round(size * (1 - _MIDDLE) / 2)

    def describe(gray: Tensor) -> Tensor:
        vectors: Tensor = networks(functional.interpolate(gray, (side, side), mode="area"))[0]
        return vectors

    middles = photos[:, edge : size - edge, edge : size - edge]
    return torch.cat([in_batches(describe, part) for part in (photos, middles)])
