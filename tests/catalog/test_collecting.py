"""The disk budget: what goes, in which order, and what never does."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog import storage
from catalog.models import (
    ActiveGeneration,
    Asset,
    Catalog,
    ImportRun,
    IndexGeneration,
    Photo,
    Product,
    Search,
    Verdict,
)
from catalog.services import collecting, tidying
from tests.catalog.admin.making import make_generation, make_products, make_search, make_user

pytestmark = pytest.mark.django_db

PIECE = 2**18  # bytes of each generation, model, photo and source


@pytest.fixture(autouse=True)
def _data(settings, tmp_path: Path):
    settings.SHAPELENS_DATA = tmp_path
    settings.SHAPELENS_PHOTO_DAYS = 30
    cache.delete(collecting.KEY)
    yield
    cache.delete(collecting.KEY)


def _fill(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").write_bytes(os.urandom(PIECE))
    return folder


def _age(rows, days: float) -> None:
    then = timezone.now() - timedelta(days=days)
    rows.update(created_at=then)


def _generations(count: int) -> list[IndexGeneration]:
    """Ready ones of yesterday; the last one serves."""
    made = [make_generation() for _ in range(count)]
    for row in made:
        _fill(storage.generation_directory(row.pk))
    IndexGeneration.objects.update(finished_at=timezone.now() - timedelta(days=1))
    ActiveGeneration.objects.update_or_create(pk=1, defaults={"generation": made[-1]})
    return made


def _model(product: Product) -> Asset:
    assert product.asset
    _fill(storage.asset_directory(product.asset.hash))
    return product.asset


def _photo(products: list[Product], days: float) -> Photo:
    search = make_search(products)
    _age(Search.objects.filter(pk=search.pk), days)
    photo = search.photos.get().photo
    _age(Photo.objects.filter(pk=photo.pk), days)
    _fill(storage.photo_directory(photo.uuid))
    return photo


def _source(catalog: Catalog) -> Path:
    folder = _fill(storage.upload_directory())
    yesterday = time.time() - 24 * 3600
    os.utime(folder, (yesterday, yesterday))
    ImportRun.objects.create(catalog=catalog, source=str(folder / "data"), state="done")
    catalog.source = str(folder / "data")
    catalog.save()
    return folder


def _pieces() -> set[Path]:
    return {path.parent for path in Path(storage.index_root().parent).rglob("data")}


def test_a_small_budget_is_kept_by_what_is_needed_least_and_what_serves_stays(settings) -> None:
    # given 16 pieces, each named by when it has to go
    sold, unsold, once = make_products(3)
    first, second, before, active = _generations(4)
    models = {product.pk: _model(product) for product in (sold, unsold, once)}
    old, young, judged, fresh = (_photo([sold], days) for days in (40, 20, 25, 0))
    past_model = _photo([once], 50)  # the only search that shows a model nobody sells any more
    Product.objects.filter(pk__in=[unsold.pk, once.pk]).update(asset=sold.asset)
    _age(Asset.objects.all(), 60)
    Verdict.objects.create(search=judged.searches.get().search, label="right", rank=1)
    replaced, kept_source = (_source(sold.catalog) for _ in range(2))
    view = _fill(storage.cached_views("ab" * 20))
    going = [
        view,
        replaced,
        storage.generation_directory(first.pk),
        storage.generation_directory(second.pk),
        storage.asset_directory(models[unsold.pk].hash),
        storage.photo_directory(old.uuid),
        storage.photo_directory(past_model.uuid),
        storage.asset_directory(models[once.pk].hash),
        storage.photo_directory(young.uuid),
        storage.photo_directory(judged.uuid),
    ]
    stays = {
        storage.generation_directory(before.pk),
        storage.generation_directory(active.pk),
        storage.asset_directory(models[sold.pk].hash),
        storage.photo_directory(fresh.uuid),
        kept_source,
    }
    assert _pieces() == stays | set(going)

    settings.SHAPELENS_DISK_MIB = 0  # no limit: nothing goes
    assert collecting.collect() == 0
    for mib in (3, 2, 1):
        settings.SHAPELENS_DISK_MIB = mib
        collecting.collect()
        left = _pieces()
        gone = [folder for folder in going if folder not in left]
        assert gone == going[: len(gone)], f"at {mib} MiB something went before its turn"
        assert stays <= left
        disk = collecting.disk()
        if mib > 1:
            assert disk.used <= disk.limit
            assert disk.used + PIECE + 2**16 > disk.limit, "more went than had to"
    # the five that stay are 1.25 MiB: over the last limit, and yet there
    assert _pieces() == stays
    assert collecting.disk().is_over
    assert dict(IndexGeneration.objects.values_list("pk", "status")) == {
        first.pk: "retired",
        second.pk: "retired",
        before.pk: "ready",
        active.pk: "ready",
    }
    assert set(Asset.objects.values_list("pk", flat=True)) == {models[sold.pk].pk}
    assert set(Photo.objects.values_list("pk", flat=True)) == {fresh.pk}


def test_models_stay_while_an_import_may_be_about_to_use_them(settings) -> None:
    product, other = make_products(2)
    unused = _model(product)
    Product.objects.update(asset=other.asset)
    _age(Asset.objects.all(), 2)
    for _ in range(4):
        _fill(storage.cached_views("cd" * 20))
    _photo([other], 0)
    (storage.photos_root() / "much").write_bytes(os.urandom(2**20))
    run = ImportRun.objects.create(catalog=other.catalog, source="/x", state="running")
    settings.SHAPELENS_DISK_MIB = 1
    collecting.collect()
    assert Asset.objects.filter(pk=unused.pk).exists()
    ImportRun.objects.filter(pk=run.pk).update(state="done")
    collecting.collect()
    assert not Asset.objects.filter(pk=unused.pk).exists()


def test_tidying_keeps_to_the_budget_and_the_admin_sees_it(settings) -> None:
    (product,) = make_products(1)
    for days in range(2, 12):
        _photo([product], days)
    client = Client()
    client.force_login(make_user("read-only"))
    address = reverse("admin:catalog_indexgeneration_disk")
    assert "There is no limit" in client.get(address).content.decode()
    settings.SHAPELENS_DISK_MIB = 1
    assert "More than it may be" in client.get(address).content.decode()
    assert tidying.tidy() == 6
    page = " ".join(client.get(address).content.decode().replace("\xa0", " ").split())
    assert "of 1.0 MB used" in page
    assert "photos within their days" in page
    assert "More than it may be" not in page
    youngest = timezone.now() - timedelta(days=5.5)
    assert all(created > youngest for created in Photo.objects.values_list("created_at", flat=True))
    assert isinstance(collecting.disk().collected_at, datetime)
