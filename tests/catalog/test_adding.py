"""What an import brings is found at once, beside the index that serves, until a rebuild folds it in."""

from __future__ import annotations

import json
import math
import os
import time
from io import StringIO
from pathlib import Path

import cv2
import pytest
import torch
from django.core.management import call_command

from catalog import engine, storage
from catalog.models import IndexGeneration
from catalog.services import importing, indexing, tidying
from catalog.services.importing import ImportOptions
from tests.conftest import draw_photo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def few_views(small_shop: None, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds are asked for and not run."""
    settings.SHAPELENS_VIEWS = "8x1"
    engine.reset()
    monkeypatch.setattr("catalog.jobs.run_build", lambda generation: None)


def _import(folder: Path, *, is_indexed_after: bool = True) -> None:
    run = importing.request_import(folder, options=ImportOptions(is_indexed_after=is_indexed_after))
    importing.run_import(run.pk)
    run.refresh_from_db()
    assert run.state == "done"


def _found(photo: Path) -> list[str]:
    out = StringIO()
    call_command("search", str(photo), "--tau", "0.3", "--json", stdout=out)
    return [row["key"] for row in json.loads(out.getvalue())["results"]]


@pytest.fixture
def shop(models: Path, tmp_path: Path) -> Path:
    """An index of two of the models, and then a third beside them, imported."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("three-sofa", "tall-shelf"):
        (folder / f"{name}.glb").write_bytes((models / f"{name}.glb").read_bytes())
    _import(folder, is_indexed_after=False)
    indexing.run_build(indexing.request_build().pk)
    (folder / "wing-armchair.glb").write_bytes((models / "wing-armchair.glb").read_bytes())
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(draw_photo("wing-armchair"))
    return path


def test_the_shell_says_how_far_around_each_photo_was_taken(
    shop: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    query = engine.query
    monkeypatch.setattr("catalog.engine.query", lambda *given: asked.append(query(*given)) or asked[-1])
    call_command("search", str(photo), str(photo), "--turn", "0", "--turn", "90", "--json", stdout=StringIO())
    assert [one.turn for one in asked] == pytest.approx([0.0, math.pi / 2])


def test_a_search_worker_computes_with_one_thread(shop: Path) -> None:
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    try:
        engine.warm(indexing.folders(indexing.active_generation()))
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def test_an_imported_model_is_found_before_the_rebuild_and_after_it(shop: Path, photo: Path) -> None:
    assert "wing-armchair" not in _found(photo)
    before = indexing.active_generation()

    _import(shop)

    active = indexing.active_generation()
    assert active.pk == before.pk
    assert len(active.additions) == 1
    assert _found(photo)[0] == "wing-armchair"
    assert set(_found(photo)) == {"wing-armchair", "three-sofa", "tall-shelf"}
    assert indexing.check().waiting == 0
    rebuilt = IndexGeneration.objects.get(status="queued")
    indexing.run_build(rebuilt.pk)
    assert indexing.active_generation() == rebuilt
    assert not indexing.active_generation().additions
    assert _found(photo)[0] == "wing-armchair"


def test_a_damaged_addition_is_left_out_and_the_rest_answers(shop: Path, photo: Path) -> None:
    _import(shop)
    added = indexing.folders(indexing.active_generation())[1]
    vectors = added / "vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-9])
    engine.reset()

    tidying.tidy()

    assert indexing.active_generation().additions == []
    assert set(_found(photo)) == {"three-sofa", "tall-shelf"}
    assert IndexGeneration.objects.filter(status="queued").count() == 1


def test_more_models_than_a_small_generation_is_for_wait_for_the_rebuild(
    shop: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "MOST_ADDED", 0)
    _import(shop)
    assert indexing.active_generation().additions == []
    assert "wing-armchair" not in _found(photo)
    assert indexing.check().waiting == 1


def test_folders_of_additions_are_kept_while_they_serve_and_not_after(shop: Path) -> None:
    _import(shop)
    added = indexing.folders(indexing.active_generation())[1]
    left = storage.addition_directory(1)
    left.mkdir()
    old = time.time() - 2 * tidying.YOUNG_SECONDS
    for folder in (added, left):
        os.utime(folder, (old, old))
    tidying.tidy()
    assert added.exists()
    assert not left.exists()
