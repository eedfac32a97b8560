from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.search.alike import SIDES, TAU, most_alike
from ml.search.generation import Generation

MODELS, VIEWS, DIM = 9, 12, 16


@pytest.fixture
def generation() -> Generation:
    """Nine models of twelve views; 5 has the looks of 2 with a little noise, and its proportions."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((MODELS, VIEWS, DIM))
    aspects = rng.uniform(0.5, 2.0, (MODELS, VIEWS))
    vectors[5] = vectors[2] + 0.2 * rng.standard_normal((VIEWS, DIM))
    aspects[5] = aspects[2] * 1.02
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    order = np.argsort(aspects.reshape(-1), kind="stable")
    n = MODELS * VIEWS
    angles = np.stack(np.meshgrid(np.arange(VIEWS), np.arange(MODELS)), axis=-1).reshape(n, 2) * [1.0, 0.0]
    return Generation(
        folder=Path(),
        manifest=None,  # type: ignore[arg-type]
        vectors=vectors.reshape(n, DIM)[order].astype(np.float16),
        rows=None,
        cells=None,
        log_aspects=np.log(aspects.reshape(-1)[order]),
        aspects=aspects.reshape(-1)[order],
        view_ids=np.arange(n),
        model_ids=(np.repeat(np.arange(MODELS), VIEWS) + 100)[order],
        angles=angles[order],
        cameras=np.zeros((n, 22)),
        masks=np.zeros((n, 128), np.uint8),
        calibration=np.zeros((n, 2), np.float32),
    )


def test_likeness_is_what_a_brute_force_finds(generation: Generation) -> None:
    found = dict(most_alike(generation, 102, top=MODELS))

    assert 102 not in found
    assert len(found) == MODELS - 1
    vectors = generation.vectors.astype(np.float32)
    mine = np.flatnonzero(generation.model_ids == 102)
    assert len(mine) <= SIDES  # every side is compared
    for model, likeness in found.items():
        other = np.flatnonzero(generation.model_ids == model)
        best = []
        for side in mine:
            ratios = generation.aspects[side] / generation.aspects[other]
            near = other[(ratios > TAU) & (ratios < 1 / TAU)]
            best.append(max([0.0, *(vectors[near] @ vectors[side])]))
        assert likeness == pytest.approx(np.mean(best), abs=1e-5)


def test_the_most_alike_comes_first_and_only_so_many(generation: Generation) -> None:
    [(model, likeness)] = most_alike(generation, 102, top=1)
    assert model == 105
    assert likeness > 0.9
    assert [model for model, _ in most_alike(generation, 105, top=1)] == [102]


def test_a_model_that_is_not_in_the_index_is_like_none(generation: Generation) -> None:
    assert most_alike(generation, 7, top=5) == []
