"""Trained vectors and cells made to use all of their directions: what most renders share counts for less."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ml.embed.networks import ViewNets, Whitening

__all__ = ["in_batches", "whiten"]

POWER = 0.4  # of each direction's variance a vector is divided by; 0.5 is full whitening, 0 none
CELL_POWER = 0.3
FLOOR = 1e-4  # of the whole variance: directions with less are noise, and are not blown up
MOST = 12_000  # pictures, evenly taken
_BATCH = 128
_CELLED = 4  # of the pictures, one in so many tells of the cells


def whiten(networks: ViewNets, pictures: npt.NDArray[np.uint8]) -> None:
    """Set what the networks' vectors and cells are whitened by, from (n, side, side) uint8 plain renders.

    Principal components of each member's, each divided by a power of its variance, the first ones kept (Jégou and
    Chum, Negative evidences and co-occurrences in image retrieval: the benefit of PCA and whitening, 2012); then those
    of all members together, not divided. Renders alone, no photo: what is common to all views of furniture says
    nothing of which one it is.
    """
    networks.eval()
    chosen = pictures[:: -(-len(pictures) // MOST)]
    vectors = in_batches(lambda gray: networks.seen(gray)[0].movedim(0, 1), chosen)
    _fit(networks.vector, vectors.movedim(1, 0), POWER)
    cells = in_batches(lambda gray: networks.seen(gray)[1].movedim(0, -1).movedim(1, -1), chosen[::_CELLED])
    _fit(networks.cells, cells.flatten(0, 2).movedim(1, 0), CELL_POWER)


def _fit(whitening: Whitening, rows: Tensor, power: float) -> None:
    """rows (members, n, dim)"""
    for part, center, turn in zip(rows, whitening.centers, whitening.turns, strict=True):
        _set(center, turn, part, power)
    _set(whitening.center, whitening.turn, whitening.apart(rows), 0.0)


def _set(center: Tensor, turn: Tensor, rows: Tensor, power: float) -> None:
    rows = rows.double()
    middle = rows.mean(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov((rows - middle).T))
    variances = variances.clamp_min(FLOOR * float(variances.sum()))
    scaled = (directions * variances**-power).flip(1)  # eigh's come in ascending order
    center.copy_(middle)
    turn.copy_(scaled[:, : turn.shape[1]])


def in_batches(describe: Callable[[Tensor], Tensor], pictures: npt.NDArray[np.uint8]) -> Tensor:
    """What `describe` makes of (b, 1, side, side) float32 gray in [0, 1], for all of (n, side, side) uint8."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), _BATCH):
            gray = torch.from_numpy(np.array(pictures[start : start + _BATCH])).float()[:, None] / 255
            found.append(describe(gray))
    return torch.cat(found)
