"""Fitting phi to pairs of descriptors: of a thing in a photo, and of its render from the same side."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from ml.adapt.linear import MOST_DIMENSIONS
from ml.types import FloatArray

__all__ = ["fit_linear"]

_EPOCHS = 30
_BATCH = 128
_RATE = 0.1
_MOMENTUM = 0.9


def fit_linear(
    photos: FloatArray,
    renders: FloatArray,
    *,
    is_rectified: bool,
    held_out: tuple[FloatArray, FloatArray],
    seed: int = 1,
) -> tuple[FloatArray, FloatArray]:
    """A (d, d) and b (d,) that bring photos (n, d) to renders (n, d), rows of length 1, row by row.

    Loss (1 - cos)^2 (thesis 4.2) by stochastic gradient descent with momentum, from A = 1, b = 0. Of all epochs,
    and of that beginning, the one is taken whose loss on `held_out`, pairs of other models, is least: what helps
    nothing comes back as the identity. Raises ValueError for more than MOST_DIMENSIONS.
    """
    dim = photos.shape[1]
    if dim > MOST_DIMENSIONS:
        raise ValueError(
            f"{dim} dimensions; a full matrix is fitted up to {MOST_DIMENSIONS}: take another layer"
        )
    random = torch.Generator().manual_seed(seed)
    matrix = torch.eye(dim, requires_grad=True)
    bias = torch.zeros(dim, requires_grad=True)
    optimizer = torch.optim.SGD([matrix, bias], lr=_RATE, momentum=_MOMENTUM)
    given, wanted = (torch.from_numpy(np.asarray(rows, np.float32)) for rows in (photos, renders))
    checked = [torch.from_numpy(np.asarray(rows, np.float32)) for rows in held_out]

    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        made = functional.linear(x, matrix, bias)
        cosine = functional.cosine_similarity(made.relu() if is_rectified else made, y)
        return (1 - cosine).square().mean()

    def held_out_loss() -> float:
        with torch.no_grad():
            return float(loss(checked[0], checked[1]))

    best = (held_out_loss(), matrix.detach().clone(), bias.detach().clone())
    for epoch in range(_EPOCHS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * epoch / _EPOCHS))
        order = torch.randperm(len(given), generator=random)
        for rows in torch.split(order, _BATCH):
            optimizer.zero_grad()
            loss(given[rows], wanted[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        now = held_out_loss()
        if now < best[0]:
            best = (now, matrix.detach().clone(), bias.detach().clone())
    return best[1].numpy(), best[2].numpy()
