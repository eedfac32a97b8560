"""Whatever finds views finds those that a brute force over all of them finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ml.search.aspect import aspect_slice
from ml.search.scan import ExactScan

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
Search = Callable[[npt.NDArray[np.float32], float, float, int], Found]

N, DIM = 3000, 32
_rng = np.random.default_rng(3)
ROWS = _rng.standard_normal((N, DIM)).astype(np.float32)
ROWS = (ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
LOG_ASPECTS = np.sort(_rng.normal(0, 0.5, N))
IDS = _rng.permutation(N * 5)[:N].astype(np.int64)


def _scan(rows: npt.NDArray[np.float32] | None) -> Search:
    scan = ExactScan(ROWS.astype(np.float16), rows)

    def search(query: npt.NDArray[np.float32], aspect: float, tau: float, top: int) -> Found:
        found = aspect_slice(LOG_ASPECTS, aspect, tau)
        scores = scan.scores(query, found)
        best = np.argsort(-scores)[:top]
        return IDS[found][best], scores[best]

    return search


@pytest.fixture(params=["float32 rows", "float16 streamed", "milvus"])
def search(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Search]:
    if request.param != "milvus":
        yield _scan(ROWS if request.param == "float32 rows" else None)
        return
    pytest.importorskip("milvus_lite", reason="pip install shapelens[milvus]")
    from ml.search.milvus import MilvusViews

    views = MilvusViews.create(str(tmp_path / "views.db"), "views", ROWS, LOG_ASPECTS, IDS)
    yield views.search
    views.close()


@pytest.mark.parametrize("tau", [0.9, 0.5])
def test_the_nearest_views_under_the_aspect_filter_are_found(search: Search, tau: float) -> None:
    for at in range(0, N, 500):
        query = ROWS[at] + 0.05 * np.random.default_rng(at).standard_normal(DIM).astype(np.float32)
        query /= np.linalg.norm(query)
        aspect = float(np.exp(LOG_ASPECTS[at]))
        ratio = aspect / np.exp(LOG_ASPECTS)
        passes = np.flatnonzero((tau < ratio) & (ratio < 1 / tau))
        scores = ROWS[passes] @ query
        best = np.argsort(-scores)[:20]

        ids, cosines = search(query, aspect, tau, 20)

        np.testing.assert_array_equal(ids, IDS[passes][best])
        np.testing.assert_allclose(cosines, scores[best], atol=1e-5)


def test_nothing_is_found_where_no_view_has_the_shape(search: Search) -> None:
    ids, cosines = search(ROWS[0], 1e6, 0.9, 10)
    assert len(ids) == len(cosines) == 0


def test_an_alias_moves_to_the_next_generation_in_one_step(tmp_path: Path) -> None:
    pytest.importorskip("milvus_lite", reason="pip install shapelens[milvus]")
    from ml.errors import GenerationMismatch
    from ml.search.milvus import MilvusViews

    uri = str(tmp_path / "views.db")
    for generation, shift in (("g1", 0), ("g2", 100_000)):
        made = MilvusViews.create(uri, generation, ROWS[:50], LOG_ASPECTS[:50], IDS[:50] + shift)
        made.serve_as("active")
        made.close()
        served = MilvusViews(uri, "active")
        found, _ = served.search(ROWS[7], float(np.exp(LOG_ASPECTS[7])), 0.5, 1)
        served.close()
        assert found.tolist() == [IDS[7] + shift]
    with pytest.raises(GenerationMismatch, match="build_index"):
        MilvusViews(uri, "nothing")
