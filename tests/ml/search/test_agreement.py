"""The map of agreement is the re-rank score, taken apart; other viewpoints are those that score as well."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml.search.agreement import agreement, other_viewpoints
from ml.search.rerank import cell_scores, quantize_cells
from ml.types import View


@pytest.mark.parametrize("seed", range(6))
def test_the_map_sums_to_the_score_that_reranks(seed):
    rng = np.random.default_rng(seed)
    query, cells = (rng.normal(size=(8, 6, 6)).astype(np.float32) for _ in range(2))
    query /= np.linalg.norm(query, axis=0)
    stored = quantize_cells(cells / np.linalg.norm(cells, axis=0))
    mask = (rng.random((6, 6)) > 0.4).astype(np.float32)

    found = agreement(query, stored, mask)

    assert found.values.sum() == pytest.approx(found.score, abs=1e-5)
    assert found.score == pytest.approx(float(cell_scores(query, stored[None], mask[None])[0]), abs=1e-5)
    assert not found.values[mask == 0].any()


def test_a_view_that_lies_a_cell_off_is_found_there():
    rng = np.random.default_rng(1)
    query = rng.normal(size=(8, 6, 6)).astype(np.float32)
    query /= np.linalg.norm(query, axis=0)
    view = np.roll(
        query, (-1, 1), axis=(1, 2)
    )  # what is at (r, k) of the view is at (r + 1, k - 1) of the photo
    mask = np.zeros((6, 6), np.float32)
    mask[1:4, 2:5] = 1

    found = agreement(query, quantize_cells(view), mask)

    assert (found.down, found.right) == (1, -1)
    assert found.score == pytest.approx(1, abs=0.01)


def test_other_viewpoints_are_apart_and_almost_as_good():
    def at(degrees: float) -> View:
        return View(math.radians(degrees), 0.0)

    views = [at(0), at(10), at(180), at(190), at(90), at(270)]
    scores = np.array([0.80, 0.79, 0.79, 0.785, 0.70, 0.775], np.float32)
    assert other_viewpoints(views, scores, 0.03) == [
        2,
        5,
    ]  # 10 is the best's neighbor, 190 is 180's, 90 is weak
    assert other_viewpoints(views, scores, 0.002) == []
