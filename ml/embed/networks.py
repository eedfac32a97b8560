"""The layers of our own network; what it is given and how it is trained are told elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ml.embed.efficient import lite_stages

__all__ = ["LITE", "ResidualBlock", "ViewNet", "ViewNetShape", "ViewNets", "ViewNetsShape", "Whitening"]


@dataclass(frozen=True, slots=True)
class ViewNetShape:
    """side of the crop in pixels; widths of the stages and blocks of each; channels of a cell and dim of the vector as they are
    trained. trunk: "residual", ours from the first layer on, whose stages are at a half, a quarter, an eighth and a
    sixteenth of the side, or "efficientnet_lite0" (`LITE`): a quarter, an eighth, and a sixteenth twice."""

    trunk: str = "residual"
    side: int = 96
    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (0, 1, 2, 2)
    cell: int = 32
    dim: int = 256

    @property
    def rows(self) -> int:
        """Cells a row and column."""
        return self.side >> len(self.widths)

    @property
    def quarter(self) -> tuple[int, int]:
        """Layers of the trunk down to a quarter of the side, and the channels there."""
        return self._down(2)

    @property
    def eighth(self) -> tuple[int, int]:
        """The same down to an eighth."""
        return self._down(3)

    def _down(self, halvings: int) -> tuple[int, int]:
        # layers and halvings before the first stage's own
        stem, halved = (2, 1) if self.trunk == LITE.trunk else (4, 0)
        stages = halvings - halved
        return stem + sum(self.blocks[:stages]), self.widths[stages - 1]


LITE = ViewNetShape("efficientnet_lite0", widths=(24, 40, 80, 112), blocks=(2, 2, 3, 3))
"""Of a network that goes on from EfficientNet-Lite0's first stages."""


@dataclass(frozen=True, slots=True)
class ViewNetsShape:
    """members: networks side by side; of each, what whitening keeps of its vector and of its cells (each_vector,
    each_cell); of all together (compact, cell)."""

    members: int = 1
    each_vector: int = 128
    each_cell: int = 64
    compact: int = 128
    cell: int = 32


class ViewNet(nn.Module):
    """Gray crops -> spatial cells and a compact vector.

    A residual network (He et al., Deep residual learning, 2016) whose last map stays spatial: a descriptor
    that keeps its cells keeps the viewpoint (thesis Fig. 3.5); a linear layer over all of them gives the vector.
    """

    def __init__(self, shape: ViewNetShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or ViewNetShape()
        stages = lite_stages() if shape.trunk == LITE.trunk else _residual_stages(shape)
        self.trunk = nn.Sequential(*stages)
        before = shape.widths[-1]
        self.to_cells = nn.Conv2d(before, shape.cell, 1)
        self.to_vector = nn.Linear(shape.cell * shape.rows**2, shape.dim, bias=False)

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(n, 1, side, side) gray in [0, 1] -> vectors (n, dim) of length 1; cells (n, cell, rows, rows),
        each of length 1 over its channels; pooled (n, widths[-1]), the trunk's mean, for side tasks."""
        return self.described(self.trunk((crops - 0.5) * 4))

    def seen(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 1, side, side) gray in [0, 1] -> vectors (n, dim) and the map of the last stage but one, averaged
        down to cells (n, widths[-2], rows, rows), each of length 1 over its channels."""
        last = self.shape.blocks[-1]
        finer = self.trunk[:-last]((crops - 0.5) * 4)
        cells = functional.adaptive_avg_pool2d(finer, self.shape.rows)
        return self.described(self.trunk[-last:](finer))[0], functional.normalize(cells, dim=1)

    def described(self, trunk: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The trunk's map (n, widths[-1], rows, rows) -> what `forward` returns."""
        raw = self.to_cells(trunk)
        vectors = functional.normalize(self.to_vector(raw.flatten(1)), dim=1)
        return vectors, functional.normalize(raw, dim=1), trunk.mean(dim=(2, 3))


class ViewNets(nn.Module):
    """Networks that were trained apart, side by side: one vector and one map of cells of all of them, whitened.

    The cells are of the stage before the last (docs/adr/0013-finer-cells-two-networks.md).
    """

    def __init__(self, members: Sequence[ViewNet], shape: ViewNetsShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or ViewNetsShape(len(members))
        self.members = nn.ModuleList(members)
        dim, channels = members[0].shape.dim, max(member.shape.widths[-2] for member in members)
        self.vector = Whitening(shape.members, dim, shape.each_vector, shape.compact)
        self.cells = Whitening(shape.members, channels, shape.each_cell, shape.cell)

    @property
    def nets(self) -> list[ViewNet]:
        return [member for member in self.members if isinstance(member, ViewNet)]

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 1, side, side) gray in [0, 1] -> vectors (n, compact) of length 1; cells (n, cell, rows, rows),
        each of length 1 over its channels."""
        return self.whitened(*self.seen(crops))

    def whitened(self, vectors: torch.Tensor, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `seen` returns -> what `forward` does."""
        return self.vector(vectors), self.cells(cells.movedim(2, -1)).movedim(-1, 1)

    def seen(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The members' vectors (members, n, dim) and cells (members, n, channels, rows, rows) (`ViewNet.seen`); of a
        member with fewer channels than another the last ones are 0."""
        vectors, cells = zip(*(net.seen(crops) for net in self.nets), strict=True)
        channels = max(part.shape[1] for part in cells)
        same = [functional.pad(part, (0, 0, 0, 0, 0, channels - part.shape[1])) for part in cells]
        return torch.stack(vectors), torch.stack(same)


class Whitening(nn.Module):
    """Each member's rows centered, turned and scaled, then all members' together turned and cut.

    What is put in is learned by `ml.train.whitening`. Members are whitened apart: together, what they agree on would be
    the large directions, and be divided away.
    """

    centers: torch.Tensor
    turns: torch.Tensor
    center: torch.Tensor
    turn: torch.Tensor

    def __init__(self, members: int, dim: int, each: int, kept: int) -> None:
        super().__init__()
        self.register_buffer("centers", torch.zeros(members, dim))
        self.register_buffer("turns", torch.eye(dim)[:, :each].repeat(members, 1, 1))
        self.register_buffer("center", torch.zeros(members * each))
        self.register_buffer("turn", torch.eye(members * each)[:, :kept].clone())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(members, ..., dim) -> (..., kept), of length 1."""
        return functional.normalize((self.apart(rows) - self.center) @ self.turn, dim=-1)

    def apart(self, rows: torch.Tensor) -> torch.Tensor:
        """(members, ..., dim) -> (..., members * each), each member's of length 1."""
        whitened = [
            functional.normalize((part - center) @ turn, dim=-1)
            for part, center, turn in zip(rows, self.centers, self.turns, strict=True)
        ]
        return torch.cat(whitened, dim=-1)


def _residual_stages(shape: ViewNetShape) -> list[nn.Module]:
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
    return stages


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
