"""Folded networks answer as the ones they are of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ml.detect.networks import ObjectNet
from ml.embed.fusing import fused
from ml.embed.networks import ViewNet


def _used(network: nn.Module) -> nn.Module:
    """With statistics and scales that no new network has."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize(
    ("network", "shape"), [(ViewNet(), (2, 1, 96, 96)), (ObjectNet(), (2, 3, 64, 96))], ids=["view", "object"]
)
def test_the_same_answers_with_no_normalization_left(network: nn.Module, shape: tuple[int, ...]) -> None:
    _used(network)
    folded = fused(network)
    pixels = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before, after = network(pixels), folded(pixels)
    for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (before, after)), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4 * float(one.abs().max()))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules()), "the given one stays"


def test_a_network_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match="eval"):
        fused(ViewNet().train())
