"""The trained vector made to use all of its directions: what most renders share counts for less."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ml.embed.networks import ViewNet

__all__ = ["in_batches", "whiten"]

POWER = 0.4  # of each direction's variance it is divided by; 0.5 is full whitening, 0 none
FLOOR = 1e-4  # of the whole variance: directions with less are noise, and are not blown up
MOST = 12_000  # pictures, evenly taken
_BATCH = 128


def whiten(network: ViewNet, pictures: npt.NDArray[np.uint8]) -> None:
    """Set the network's center and whitening by (n, side, side) uint8 plain renders.

    Principal components of their vectors, each divided by a power of its variance, the first ones kept (Jégou and
    Chum, Negative evidences and co-occurrences in image retrieval: the benefit of PCA and whitening, 2012).
    Renders alone, no photo: what is common to all views of furniture says nothing of which one it is.
    """
    network.eval()
    vectors = in_batches(
        lambda gray: network.trained(gray)[0], pictures[:: -(-len(pictures) // MOST)]
    ).double()
    center = vectors.mean(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov((vectors - center).T))
    variances = variances.clamp_min(FLOOR * float(variances.sum()))
    scaled = (directions * variances**-POWER).flip(1)  # eigh's come in ascending order
    network.center.copy_(center)
    network.whitening.copy_(scaled[:, : network.shape.compact])


def in_batches(describe: Callable[[Tensor], Tensor], pictures: npt.NDArray[np.uint8]) -> Tensor:
    """What `describe` makes of (b, 1, side, side) float32 gray in [0, 1], for all of (n, side, side) uint8."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), _BATCH):
            gray = torch.from_numpy(np.array(pictures[start : start + _BATCH])).float()[:, None] / 255
            found.append(describe(gray))
    return torch.cat(found)
