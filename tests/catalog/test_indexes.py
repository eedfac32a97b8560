"""An index whose views lie in a server as well: built, searched, dropped; and the server gone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from catalog import engine, storage
from catalog.errors import GenerationCorrupt, IndexUnreachable
from catalog.models import IndexGeneration, Search
from catalog.services import importing, indexing, searching, tidying
from catalog.services.importing import ImportOptions
from tests.conftest import draw_photo

pytestmark = pytest.mark.django_db(transaction=True)

GONE = "http://shop:secret@127.0.0.1:9"


@pytest.fixture
def shop(small_shop: None, settings, models: Path, tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """Two models in an index of a Milvus of our own; a photo of one of them."""
    pytest.importorskip("milvus_lite", reason="pip install shapelens[milvus]")
    settings.SHAPELENS_INDEX, settings.SHAPELENS_MILVUS_URL = "milvus", str(tmp_path / "views.db")
    monkeypatch.setattr("ml.search.library.ENOUGH", 1)
    monkeypatch.setattr("ml.search.milvus.CANDIDATES", 2)
    monkeypatch.setattr("catalog.jobs.run_build", lambda generation: None)
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("wing-armchair", "tall-shelf"):
        (folder / f"{name}.glb").write_bytes((models / f"{name}.glb").read_bytes())
    importing.run_import(importing.request_import(folder, options=ImportOptions(is_indexed_after=False)).pk)
    indexing.run_build(indexing.request_build().pk)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(draw_photo("wing-armchair"))
    yield photo
    engine.reset()


def test_an_index_in_a_server_answers_and_goes_with_its_folder(shop: Path) -> None:
    out = StringIO()
    call_command("search", str(shop), "--tau", "0.3", "--json", stdout=out)
    assert json.loads(out.getvalue())["results"][0]["key"] == "wing-armchair"
    call_command("check_index", stdout=StringIO())
    first = indexing.active_generation()
    indexing.run_build(indexing.request_build().pk)
    assert indexing.active_generation() != first

    IndexGeneration.objects.filter(pk=first.pk).update(status="retired")
    before, kept = indexing.folder(first), indexing.folder(indexing.active_generation())
    for folder in (before, kept):
        os.utime(folder, (time.time() - 2 * tidying.YOUNG_SECONDS,) * 2)
    tidying.tidy()

    assert not before.exists()
    engine.verify_generation(kept)
    engine.drop_index(kept)
    with pytest.raises(GenerationCorrupt, match="has no collection"):
        engine.verify_generation(kept)


def test_a_server_that_is_gone_is_told_and_nothing_is_lost(shop: Path, settings) -> None:
    active = indexing.active_generation()
    settings.SHAPELENS_MILVUS_URL = GONE
    engine.reset()
    with pytest.raises(CommandError, match=r"Milvus at 127\.0\.0\.1:9 doesn't answer"):
        call_command("check_index")
    tidying.tidy()  # neither steps back nor gives up
    assert indexing.active_generation() == active
    build = indexing.request_build()
    indexing.run_build(build.pk)
    build.refresh_from_db()
    assert build.status == "failed"
    assert "start it, or set SHAPELENS_INDEX=exact" in build.error
    left = storage.generation_directory(active.pk)
    with pytest.raises(IndexUnreachable):
        indexing.remove(left)
    settings.SHAPELENS_INDEX = "exact"
    engine.verify_generation(left)


def test_a_shopper_is_told_that_it_is_not_the_photo_and_staff_which_server(
    small_shop: None, monkeypatch
) -> None:
    def unreachable(*given: object) -> None:
        raise IndexUnreachable("Milvus at 10.0.0.7 doesn't answer")

    monkeypatch.setattr(searching, "_answer", unreachable)
    search = Search.objects.create(tau=0.9)
    with pytest.raises(IndexUnreachable, match=r"10\.0\.0\.7"):  # the task fails: a letter is kept for staff
        searching.run_search(search.pk)
    search.refresh_from_db()
    assert (search.state, search.error_code) == ("failed", "index_unreachable")
    assert "try again in a minute" in search.error_message
    assert "10.0.0.7" not in search.error_message
