"""Every registered embedder keeps the protocol's promises."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ml import registry
from ml.embed.devices import computes_in_bfloat16
from ml.errors import UnknownName, WeightsMissing
from ml.protocols import Embedder
from ml.types import Crop

VIEWNETS = ("viewnet", "viewnet_lite", "viewnet_open")
OWN = ("hog", *VIEWNETS)
BACKBONES = [f"{name}:weights=none" for name in registry.names("embedder") if name not in OWN]


@pytest.fixture(params=[*OWN, *BACKBONES, "vgg16:classifier.3,weights=none"], scope="module")
def embedder(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    yield registry.embedder(request.param)
    if request.param not in OWN:
        registry.reset()  # half a gigabyte each


def _crops(embedder: Embedder, count: int) -> list[Crop]:
    rng = np.random.default_rng(4)
    side = embedder.info.input_size
    return [
        Crop(rng.random((3, side, side), dtype=np.float32), np.eye(3), 1.0 + 0.1 * number)
        for number in range(count)
    ]


def test_rows_have_the_stated_size_and_length_one(embedder: Embedder) -> None:
    features = embedder.embed(_crops(embedder, 3))
    assert features.vectors.shape == (3, embedder.info.dim)
    assert features.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(features.vectors, axis=1), 1, atol=1e-5)
    if embedder.info.cells is None:
        assert features.cells is None
    else:
        assert features.cells is not None
        assert features.cells.shape == (3, *embedder.info.cells)
        assert np.allclose(np.linalg.norm(features.cells, axis=1), 1, atol=1e-5)


def test_nothing_gives_nothing(embedder: Embedder) -> None:
    features = embedder.embed([])
    assert features.vectors.shape == (0, embedder.info.dim)


def test_a_crop_is_embedded_alike_whatever_comes_with_it(embedder: Embedder) -> None:
    count = 70 if embedder.info.name in OWN else 18  # more than a batch
    crops = _crops(embedder, count)
    together = embedder.embed(crops).vectors
    # with tiles (AMX) a batch of another size is rounded elsewhere: ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 brings 1e-7
    has_tiles = embedder.info.name not in OWN and torch.cpu.get_capabilities().get("amx_bf16")
    is_halved = embedder.info.name in VIEWNETS and computes_in_bfloat16()
    most = 2**-7 if has_tiles or is_halved else 5e-4  # two roundings of bfloat16: cosines differ by 3e-5
    for number in (0, count // 2, count - 1):
        alone = embedder.embed([crops[number]]).vectors[0]
        assert np.linalg.norm(together[number] - alone) < most


def test_different_crops_differ_and_the_same_do_not(embedder: Embedder) -> None:
    first, second = _crops(embedder, 2)
    again = embedder.embed([first, second, first]).vectors
    assert np.allclose(again[0], again[2], atol=1e-6)
    assert not np.allclose(again[0], again[1], atol=1e-3)


def test_another_size_is_refused(embedder: Embedder) -> None:
    side = embedder.info.input_size + 8
    with pytest.raises(ValueError, match=str(embedder.info.input_size)):
        embedder.embed([Crop(np.zeros((3, side, side), np.float32), np.eye(3), 1.0)])


def test_the_fingerprint_names_the_embedder(embedder: Embedder) -> None:
    name, _, digest = embedder.info.fingerprint.partition("-")
    assert name == embedder.info.name
    assert len(digest) == 12


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("vgg17", "choose one of"),
        ("vgg16:conv99,weights=none", "no layer 'conv99'"),
        ("resnet18:weights=mine", "weights=default or weights=none"),
        ("resnet18:shape=none", "layer=... or weights=..."),
        ("viewnet:pool4", "takes no options"),
    ],
)
def test_what_can_not_be_had_says_what_can(spec: str, says: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(says)):
        registry.embedder(spec)


def test_without_a_network_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies it was first made with
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(
        WeightsMissing, match=r"alexnet-[\w-]+\.pth .* put it into .*checkpoints; or use viewnet"
    ):
        registry.embedder("alexnet")
