"""Histograms of oriented gradients: no weights, no training; the baseline every network is held against.

Dalal and Triggs' descriptor with the four block normalizations of each cell averaged, as Felzenszwalb et
al. do it, so that a cell has one value an orientation.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ml.geometry.crops import LUMA
from ml.protocols import EmbedderInfo, Features
from ml.types import Crop

__all__ = ["HogEmbedder"]

INPUT = 128  # crop side in pixels
POOL = 2  # pixels are averaged 2 x 2 first: finer gradients are noise and JPEG blocks
CELL = 8  # pooled pixels a cell
BINS = 9  # unsigned orientations
CLIP = 0.2  # of a normalized value: one strong edge must not drown the rest
BATCH = 32  # crops at a time, for the cache's sake
_VERSION = "hog 2: gray, sqrt, pool 2, central differences, 8 px cells, triangular, 9 unsigned, clip 0.2"


class HogEmbedder:
    """8 x 8 cells of 9 orientations: 576 values."""

    def __init__(self) -> None:
        cells = INPUT // POOL // CELL
        digest = hashlib.sha256(_VERSION.encode()).hexdigest()
        self.info = EmbedderInfo("hog", cells * cells * BINS, INPUT, None, f"hog-{digest[:12]}")
        self.network = nn.Sequential(OrderedDict(votes=_Votes(cells), blocks=_Blocks()))

    def embed(self, crops: Sequence[Crop]) -> Features:
        """(n, 576) float32 rows of length 1. Raises ValueError for a crop of another size."""
        for crop in crops:
            if crop.pixels.shape != (3, INPUT, INPUT):
                raise ValueError(f"hog takes crops of {INPUT} px, not {crop.pixels.shape}")
        rows = np.empty((len(crops), self.info.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(crops), BATCH):
                batch = np.stack([crop.pixels for crop in crops[start : start + BATCH]])
                rows[start : start + BATCH] = self.network(torch.from_numpy(batch)).numpy()
        return Features(rows)


class _Votes(nn.Module):
    """The histograms, not yet normalized."""

    window: torch.Tensor

    def __init__(self, cells: int) -> None:
        super().__init__()
        # (64, 8): a pixel's share of each cell, falling linearly with the distance from its center
        pixels = torch.arange(INPUT // POOL, dtype=torch.float32)[:, None] + 0.5
        centers = CELL * (torch.arange(cells, dtype=torch.float32)[None] + 0.5)
        self.register_buffer("window", (1.0 - (pixels - centers).abs() / CELL).clamp_(min=0))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, 128, 128) in [0, 1] -> (n, 9, 8, 8)."""
        red, green, blue = LUMA
        gray = red * pixels[:, :1] + green * pixels[:, 1:2] + blue * pixels[:, 2:]
        gray = functional.avg_pool2d(gray, POOL).clamp_(min=0).sqrt_()
        padded = functional.pad(gray, (1, 1, 1, 1), mode="replicate")
        dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        # Soft binning: a gradient's magnitude goes to the two nearest orientations, modulo pi.
        angle = torch.remainder(torch.atan2(dy, dx) * (BINS / math.pi), BINS)
        lower = angle.floor()
        upper_share = angle - lower
        magnitude = torch.hypot(dx, dy)
        index = lower.long().clamp_(max=BINS - 1)
        votes = torch.zeros(len(pixels), BINS, *magnitude.shape[2:])
        votes.scatter_(1, index, magnitude * (1 - upper_share))
        votes.scatter_(1, (index + 1) % BINS, magnitude * upper_share)
        # Each vote is shared by the nearest cells, separably: two products with one small matrix.
        cells: torch.Tensor = self.window.T @ votes @ self.window
        return cells


class _Blocks(nn.Module):
    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """(n, 9, 8, 8) -> (n, 576): each cell by the energy of the four 2 x 2 blocks it is in, clipped, averaged;
        length 1."""
        energy = functional.pad(cells.square().sum(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
        blocks = (functional.avg_pool2d(energy, 2, stride=1) * 4 + 1e-4).sqrt()
        total = torch.zeros_like(cells)
        for down in (0, 1):
            for right in (0, 1):
                block = blocks[:, :, down : down + cells.shape[2], right : right + cells.shape[3]]
                total += (cells / block).clamp_(max=CLIP)
        return functional.normalize(total.flatten(1) + 1e-6, dim=1)
