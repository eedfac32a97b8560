"""The layers that find objects in a photo and cut one out; how they are trained is told elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ml.embed.networks import ResidualBlock
from ml.weights import load_weights

__all__ = ["ObjectNet", "ObjectNetShape", "decoded", "load_network"]


@dataclass(frozen=True, slots=True)
class ObjectNetShape:
    """widths of the encoder's stages, at strides 2, 4, 8, 16 and 32; width of the decoder; its finest stride;
    channels of its output."""

    widths: tuple[int, ...] = (16, 32, 64, 96, 128)
    decoder: int = 48
    stride: int = 4
    outputs: int = 5


class ObjectNet(nn.Module):
    """RGB photos -> maps. A residual encoder with a feature pyramid (Lin et al., Feature pyramid networks,
    2017) down to one fine map: it sees far and answers sharp."""

    def __init__(self, shape: ObjectNetShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or ObjectNetShape()
        first, *rest = shape.widths
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.ModuleList()
        before = first
        for place, width in enumerate(rest):
            deep = [ResidualBlock(width, width, 1)] if place else []
            self.stages.append(nn.Sequential(ResidualBlock(before, width, 2), *deep))
            before = width
        self.laterals = nn.ModuleList(nn.Conv2d(width, shape.decoder, 1) for width in shape.widths)
        self.head = nn.Sequential(
            nn.Conv2d(shape.decoder, shape.decoder, 3, padding=1, bias=False),
            nn.BatchNorm2d(shape.decoder),
            nn.ReLU(inplace=True),
            nn.Conv2d(shape.decoder, shape.decoder, 3, padding=1, bias=False),
            nn.BatchNorm2d(shape.decoder),
            nn.ReLU(inplace=True),
            nn.Conv2d(shape.decoder, shape.outputs, 1),
        )

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) RGB in [0, 1], h and w multiples of 32 -> (n, outputs, h / stride, w / stride)."""
        maps = [self.stem((photos - 0.5) * 4)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        result = self.laterals[-1](maps[-1])
        stride = 2 ** len(maps)
        for lateral, finer in zip(list(self.laterals)[-2::-1], maps[-2::-1], strict=True):
            if stride == self.shape.stride:
                break
            stride //= 2
            result = functional.interpolate(result, scale_factor=2.0, mode="nearest") + lateral(finer)
        answer: torch.Tensor = self.head(result)
        return answer


def decoded(answer: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 5, h, w) -> logits (n, h * w) of "an object's middle is here", and its box (n, h * w, 4) in pixels.

    The network gives logarithms of the distances from a cell's center to the four edges, in units of 8
    strides: a number near 0 for a thing of common size.
    """
    height, width = answer.shape[2:]
    rows, columns = torch.arange(height), torch.arange(width)
    y = ((rows + 0.5) * stride).repeat_interleave(width)
    x = ((columns + 0.5) * stride).repeat(height)
    center = torch.stack([x, y, x, y], dim=1)
    reach = answer[:, 1:].flatten(2).clamp(-6, 4).exp().transpose(1, 2) * (8 * stride)
    sign = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    return answer[:, 0].flatten(1), center + sign * reach


def load_network(name: str) -> ObjectNet:
    """A network that ships with the project, ready to answer. Raises WeightsMissing."""
    tensors, facts, _ = load_weights(name)
    shape = facts["shape"]
    network = ObjectNet(ObjectNetShape(**{**shape, "widths": tuple(shape["widths"])}))
    network.load_state_dict(tensors)
    return network.eval()
