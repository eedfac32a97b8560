"""A bucket keeps the files, and machines that share no disk serve one shop: each is a data folder here."""

from __future__ import annotations

import base64
import dataclasses
import errno
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client
from PIL import Image

from catalog import bucket, engine, media, selectors, storage
from catalog.errors import GenerationCorrupt, MediaDown, NotPossible, StorageFull
from catalog.models import Asset, ImportRun, IndexGeneration, Photo
from catalog.services import (
    backups,
    collecting,
    exporting,
    importing,
    indexing,
    photos,
    searching,
    tidying,
    uploading,
)
from tests.catalog.admin.making import make_generation, make_products, make_search
from tests.conftest import REPOSITORY, draw_photo
from tests.s3 import S3, _server, s3
from webapp.settings import env

__all__ = ["_server", "s3"]

pytestmark = pytest.mark.django_db

Machine = Callable[[str], Path]


@pytest.fixture(autouse=True)
def on(s3: S3, settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Go on at another machine; returns its data folder."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.SHAPELENS_VIEWS, settings.SHAPELENS_EMBEDDER, settings.SHAPELENS_JOB_WORKERS = "4x1", "hog", 1
    for name in ("run_import", "run_build", "run_search"):
        monkeypatch.setattr(f"catalog.jobs.{name}", lambda row: None)

    def go(name: str) -> Path:
        settings.SHAPELENS_DATA = tmp_path / name
        settings.SHAPELENS_DATA.mkdir(exist_ok=True)
        engine.reset()
        return settings.SHAPELENS_DATA

    monkeypatch.setattr("webapp.views.health._media", (float("-inf"), False))
    cache.clear()
    go("one")
    yield go
    engine.reset()


def _sent() -> photos.SentPhoto:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "gray").save(data, "JPEG")
    return photos.SentPhoto(data.getvalue(), "JPEG", 64, 48)


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(os.urandom(1000))
    return folder


