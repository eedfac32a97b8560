"""What the shipped weights say of models they were not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from ml import registry
from ml.geometry.crops import crop_of_view
from ml.kinds.products import kinds_of_products, kinds_of_views
from ml.kinds.vocabulary import KINDS, OTHER
from ml.mesh.parametric.families import random_mesh
from ml.render.raycast import RayScene
from ml.render.views import ViewGrid, render_views

PLACES = {kind.name: place for place, kind in enumerate(KINDS)}
GRID = ViewGrid(azimuths=8, elevations_deg=(0.0, 20.0))


@pytest.mark.parametrize("name", ["viewnet", "viewnet_lite"])
def test_models_are_told_by_their_views(name: str) -> None:
    embedder = registry.embedder(name)
    network = kinds_of_views(embedder.info.fingerprint)
    assert network is not None, "the shipped weights are of another embedder: python -m ml train kinds"
    right = []
    for family, kinds in {
        "bed": {"bed"}, "bookcase": {"bookcase", "cabinet"}, "office chair": {"chair"}, "sofa": {"sofa"},
        "table": {"table", "desk"}, "wardrobe": {"cabinet"}, "floor lamp": {"lamp"}, "mug": {"cup"},
    }.items():  # fmt: skip
        views = render_views(RayScene(random_mesh(family, np.random.default_rng(90_000))), GRID)
        crops = [crop_of_view(views, k, embedder.info.input_size) for k in range(len(GRID))]
        told = network.told(embedder.embed(crops).vectors)
        assert told.shape == (len(GRID), OTHER + 1)
        np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-5)
        right.append(told.mean(axis=0).argmax() in {PLACES[kind] for kind in kinds})
    assert sum(right) >= 7, right


def test_a_product_is_the_mean_of_its_views_in_whatever_blocks_they_come() -> None:
    network = kinds_of_views(registry.embedder("viewnet_lite").info.fingerprint)
    assert network is not None
    vectors = np.random.default_rng(0).normal(size=(9, 128)).astype(np.float16)
    products = np.array([2, 0, 0, 2, 2, 0, 3, 3, 2])
    found = kinds_of_products(network, [(vectors[:4], products[:4]), (vectors[4:], products[4:])], 4)
    for product in (0, 2, 3):
        mean = network.told(vectors[products == product]).mean(axis=0)
        np.testing.assert_allclose(found[product], mean, atol=1e-6)
    assert (found[1] == 0).all()


def test_of_another_embedder_nothing_is_told() -> None:
    assert kinds_of_views(registry.embedder("hog").info.fingerprint) is None
    assert kinds_of_views("viewnet-0000") is None
