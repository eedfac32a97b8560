"""Every admin page opens, shows pictures, and asks the database a constant number of times."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import (
    ActiveGeneration,
    Asset,
    Callback,
    Catalog,
    Feed,
    FeedChange,
    ImportItem,
    ImportRun,
    IndexGeneration,
    Photo,
    Product,
    Search,
    SearchPhoto,
    SearchResult,
)

pytestmark = pytest.mark.django_db

LISTS = [
    "product", "catalog", "asset", "importrun", "importitem", "indexgeneration", "search", "photo", "callback",
    "feed",
]  # fmt: skip


def _fill(count: int) -> None:
    shop = Catalog.objects.create(name=f"shop {uuid.uuid4().hex}")
    run = ImportRun.objects.create(catalog=shop, source="/x", state="done", total=count, processed=count)
    for _ in range(count):
        asset = Asset.objects.create(
            hash=uuid.uuid4().hex,
            content_hash="c",
            renderer="r",
            status="ready",
            view_count=24,
            extents=[1, 0.5, 0.4],
        )
        product = Product.objects.create(catalog=shop, key=asset.hash, asset=asset, name="Chair", price=9)
        ImportItem.objects.create(run=run, key=asset.hash, outcome="imported", product=product)
        feed = Feed.objects.create(catalog=shop, name="prices.csv", rows=1)
        FeedChange.objects.create(feed=feed, product=product, row=1, before={"stock": 1}, after={"stock": 2})
        ImportItem.objects.create(run=run, key=f"{asset.hash}!", outcome="failed", reason="no faces")
        generation = IndexGeneration.objects.create(status="ready", path="index/1", view_count=24)
        photo = Photo.objects.create(
            format="JPEG", size_bytes=9, sent_width=40, sent_height=30, width=40, height=30
        )
        search = Search.objects.create(state="done", finished_at=timezone.now(), generation=generation)
        Callback.objects.create(search=search, url="https://shop.example/told", secret="x")
        SearchPhoto.objects.create(search=search, photo=photo, box=[1, 2, 30, 20], box_source="found")
        SearchResult.objects.create(
            search=search,
            rank=1,
            product=product,
            asset=asset,
            view_index=3,
            azimuth_deg=0,
            elevation_deg=0,
            score=0.5,
            calibrated=-0.2,
            confidence="likely",
        )
    ActiveGeneration.objects.update_or_create(pk=1, defaults={"generation": generation})


@pytest.mark.parametrize("name", LISTS)
def test_lists_open_with_a_constant_number_of_queries(admin_client: Client, name: str) -> None:
    address = reverse(f"admin:catalog_{name}_changelist")
    counts = []
    for size in (3, 7):
        _fill(size)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = admin_client.get(address)
        assert response.status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", LISTS)
def test_a_rows_page_opens(admin_client: Client, name: str) -> None:
    _fill(1)
    [model] = [m for m in site._registry if m._meta.model_name == name]
    row = model.objects.first()
    page = admin_client.get(reverse(f"admin:catalog_{name}_change", args=[row.pk]))
    assert page.status_code == 200
    if name in {"product", "asset"}:
        assert "/views.jpg" in page.content.decode()
    if name == "search":
        assert "/views/3.jpg" in page.content.decode()
        assert f"/photos/{row.photos.get().photo.uuid}.jpg" in page.content.decode()


def test_every_model_but_link_tables_is_registered() -> None:
    from django.apps import apps

    registered = {model._meta.model_name for model in site._registry}
    ours = {model._meta.model_name for model in apps.get_app_config("catalog").get_models()}
    assert ours - registered == {
        "activegeneration",
        "comparisoncase",
        "correction",
        "feedchange",
        "reviewlock",
        "searchphoto",
        "searchresult",
    }


def test_withdrawing_takes_a_product_out(admin_client: Client) -> None:
    _fill(1)
    product = Product.objects.get()
    data = {"action": "withdraw", "_selected_action": [product.pk], "confirmed": "yes"}
    admin_client.post(reverse("admin:catalog_product_changelist"), data)
    product.refresh_from_db()
    assert product.is_withdrawn
