"""The pipeline finds the same by whatever index a generation is searched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml.errors import GenerationCorrupt, IndexUnreachable
from ml.pipelines.indexing import CalibrationSource, GenerationEntry, build_generation, verify_generation
from ml.pipelines.searching import PhotoQuery, Searcher
from ml.search import decision, indexes, library, lists, milvus
from ml.search.indexes import EXACT, IndexChoice, drop_index, serve_index
from ml.search.manifest import read_manifest
from tests.ml.pipelines.test_searching import photo_of

QUICK = CalibrationSource(patches=400, absent_patches=200)
TAU = 0.5
_NO_MILVUS = "pip install shapelens[milvus]"

Build = Callable[[str], tuple[Path, IndexChoice]]


@pytest.fixture
def build(entries: list[GenerationEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A generation of 120 views, with as few candidates as if it had many more."""
    for module in (lists, milvus):
        monkeypatch.setattr(module, "CANDIDATES", 12)
    monkeypatch.setattr(library, "ENOUGH", 6)
    monkeypatch.setattr(library, "COMPARED", 2)
    monkeypatch.setattr(decision, "COHORT", 1)
    monkeypatch.setattr(lists, "MOST_PROBED", 1.0)

    def built(kind: str) -> tuple[Path, IndexChoice]:
        if kind == "milvus":
            pytest.importorskip("milvus_lite", reason=_NO_MILVUS)
        choice = IndexChoice(kind, str(tmp_path / "views.db") if kind == "milvus" else "")
        out = tmp_path / kind
        build_generation(entries, out, embedder_name="hog", calibration=QUICK, choice=choice)
        return out, choice

    return built


@pytest.mark.parametrize("kind", ["lists", "milvus"])
def test_the_same_product_is_found_first_from_fewer_views(
    build: Build, onboarded: dict[str, Path], kind: str
) -> None:
    folder, choice = build(kind)
    exact, approximate = Searcher.open(folder), Searcher.open(folder, choice=choice)
    assert read_manifest(folder).index["kind"] == kind
    compared = []
    for name in onboarded:
        one, other = (PhotoQuery(*photo_of(onboarded[name], k)) for k in (2, 15))
        for photos in ([one], [one, other]):
            right, found = (searcher.search(photos, tau=TAU) for searcher in (exact, approximate))
            assert found.matches[0].model_id == right.matches[0].model_id
            assert found.matches[0].view_id == right.matches[0].view_id
            assert found.matches[0].total == pytest.approx(right.matches[0].total, abs=1e-5)
            compared.append((len(found.matches), len(right.matches)))
    assert all(some <= every for some, every in compared)
    assert sum(some < every for some, every in compared) > len(compared) / 2


@pytest.mark.parametrize("kind", ["lists", "milvus"])
def test_products_are_found_where_all_candidates_are_withdrawn(
    build: Build, onboarded: dict[str, Path], kind: str
) -> None:
    folder, choice = build(kind)
    photo = [PhotoQuery(*photo_of(onboarded["chair"], 2))]
    found = Searcher.open(folder, choice=choice).search(photo, tau=TAU, withdrawn=frozenset({10, 20, 30, 50}))
    assert {match.model_id for match in found.matches} == {40}


def test_all_views_of_a_product_are_scored_and_the_cohort_is_among_them(build: Build) -> None:
    folder, choice = build("lists")
    exact, approximate = (library.Library.open([folder], chosen) for chosen in (EXACT, choice))
    live = exact.live_rows(frozenset())
    vector = np.asarray(exact.generations[0].vectors[60], np.float32)
    aspect = float(exact.generations[0].aspects[60])
    all_of, some = (one.score(vector, aspect, TAU, live) for one in (exact, approximate))
    compared = np.unique(some.products)
    assert approximate.cohort is not None
    assert approximate.cohort.sum() == 1
    assert set(np.flatnonzero(approximate.cohort)) <= set(compared)
    kept = np.isin(all_of.products, compared)
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(some.rows, all_of.rows[kept])
    np.testing.assert_allclose(some.calibrated, all_of.calibrated[kept], atol=1e-4)


def test_a_flipped_bit_in_the_lists_is_found(build: Build) -> None:
    folder, choice = build("lists")
    assert verify_generation(folder, choice).index["recall"] >= lists.RECALL
    path = folder / lists.LISTS_FILE
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(GenerationCorrupt, match=r"lists.faiss was altered.*build_index"):
        verify_generation(folder, choice)


def test_lists_below_the_recall_are_left_out_and_the_exact_scan_answers(
    build: Build, onboarded: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_PROBED", 0.0)
    monkeypatch.setattr(lists, "RECALL", 1.0)
    folder, choice = build("lists")
    manifest = verify_generation(folder, choice)
    assert manifest.index["kind"] == "exact"
    assert "left out" in manifest.index["reason"]
    assert lists.LISTS_FILE not in manifest.files
    photo = [PhotoQuery(*photo_of(onboarded["sofa"], 2))]
    assert Searcher.open(folder, choice=choice).search(photo, tau=TAU).matches[0].model_id == 40


def test_a_collection_that_is_gone_or_not_to_be_reached_is_told(build: Build) -> None:
    folder, choice = build("milvus")
    manifest = verify_generation(folder, choice)
    serve_index(manifest, choice)
    away = IndexChoice("milvus", "http://127.0.0.1:9")
    for refused in (verify_generation, lambda *given: Searcher.open(given[0], choice=given[1])):
        with pytest.raises(IndexUnreachable, match=r"127\.0\.0\.1:9"):
            refused(folder, away)
    drop_index(folder, choice)
    with pytest.raises(GenerationCorrupt, match="has no collection"):
        verify_generation(folder, choice)
    assert verify_generation(folder) == manifest  # the exact scan needs no server


def test_a_build_that_fails_leaves_no_collection(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = []
    monkeypatch.setattr(indexes, "drop_collection", lambda url, name: dropped.append(name))
    monkeypatch.setattr(
        milvus.MilvusViews, "create", lambda url, name, vectors: (_ for _ in ()).throw(IndexUnreachable(name))
    )
    with pytest.raises(IndexUnreachable) as raised:
        build("milvus")
    assert dropped == [str(raised.value)]
