"""The layers of our own network; what it is given and how it is trained are told elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

__all__ = ["ResidualBlock", "ViewNet", "ViewNetShape"]


@dataclass(frozen=True, slots=True)
class ViewNetShape:
    """side of the crop in pixels; widths of the stages, each at half the one before's resolution, the first
    at half the crop's; blocks a stage; channels of a cell; dim of the vector as it is trained, and what whitening
    keeps of it (compact)."""

    side: int = 96
    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (0, 1, 2, 2)
    cell: int = 32
    dim: int = 256
    compact: int = 128

    @property
    def rows(self) -> int:
        """Cells a row and column."""
        return self.side >> len(self.widths)


class ViewNet(nn.Module):
    """Gray crops -> spatial cells and a compact vector.

    A residual network (He et al., Deep residual learning, 2016) whose last map stays spatial: a descriptor
    that keeps its cells keeps the viewpoint (thesis Fig. 3.5); a linear layer over all of them gives the vector,
    which is whitened by what `ml.train.whitening` has learned once the rest was trained.
    """

    center: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, shape: ViewNetShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or ViewNetShape()
        stages: list[nn.Module] = [
            nn.PixelUnshuffle(2),  # 2 x 2 pixels become channels: nothing of the crop is averaged away
            nn.Conv2d(4, shape.widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(shape.widths[0]),
            nn.ReLU(inplace=True),
        ]
        before = shape.widths[0]
        for place, (width, blocks) in enumerate(zip(shape.widths, shape.blocks, strict=True)):
            for number in range(blocks):
                stride = 2 if place and not number else 1
                stages.append(ResidualBlock(before, width, stride))
                before = width
        self.trunk = nn.Sequential(*stages)
        self.to_cells = nn.Conv2d(before, shape.cell, 1)
        self.to_vector = nn.Linear(shape.cell * shape.rows**2, shape.dim, bias=False)
        self.register_buffer("center", torch.zeros(shape.dim))
        self.register_buffer("whitening", torch.eye(shape.dim)[:, : shape.compact].clone())

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(n, 1, side, side) gray in [0, 1] -> vectors (n, compact) of length 1; cells (n, cell, rows, rows),
        each of length 1 over its channels; pooled (n, widths[-1]), the trunk's mean, for side tasks."""
        vectors, cells, pooled = self.trained(crops)
        return functional.normalize((vectors - self.center) @ self.whitening, dim=1), cells, pooled

    def trained(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As `forward`, with vectors (n, dim) as they are trained, not whitened."""
        return self.described(self.trunk((crops - 0.5) * 4))

    def described(self, trunk: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The trunk's map (n, widths[-1], rows, rows) -> what `trained` returns."""
        raw = self.to_cells(trunk)
        vectors = functional.normalize(self.to_vector(raw.flatten(1)), dim=1)
        return vectors, functional.normalize(raw, dim=1), trunk.mean(dim=(2, 3))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride != 1 else nn.Identity(),
                nn.Conv2d(before, width, 1, bias=False),
                nn.BatchNorm2d(width),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = functional.relu(self.norm1(self.first(x)), inplace=True)
        return functional.relu(self.norm2(self.second(inner)) + self.shortcut(x), inplace=True)
