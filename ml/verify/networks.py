"""The layers of the network that holds a crop against a view; how it is trained is told elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ml.embed.networks import ResidualBlock, ViewNet, ViewNetShape

__all__ = ["Seen", "Verifier", "VerifierShape"]

_QUARTERS = 2  # the last map is averaged down to 2 x 2: what is wrong at the top is not made good at the foot

Seen = tuple[torch.Tensor, torch.Tensor]
"""Pictures, each seen by itself: (n, fine, side / 4, side / 4) and (n, coarse, side / 8, side / 8)."""


@dataclass(frozen=True, slots=True)
class VerifierShape:
    """eyes: of the ViewNets whose first layers see each picture by itself; fine, coarse: channels that are kept of their
    maps at a quarter and an eighth of the side; down: of both pictures' finer map on the way to half the resolution; widths of the
    stages that see both, at an eighth and a sixteenth of the side; hidden values before the answer."""

    eyes: tuple[ViewNetShape, ...] = (ViewNetShape(), ViewNetShape())
    fine: int = 48
    coarse: int = 64
    down: int = 48
    widths: tuple[int, int] = (96, 128)
    hidden: int = 64


class Verifier(nn.Module):
    """Gray crop and gray view -> how likely the view shows the crop's object, from where the photo was taken.

    Vectors are made of each picture by itself and can't tell what only the two together show: that a drawer is
    missing. So one network sees both, as Labbé et al. choose among coarse poses (MegaPose, 2022, section 3.2). What it
    compares are maps that were learned for search (`ml.embed.networks`): they are alike in photos and renders already.
    """

    def __init__(self, shape: VerifierShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or VerifierShape()
        trunks = [ViewNet(eye).trunk for eye in shape.eyes]
        quarters, eighths = [eye.quarter for eye in shape.eyes], [eye.eighth for eye in shape.eyes]
        ends = zip(trunks, quarters, eighths, strict=True)
        parts = [(trunk[:near], trunk[near:far]) for trunk, (near, _), (far, _) in ends]
        self.near = nn.ModuleList(near for near, _ in parts)
        self.far = nn.ModuleList(far for _, far in parts)
        self.thin_fine = _thinned(sum(channels for _, channels in quarters), shape.fine)
        self.thin_coarse = _thinned(sum(channels for _, channels in eighths), shape.coarse)
        first, second_width = shape.widths
        self.down = nn.Sequential(
            *_thinned(3 * shape.fine, shape.down),
            nn.ReLU(inplace=True),
            ResidualBlock(shape.down, shape.coarse, 2),
        )
        self.both = nn.Sequential(
            *_thinned(4 * shape.coarse, first),
            nn.ReLU(inplace=True),
            ResidualBlock(first, first, 1),
            ResidualBlock(first, second_width, 2),
            ResidualBlock(second_width, second_width, 1),
        )
        self.answer = nn.Sequential(
            nn.Linear(second_width * _QUARTERS**2, shape.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(shape.hidden, 1),
        )

    def take_eyes(self, nets: Sequence[ViewNet]) -> None:
        """See with these networks' first layers; they are not trained any further."""
        for near, far, net in zip(self.near, self.far, nets, strict=True):
            assert isinstance(near, nn.Sequential)
            assert isinstance(far, nn.Sequential)
            near.load_state_dict(net.trunk[: len(near)].state_dict())
            far.load_state_dict(net.trunk[len(near) : len(near) + len(far)].state_dict())
        for part in (self.near, self.far):
            part.requires_grad_(False)

    def maps(self, pictures: torch.Tensor) -> Seen:
        """(n, 1, side, side) gray in [0, 1] -> the eyes' maps, channels side by side."""
        scaled = (pictures - 0.5) * 4
        near = [part(scaled) for part in self.near]
        far = [part(found) for part, found in zip(self.far, near, strict=True)]
        return torch.cat(near, dim=1), torch.cat(far, dim=1)

    def seen(self, pictures: torch.Tensor) -> Seen:
        """(n, 1, side, side) gray in [0, 1] -> what is compared of them."""
        return self.thinned(self.maps(pictures))

    def thinned(self, maps: Seen) -> Seen:
        return self.thin_fine(maps[0]), self.thin_coarse(maps[1])

    def compared(self, photos: Seen, views: Seen) -> torch.Tensor:
        """n photos with n views -> (n,) log-odds, up to a constant of the photo's."""
        fine = self.down(torch.cat([photos[0], views[0], photos[0] * views[0]], dim=1))
        maps = self.both(torch.cat([fine, photos[1], views[1], photos[1] * views[1]], dim=1))
        pooled = functional.adaptive_avg_pool2d(maps, _QUARTERS).flatten(1)
        result: torch.Tensor = self.answer(pooled)[:, 0]
        return result


def _thinned(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))
