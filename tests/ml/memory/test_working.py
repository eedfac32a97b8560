"""Workers that embed rendered views keep to a memory budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ml import registry
from ml.errors import BudgetTooSmall
from ml.memory.budget import crops_within
from ml.memory.graph import MIB
from ml.mesh.parametric.families import random_mesh
from ml.pipelines.indexing import features_of
from ml.protocols import Features
from ml.render.views import ViewGrid, render_views, save_views
from ml.types import Crop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    views = render_views(random_mesh("mug", np.random.default_rng(1)), ViewGrid(12, (0.0,)), size=64)
    save_views(views, tmp_path)
    return tmp_path


def test_views_are_embedded_in_parts_that_fit_and_come_out_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = registry.embedder("hog")
    budget = 8 * MIB
    with np.load(features_of(folder, "hog")) as table:
        whole = table["vectors"]
    next(folder.glob("features-*")).unlink()
    given: list[int] = []
    embed = embedder.embed

    def counted(crops: Sequence[Crop]) -> Features:
        given.append(len(crops))
        return embed(crops)

    monkeypatch.setattr(embedder, "embed", counted)

    with np.load(features_of(folder, "hog", memory_bytes=budget)) as table:
        parts = table["vectors"]

    assert max(given) == crops_within(embedder, budget) < 12
    assert sum(given) == 12
    assert np.array_equal(parts, whole)


def test_a_budget_too_small_is_refused_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(BudgetTooSmall, match="hog"):
        features_of(folder, "hog", memory_bytes=1000)

    assert not list(folder.glob("features-*"))
