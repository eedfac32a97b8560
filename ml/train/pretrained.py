"""Where a training may begin: with what EfficientNet-Lite0 learned from ImageNet's photographs."""

from __future__ import annotations

from ml.embed.networks import LITE, ViewNet
from ml.embed.published import published_weights, set_trunk

__all__ = ["take_pretrained"]


def take_pretrained(network: ViewNet) -> None:
    """Set the trunk to what was published; the layers after it stay as they are. Raises WeightsMissing, ValueError for a
    network with another trunk."""
    if network.shape.trunk != LITE.trunk:
        raise ValueError(f"a trunk of {LITE.trunk} is needed, not {network.shape.trunk}")
    weights = published_weights()
    # gray crops come as (gray - 0.5) * 4; it learned from three channels of 2 * color - 1
    set_trunk(network.trunk, weights, weights["_conv_stem.weight"].sum(1, keepdim=True) / 2)
