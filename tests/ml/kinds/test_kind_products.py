"""What the shipped weights say of models they were not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from ml import registry
from ml.geometry.crops import crop_of_view
from ml.kinds.products import kinds_of_views
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


def test_of_another_embedder_nothing_is_told() -> None:
    assert kinds_of_views(registry.embedder("hog").info.fingerprint) is None
    assert kinds_of_views("viewnet-0000") is None
