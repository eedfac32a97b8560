"""The five formulations of thesis chapter 5 as losses, each a mean over crops; angles in radians.

An object that looks the same from several azimuths is charged for the nearest of them: every loss takes the
azimuths that would all be right, (n, k), and counts the smallest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "GEOMETRY_BINS",
    "GEOMETRY_SIGMA",
    "bins_of",
    "classification_losses",
    "decode_bins",
    "decode_cosines",
    "geometry_losses",
    "joint_losses",
    "phases_of",
    "regression_losses",
]

GEOMETRY_BINS = 360
GEOMETRY_SIGMA = 3.0  # in bins, that is degrees


def phases_of(components: int) -> Tensor:
    """(components,) what a regression's targets are the cosines of, beside the azimuth: cos a, sin a for two;
    cos(a - 60), cos a, cos(a + 60 degrees) for three, which are never all flat at once."""
    if components == 2:
        return torch.tensor([0.0, -math.pi / 2])
    return torch.tensor([-math.pi / 3, 0.0, math.pi / 3])


def regression_losses(output: Tensor, azimuths: Tensor) -> Tensor:
    """(n,) Huber loss (threshold 1), summed over the components. output (n, 2 or 3); azimuths (n, k)."""
    target = torch.cos(azimuths[..., None] + phases_of(output.shape[1]))
    found = output[:, None].expand_as(target)
    return functional.huber_loss(found, target, reduction="none").sum(2).amin(1)


def classification_losses(logits: Tensor, azimuths: Tensor) -> Tensor:
    """(n,) -log of the right bin's probability. logits (n, bins); azimuths (n, k)."""
    bins = bins_of(azimuths, logits.shape[1])
    return -logits.log_softmax(1).gather(1, bins).amax(1)


def geometry_losses(logits: Tensor, azimuths: Tensor) -> Tensor:
    """(n,) -sum over bins v of exp(-d(v, truth) / sigma) log P(v), d the bins between them the short way round
    (Su et al., Render for CNN, 2015). logits (n, 360); azimuths (n, k)."""
    count = logits.shape[1]
    away = (torch.arange(count) - bins_of(azimuths, count)[..., None]).abs()
    weights = torch.exp(-torch.minimum(away, count - away) / GEOMETRY_SIGMA)
    return -(weights * logits.log_softmax(1)[:, None]).sum(2).amin(1)


def joint_losses(logits: Tensor, azimuths: Tensor, is_object: Tensor, is_round: Tensor) -> Tensor:
    """(n,) -log P(object, viewpoint), and -log P(background) where there is none: one softmax over all bins and a
    last, single background component (thesis 5.7, 5.8). A round object is right from any viewpoint: -log of the
    bins' sum. logits (n, bins + 1); azimuths (n, k)."""
    log_p = logits.log_softmax(1)
    seen = log_p[:, :-1].gather(1, bins_of(azimuths, logits.shape[1] - 1)).amax(1)
    seen = torch.where(is_round, log_p[:, :-1].logsumexp(1), seen)
    return -torch.where(is_object, seen, log_p[:, -1])


def bins_of(azimuths: Tensor, bins: int) -> Tensor:
    """The nearest of `bins` directions; bin b has its middle at b * 360 / bins degrees."""
    return torch.round(azimuths * (bins / (2 * math.pi))).long() % bins


def decode_cosines(output: Tensor) -> Tensor:
    """(n, components) -> (n,) the azimuth whose targets lie nearest in the least-squares sense."""
    phases = phases_of(output.shape[1])
    # cos(a + p) = cos a cos p - sin a sin p: linear in (cos a, sin a)
    matrix = torch.stack([torch.cos(phases), -torch.sin(phases)], dim=1)
    circle = output @ torch.linalg.pinv(matrix).T
    return torch.atan2(circle[:, 1], circle[:, 0]) % (2 * math.pi)


def decode_bins(probabilities: Tensor) -> Tensor:
    """(n, bins) -> (n,) the likeliest bin's middle, moved towards its likelier neighbor: the mean direction of
    the three."""
    count = probabilities.shape[1]
    best = probabilities.argmax(1)
    around = (best[:, None] + torch.tensor([-1, 0, 1])) % count
    weights = probabilities.gather(1, around)
    angles = around * (2 * math.pi / count)
    x, y = (weights * angles.cos()).sum(1), (weights * angles.sin()).sum(1)
    return torch.atan2(y, x) % (2 * math.pi)
