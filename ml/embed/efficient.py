"""EfficientNet-Lite0, a network that learned to tell ImageNet's photographs apart; whole, and its first stages.

Tan and Le, EfficientNet: rethinking model scaling for convolutional neural networks, 2019; the Lite variants (Liu,
2020) have no squeeze-and-excitation and ReLU6 everywhere, so that they compute fast on any processor. What it learned is
read by `ml.embed.published`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torchvision.ops import Conv2dNormActivation

__all__ = ["CLASSES", "EfficientNetLite0", "InvertedResidual", "lite_stages"]

CLASSES = 1000  # of ImageNet's challenge (ILSVRC 2012), in the order of their WordNet ids

_STEM = 32
_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
"""Blocks, kernel, stride of the first block, expansion, channels: those down to a sixteenth of the side."""
_LAST_STAGES = ((4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
_FEATURES = 1280
_norm = partial(nn.BatchNorm2d, eps=1e-3)


class InvertedResidual(nn.Module):
    """Channels spread by a 1 x 1 convolution, each convolved by itself, brought together again; beside a shortcut
    where nothing changes its size (Sandler et al., MobileNetV2, 2018)."""

    def __init__(self, before: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = before * expansion
        parts = [] if expansion == 1 else [_convolution(before, inner, 1)]
        parts += [
            _convolution(inner, inner, kernel, stride, groups=inner),
            Conv2dNormActivation(inner, width, 1, norm_layer=_norm, activation_layer=None),
        ]
        self.body = nn.Sequential(*parts)
        self.has_shortcut = stride == 1 and before == width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(x)
        return x + found if self.has_shortcut else found


class EfficientNetLite0(nn.Module):
    """Color photos -> what they show, of ImageNet's classes."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*_stages(3, (*_STAGES, *_LAST_STAGES)))
        self.last = _convolution(_LAST_STAGES[-1][-1], _FEATURES, 1)
        self.classifier = nn.Linear(_FEATURES, CLASSES)

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """(n, 3, 224, 224) RGB in [-1, 1] -> log-odds (n, CLASSES)."""
        found: torch.Tensor = self.classifier(self.last(self.trunk(photos)).mean(dim=(2, 3)))
        return found


def lite_stages() -> list[nn.Module]:
    """Stem and blocks, one after the other: (n, 1, side, side) gray -> (n, 112, side / 16, side / 16), after the
    last three blocks; before them it has 80 channels."""
    return _stages(1, _STAGES)


def _stages(channels: int, stages: Sequence[tuple[int, int, int, int, int]]) -> list[nn.Module]:
    parts: list[nn.Module] = [_convolution(channels, _STEM, 3, 2)]
    before = _STEM
    for blocks, kernel, stride, expansion, width in stages:
        for number in range(blocks):
            parts.append(InvertedResidual(before, width, kernel, 1 if number else stride, expansion))
            before = width
    return parts


def _convolution(before: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    """Convolution, normalization, ReLU6. Where it halves an even side, the pixel that is added goes to the right and the
    bottom, as where the weights were learned."""
    layer: nn.Sequential = Conv2dNormActivation(
        before,
        width,
        kernel,
        stride,
        padding=0 if stride > 1 else None,
        groups=groups,
        norm_layer=_norm,
        activation_layer=nn.ReLU6,
    )
    if stride == 1:
        return layer
    less, more = (kernel - stride) // 2, (kernel - stride + 1) // 2
    return nn.Sequential(nn.ZeroPad2d((less, more, less, more)), *layer)