# ---- settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("shop", "write s3://bucket/prefix"),
        ("https://host/shop", "write s3://bucket/prefix"),
        ("s3://Sh/main", "write s3://bucket/prefix"),
        ("s3://key:secret@shop", "set AWS_ACCESS_KEY_ID"),
        ("s3://shop/a b", "the prefix 'a b' may have"),
        ("s3://shop?endpoint=minio:9000", "must begin with https://"),
        ("s3://shop?acl=public-read", "only endpoint and region are known, not acl"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_way_out(url: str, said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said) as refused:
        env._media(url)
    assert "secret" not in str(refused.value)


def test_an_address_is_read() -> None:
    read = env._media("s3://shop/a/b/?endpoint=http://minio:9000&region=eu-west-3")
    assert read == env.Media("shop", "a/b", "http://minio:9000", "eu-west-3")
    assert str(read) == "s3://shop/a/b"
    assert env._media("s3://shop") == env.Media("shop")
    assert env._media("") is None


def test_nothing_of_amazons_is_loaded_where_there_is_no_bucket() -> None:
    code = (
        "import sys, catalog.media, catalog.storage; from pathlib import Path; "
        "media = catalog.media; media.keep(Path('x')); media.fetch(Path('x')); "
        "assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    ours = {key: value for key, value in os.environ.items() if key != "SHAPELENS_MEDIA_URL"}
    settings_of = {**ours, "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=settings_of, check=True)


# ---- photos -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)  # a 304 closes the connection, as a request's end does
def test_a_photo_sent_to_one_machine_is_seen_on_another_and_gone_from_both(
    s3: S3, on: Machine, client: Client
) -> None:
    photo = photos.store_photo(_sent())
    on("two")
    assert photos.open_upright(photo).width == 64
    on("three")

    shown = client.get(f"/photos/{photo.uuid}.jpg")

    assert shown["Content-Type"] == "image/jpeg"
    assert shown["Cache-Control"] == "private, max-age=86400"
    assert Image.open(io.BytesIO(shown.getvalue())).size == (64, 48)
    known = {"If-None-Match": shown["ETag"]}
    assert client.get(f"/photos/{photo.uuid}.jpg", headers=known).status_code == 304
    assert len(s3.keys("photos")) == 2
    photos.delete_photo(photo)
    assert s3.keys("photos") == set()
    assert client.get(f"/photos/{photo.uuid}.jpg").status_code == 404
    assert not any(list(on(name).rglob("photo.jpg")) for name in ("one", "two", "three"))


def test_while_the_bucket_is_away_nobody_is_told_of_a_photo_that_is_nowhere(
    s3: S3, on: Machine, client: Client
) -> None:
    photo = make_search(make_products(1)).photos.get().photo
    s3.go()
    with pytest.raises(MediaDown, match="try again in a minute"):
        photos.store_photo(_sent())
    assert Photo.objects.count() == 1
    refused = client.get(f"/photos/{photo.uuid}.jpg")
    assert refused.status_code == 503
    assert refused["Retry-After"]
    assert "try again" in refused.json()["detail"]
    assert not client.get("/health/ready").json()["media"]


def test_a_photo_deleted_while_the_bucket_is_away_is_swept(
    s3: S3, on: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept = photos.store_photo(_sent()), photos.store_photo(_sent())
    s3.go()
    photos.delete_photo(gone)
    tidying.tidy()
    s3.come()
    assert len(s3.keys("photos")) == 2

    tidying.tidy()
    assert len(s3.keys("photos")) == 2  # young: its row may be on its way
    monkeypatch.setattr(tidying, "YOUNG_SECONDS", -60)
    tidying.tidy()
    assert len(s3.keys("photos")) == 2  # listed once a day
    cache.delete(tidying.SWEPT)
    tidying.tidy()

    assert s3.keys("photos") == {media.key_of(storage.photo_original(kept.uuid))}


def test_a_bucket_of_another_shop_is_not_swept(s3: S3, on: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "YOUNG_SECONDS", -60)
    monkeypatch.setattr(tidying, "MOST_SWEPT", 1)
    for asset in ("a" * 40, "b" * 40):
        media.keep(_fill(storage.asset_directory(asset), "model.glb"))
    tidying.tidy()
    assert len(s3.keys("assets")) == 2


@pytest.mark.django_db(transaction=True)
def test_a_search_waits_for_the_bucket_and_then_says_so(s3: S3, on: Machine) -> None:
    search = searching.request_search([_sent()], [searching.Asked(is_whole=True)], tau=0.9)
    s3.go()
    for _ in range(searching.MAX_ATTEMPTS - 1):
        with pytest.raises(MediaDown):
            searching.run_search(search.pk)
        search.refresh_from_db()
        assert (search.state, search.lease_owner) == ("looking", "")
    searching.run_search(search.pk)
    search.refresh_from_db()
    assert (search.state, search.error_code) == ("failed", "media_down")
    assert "try again" in search.error_message


# ---- models and indexes -------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_what_one_machine_imports_another_finds_and_a_third_shows(
    s3: S3, on: Machine, models: Path, tmp_path: Path, settings, client: Client
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    for name in ("three-sofa", "wing-armchair"):
        (shop / f"{name}.glb").write_bytes((models / f"{name}.glb").read_bytes())
    sent = photos.SentPhoto(draw_photo("wing-armchair"), "JPEG", 480, 360)
    importing.run_import(importing.request_import(shop).pk)
    built = indexing.request_build()
    indexing.run_build(built.pk)
    built.refresh_from_db()
    asked = searching.request_search([sent], [searching.Asked(is_whole=True)], tau=0.3)

    two = on("two")
    searching.run_search(asked.pk)

    asked.refresh_from_db()
    assert asked.state == "done", asked.error_message
    first = asked.results.select_related("product", "asset")[0]
    assert first.product.key == "wing-armchair"
    assert {Path(name).name for name in _files(two / "assets")} == {
        "mesh.npz",
        "thumbnail.jpg",
        "views-gray.jpg",
    }
    assert not (two / "photos").exists() or not _files(two / "photos")

    three = on("three")
    address = selectors.asset_url(first.asset.hash, "model.glb")
    shown = client.get(address)
    assert shown["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (
        shown.getvalue()
        == (tmp_path / "one" / "assets" / first.asset.hash[:2] / first.asset.hash / "model.glb").read_bytes()
    )
    assert client.get(selectors.asset_url(first.asset.hash, "views/1.jpg")).status_code == 200
    assert client.get(selectors.asset_url("0" * 40, "model.glb")).status_code == 404
    assert {Path(name).name for name in _files(three / "assets")} == {"model.glb", "views.jpg", "views.npz"}

    two = on("two")
    vectors = indexing.folder(built) / "vectors.npy"
    sound = vectors.read_bytes()
    vectors.write_bytes(sound[:-9])
    tidying.tidy_here()
    assert vectors.read_bytes() == sound  # fetched again: what serves goes on
    assert indexing.active_generation() == built

    settings.SHAPELENS_DISK_MIB = 1
    for path in (two / "assets").rglob("*"):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    (two / "big").write_bytes(bytes(2**21))
    cache.delete(collecting.KEY)
    collecting.collect()
    assert not _files(two / "assets")
    assert vectors.exists()
    assert Asset.objects.count() == 2

    # a model that was imported before its views were kept gray
    folder = media.searched_files(first.asset.hash)
    assert {path.name for path in folder.iterdir()} >= {"mesh.npz", "views-gray.jpg"}
    (folder / "views-gray.jpg").unlink()
    bucket.delete([media.key_of(folder / "views-gray.jpg")])
    on("four")
    folder = media.searched_files(first.asset.hash)
    assert {path.name for path in folder.iterdir()} == {"mesh.npz", "views.jpg"}


def test_a_match_is_one_file_wherever_its_parts_are(
    s3: S3, on: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = make_search(make_products(1))
    search.results.update(pose={"camera": {}, "azimuth_deg": 1.0, "elevation_deg": 2.0})
    photo, model = search.photos.get().photo, search.results.get().asset.hash
    media.write_photo(storage.photo_picture(photo.uuid), b"a photo")
    media.keep(_fill(storage.asset_directory(model), "model.glb"))
    (tmp_path / "match.js").write_text("show()")
    monkeypatch.setattr(exporting.finders, "find", lambda name: str(tmp_path / "match.js"))
    on("two")
    page = exporting.match_page(search)
    assert base64.b64encode(b"a photo").decode() in page
    assert base64.b64encode((storage.asset_directory(model) / "model.glb").read_bytes()).decode() in page
    media.delete(storage.photo_directory(photo.uuid))
    with pytest.raises(NotPossible, match="is not there any more"):
        exporting.match_page(search)


@dataclasses.dataclass
class _Manifest:
    embedder: str = "hog"
    adapter: str = "none"
    models: int = 1
    views: int = 4


@pytest.mark.django_db(transaction=True)
def test_an_index_whose_upload_breaks_off_never_answers_and_is_built_anew(
    s3: S3, on: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "renderer_fingerprint", lambda: "r")
    make_products(1)

    def build(entries, out: Path, *, adapter: str, progress) -> _Manifest:
        _fill(out, "vectors.npy", "rows.npy", media.MARKER)
        return _Manifest()

    monkeypatch.setattr(engine, "build_generation", build)
    monkeypatch.setattr(engine, "serve_index", lambda path: None)
    row = indexing.request_build()
    s3.refuses = lambda method, key: method == "PUT" and key.endswith("vectors.npy")
    with pytest.raises(MediaDown):
        indexing.run_build(row.pk)
    row.refresh_from_db()
    assert (row.status, row.path, row.attempts, row.lease_owner) == ("building", "", 0, "")
    assert not any(key.endswith(media.MARKER) for key in s3.keys("index"))

    s3.come()
    indexing.run_build(row.pk)
    assert indexing.active_generation() == row
    assert s3.keys("index") == {
        f"index/{row.pk}/{name}" for name in ("vectors.npy", "rows.npy", media.MARKER)
    }


def test_a_fetch_that_breaks_off_leaves_nothing_that_could_be_taken_for_whole(s3: S3, on: Machine) -> None:
    made = _fill(storage.generation_directory(7), "a.npy", "b.npy", media.MARKER)
    media.keep(made)
    media.keep(_fill(storage.asset_directory("a" * 40), "model.glb"))
    contents = {path.name: path.read_bytes() for path in made.iterdir()}
    on("two")
    folder = storage.generation_directory(7)
    checked: list[Path] = []

    s3.cut = True
    with pytest.raises(MediaDown):
        media.fetch_folder(folder, checked.append)
    with pytest.raises(MediaDown):
        media.asset_files("a" * 40, "model.glb")
    assert not _files(storage.assets_root())
    s3.cut, s3.refuses = False, lambda method, key: key.endswith("b.npy")
    with pytest.raises(MediaDown):
        media.fetch_folder(folder, checked.append)
    assert not folder.exists()
    assert not checked
    s3.come()
    s3.asked.clear()
    media.fetch_folder(folder, checked.append)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    assert checked == [folder.with_name(".7.fetched")]
    assert not any(method == "GET" and key.endswith("a.npy") for method, key in s3.asked)  # it was here


def test_a_folder_that_is_not_what_was_written_is_refused_and_not_kept(s3: S3, on: Machine) -> None:
    media.keep(_fill(storage.generation_directory(7), "a.npy", media.MARKER))
    on("two")
    with pytest.raises(GenerationCorrupt):
        media.fetch_folder(storage.generation_directory(7), engine.check_files)
    assert _files(storage.index_root()) == {".7.lock"}


def test_two_that_fetch_at_once_get_it_once(s3: S3, on: Machine) -> None:
    media.keep(_fill(storage.generation_directory(7), "a.npy", media.MARKER))
    on("two")
    folder = storage.generation_directory(7)
    checked: list[Path] = []
    threads = [threading.Thread(target=media.fetch_folder, args=(folder, checked.append)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(checked) == 1
    assert len(_files(folder)) == 2


def test_a_full_disk_is_said_as_ever(s3: S3, on: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    media.keep(_fill(storage.asset_directory("a" * 40), "model.glb"))
    two = on("two")

    def full(key: str, path: Path) -> bool:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(bucket, "download", full)
    with pytest.raises(StorageFull, match="disk is full"):
        media.asset_files("a" * 40, "model.glb")
    assert _files(two) == set()


def test_a_retired_index_goes_from_the_bucket(s3: S3, on: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "YOUNG_SECONDS", -60)
    kept, retired = make_generation(), make_generation()
    for row in (kept, retired):
        media.keep(_fill(storage.generation_directory(row.pk), media.MARKER))
    IndexGeneration.objects.filter(pk=retired.pk).update(status="retired")
    tidying.tidy()
    assert s3.keys("index") == {f"index/{kept.pk}/{media.MARKER}"}


# ---- sources ------------------------------------------------------------------------------


def test_a_catalog_sent_to_one_machine_is_read_on_another(s3: S3, on: Machine) -> None:
    data = os.urandom(5000)
    upload = uploading.begin("chairs.zip", len(data))
    uploading.append(upload.id, 0, io.BytesIO(data))
    run = importing.request_import(uploading.finished_file(upload.id), name="chairs")
    assert run.source == run.catalog.source == f"uploads/{upload.id}/chairs.zip"
    two = on("two")
    assert media.fetch(media.data_path(run.source)).read_bytes() == data
    assert media.data_path(run.source).is_relative_to(two)
    again = importing.request_import(media.data_path(run.source), name="chairs")
    assert again.source == run.source


@pytest.mark.django_db(transaction=True)
def test_an_import_goes_on_when_the_bucket_is_back(s3: S3, on: Machine) -> None:
    upload = uploading.begin("chairs.zip", 9)
    uploading.append(upload.id, 0, io.BytesIO(b"no models"))
    run = importing.request_import(uploading.finished_file(upload.id))
    on("two")
    s3.go()
    for _ in range(importing.MAX_ATTEMPTS + 1):
        with pytest.raises(MediaDown):
            importing.run_import(run.pk)
    s3.come()
    importing.run_import(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"  # read at last: it is no ZIP
    assert run.error


# ---- from the disk to the bucket, and back-ups --------------------------------------------


def test_a_push_goes_on_where_it_broke_off_and_a_second_sends_nothing(s3: S3, on: Machine) -> None:
    data = on("one")
    _fill(storage.asset_directory("a" * 40), "model.glb", "views.npz", "features-hog.npz")
    _fill(storage.generation_directory(3), "a.npy", media.MARKER)
    _fill(storage.photo_directory(Photo().uuid), "original")
    _fill(data / "index" / "4.tmp-1", "a.npy")
    source = _fill(data / "uploads" / "f", "chairs.zip") / "chairs.zip"
    run = importing.request_import(source)
    ImportRun.objects.filter(pk=run.pk).update(source=str(source))
    s3.refuses = lambda method, key: method == "PUT" and "index/" in key
    with pytest.raises(Exception, match="run it again"):
        call_command("push_media")
    s3.come()
    out = StringIO()
    call_command("push_media", stdout=out)
    call_command("push_media", stdout=out)

    assert "2 files sent" in out.getvalue()
    assert "0 files sent" in out.getvalue()
    held = {key for root in media.KEPT for key in s3.keys(root)}
    made_again = {name for name in _files(data) if "features-" in name or ".tmp-" in name}
    assert len(made_again) == 2
    assert held == _files(data) - made_again
    run.refresh_from_db()
    assert run.source == "uploads/f/chairs.zip"


@pytest.mark.django_db(transaction=True)
def test_a_backup_names_the_bucket_and_is_restored_only_with_it(
    s3: S3, on: Machine, settings, tmp_path: Path
) -> None:
    data = on("one")
    (data / "secret_key").write_text("secret")
    media.keep(_fill(storage.asset_directory("a" * 40), "model.glb"))
    report = backups.take(tmp_path / "backup")
    assert report.media == backups.verify(tmp_path / "backup").media == "s3://shop/main"
    assert _files(tmp_path / "backup" / "files") == {"secret_key"}
    assert json.loads((tmp_path / "backup" / "backup.json").read_text())["media"] == "s3://shop/main"
    settings.SHAPELENS_MEDIA = None
    with pytest.raises(
        NotPossible, match="s3://shop/main, this installation's on the disk; set SHAPELENS_MEDIA_URL"
    ):
        backups.restore(tmp_path / "backup")


def test_ready_says_that_the_bucket_is_there(client: Client) -> None:
    assert client.get("/health/ready").json()["media"]
