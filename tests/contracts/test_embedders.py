"""Every registered embedder keeps the protocol's promises."""

from __future__ import annotations

import numpy as np
import pytest

from ml import registry
from ml.protocols import Embedder
from ml.types import Crop


@pytest.fixture(params=registry.names("embedder"))
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return registry.embedder(request.param)


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
    crops = _crops(embedder, 70)  # more than a batch
    together = embedder.embed(crops).vectors
    for number in (0, 33, 69):
        alone = embedder.embed([crops[number]]).vectors[0]
        assert np.allclose(together[number], alone, atol=2e-5)


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
