"""Whatever scans views finds those that a brute force over all of them finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ml.errors import GenerationCorrupt, IndexUnreachable
from ml.search import lists, milvus
from ml.search import scan as scans
from ml.search.scan import ExactScan, Scan

CANDIDATES = 60
PRODUCTS, VIEWS, DIM = 60, 50, 32
N = PRODUCTS * VIEWS
_NO_MILVUS = "pip install shapelens[milvus]"


def _unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def _views() -> npt.NDArray[np.float16]:
    rng = np.random.default_rng(3)
    middles = np.repeat(rng.standard_normal((PRODUCTS, DIM)), VIEWS, axis=0)
    return rng.permutation(_unit(middles + 0.4 * rng.standard_normal((N, DIM)))).astype(np.float16)


HALVES = _views()
ROWS = HALVES.astype(np.float32)
LOG_ASPECTS = np.sort(np.random.default_rng(4).normal(0, 0.5, N))
BACKGROUNDS = _unit(ROWS[:300] + ROWS[300:600])  # a little like two products


@pytest.fixture(params=["exact, float32", "exact, float16", "lists", "milvus"])
def scan(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scan]:
    monkeypatch.setattr(lists, "CANDIDATES", CANDIDATES)
    monkeypatch.setattr(milvus, "CANDIDATES", CANDIDATES)
    if request.param.startswith("exact"):
        yield ExactScan(HALVES, ROWS if "32" in request.param else None)
    elif request.param == "lists":
        made = lists.write_lists(HALVES, LOG_ASPECTS, BACKGROUNDS, tmp_path / "lists")
        assert made["kind"] == "lists", made
        yield lists.InvertedLists(tmp_path / "lists", probed=made["probed"])
    else:
        pytest.importorskip("milvus_lite", reason=_NO_MILVUS)
        views = milvus.MilvusViews.create(str(tmp_path / "views.db"), "views", HALVES)
        yield views
        views.close()


@pytest.mark.parametrize("rows", [slice(0, N), slice(700, 1900), slice(1000, 1020)])
def test_the_nearest_views_of_the_slice_are_found(scan: Scan, rows: slice) -> None:
    right = asked = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        query = _unit(ROWS[rng.integers(rows.start, rows.stop)] + 0.1 * rng.standard_normal(DIM))
        truth = ROWS @ query
        best = rows.start + np.argsort(-truth[rows])[:10]

        found, cosines = scan.nearest(query, rows)

        assert (np.diff(found) > 0).all()
        assert ((found >= rows.start) & (found < rows.stop)).all()
        np.testing.assert_allclose(cosines, truth[found], atol=1e-5)
        if len(found) >= min(CANDIDATES, rows.stop - rows.start):  # else it says itself that it found too few
            right, asked = right + np.isin(best, found).sum(), asked + len(best)
    assert right >= (0.97 if isinstance(scan, lists.InvertedLists) else 1) * asked
    assert asked or rows.stop - rows.start < CANDIDATES


def test_a_slice_without_views_has_no_nearest(scan: Scan) -> None:
    found, cosines = scan.nearest(ROWS[0], slice(5, 5))
    assert len(found) == len(cosines) == 0


def test_single_rows_are_scored_as_slices_are() -> None:
    at = np.array([3, 700, 701, 2999])
    for rows in (ROWS, None):
        scan = ExactScan(HALVES, rows)
        whole = scan.scores(ROWS[9], slice(0, N))
        np.testing.assert_allclose(scan.scores_at(ROWS[9], at), whole[at], atol=1e-6)


@pytest.mark.parametrize("rows", [ROWS, None], ids=["float32", "float16"])
def test_the_best_of_many_queries_are_those_of_each_alone(
    rows: npt.NDArray[np.float32] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "_BLOCK", 256)  # slices begin and end within blocks
    rng = np.random.default_rng(8)
    scan = ExactScan(HALVES, rows)
    queries = _unit(rng.standard_normal((75, DIM)))
    starts = rng.integers(0, N, 75)
    slices = [slice(int(start), int(min(N, start + rng.integers(0, 900)))) for start in starts]
    slices[4] = slice(20, 20)
    lines = np.stack([rng.uniform(0.5, 2, N), rng.uniform(-1, 1, N)], axis=1).astype(np.float32)
    found, cosines = scan.best(queries, slices, lines)
    assert found[4] == -1
    for query, inside, row, cosine in zip(queries, slices, found, cosines, strict=True):
        if inside.start == inside.stop:
            continue
        scores = scan.scores(query, inside)
        calibrated = scores * lines[inside, 0] + lines[inside, 1]
        assert row == inside.start + calibrated.argmax()
        assert cosine == pytest.approx(scores[row - inside.start], abs=1e-5)


# ---- inverted lists ----------------------------------------------------------------------------


def test_lists_that_find_too_little_are_left_out_and_say_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    alike = _unit(rng.standard_normal((N, 64))).astype(np.float16)  # nothing belongs together
    made = lists.write_lists(alike, LOG_ASPECTS, _unit(rng.standard_normal((200, 64))), tmp_path / "lists")
    assert made["kind"] == "exact"
    assert "recall@10 was 0." in made["reason"]
    assert not (tmp_path / "lists").exists()


def test_a_file_that_holds_no_lists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    path.write_bytes(b"not lists" * 100)
    with pytest.raises(GenerationCorrupt, match="build_index"):
        lists.InvertedLists(path, probed=1)


# ---- Milvus ------------------------------------------------------------------------------------


def test_the_alias_moves_in_one_step_and_goes_with_its_collection(tmp_path: Path) -> None:
    pytest.importorskip("milvus_lite", reason=_NO_MILVUS)
    url = str(tmp_path / "views.db")
    for name, count in (("g1", 50), ("g2", 70)):
        made = milvus.MilvusViews.create(url, name, HALVES[:count])
        made.serve()
        made.close()
        served = milvus.MilvusViews(url, milvus.ALIAS)
        assert len(served) == count
        served.close()
    for name in ("g1", "g2", "g2"):
        milvus.drop_collection(url, name)
    for gone in ("g1", "g2", milvus.ALIAS):
        with pytest.raises(GenerationCorrupt, match="build_index"):
            milvus.MilvusViews(url, gone)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    pytest.importorskip("pymilvus", reason=_NO_MILVUS)
    with pytest.raises(IndexUnreachable, match=r"Milvus at 127\.0\.0\.1:9 .*SHAPELENS_INDEX=exact") as raised:
        milvus.MilvusViews("http://shop:secret@127.0.0.1:9/things", "views")
    assert "secret" not in str(raised.value)
