"""A training that begins with weights of others; that these are read as they are is tested with `ml.embed.published`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ml.embed.fusing import fused
from ml.embed.networks import LITE, ViewNet
from ml.embed.published import published_classifier
from ml.train.pretrained import take_pretrained


@pytest.fixture(scope="module")
def network() -> ViewNet:
    made = ViewNet(LITE)
    take_pretrained(made)
    return made.eval()


def test_a_trunk_computes_what_its_weights_did_on_three_gray_channels(network: ViewNet) -> None:
    gray = torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = published_classifier().trunk[:12](gray.expand(-1, 3, -1, -1) * 2 - 1)
        found = network.trunk((gray - 0.5) * 4)
    assert found.shape == (2, 112, 6, 6)
    np.testing.assert_allclose(found, expected, atol=1e-3 * float(expected.abs().max()))


def test_it_is_fused_like_our_own(network: ViewNet) -> None:
    gray = torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        plain, folded = network.seen(gray), fused(network).seen(gray)
    for before, after in zip(plain, folded, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-4)
    assert [part.shape for part in plain] == [(2, 256), (2, 80, 6, 6)]


def test_another_trunk_is_refused() -> None:
    with pytest.raises(ValueError, match="efficientnet_lite0 is needed, not residual"):
        take_pretrained(ViewNet())
