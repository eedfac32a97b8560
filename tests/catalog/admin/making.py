"""Rows for tests of the staff's pages."""

from __future__ import annotations

import io
import itertools
import uuid

from django.contrib.auth.models import Group, User
from django.utils import timezone
from PIL import Image

from catalog import storage
from catalog.models import Asset, Catalog, IndexGeneration, Photo, Product, Search, SearchPhoto, SearchResult

_numbers = itertools.count(1)


def make_user(group: str = "", name: str = "") -> User:
    user = User.objects.create_user(name or f"user{next(_numbers)}", password="x", is_staff=True)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def make_generation(threshold: float = -0.5) -> IndexGeneration:
    manifest = {"embedder_fingerprint": "net-1", "no_match": {"threshold": threshold}}
    return IndexGeneration.objects.create(
        status="ready", path="index/1", view_count=24, manifest=manifest, embedder="hog"
    )


def make_products(count: int, category: str = "Chairs") -> list[Product]:
    shop, _ = Catalog.objects.get_or_create(name="shop")
    made = []
    for _ in range(count):
        n = next(_numbers)
        asset = Asset.objects.create(
            hash=uuid.uuid4().hex,
            content_hash="c",
            renderer="r",
            status="ready",
            view_count=24,
            extents=[1, 0.9, 0.4],
            mesh_hash=f"shape {n}",
        )
        made.append(
            Product.objects.create(
                catalog=shop, key=f"key-{n}", asset=asset, name=f"Chair {n}", category=category
            )
        )
    return made


def make_search(
    products: list[Product],
    *,
    score: float = 0.0,
    generation: IndexGeneration | None = None,
    has_file: bool = False,
) -> Search:
    """Answered with the products, in that order; the photo has 400 x 300 pixels."""
    photo = Photo.objects.create(
        format="JPEG", size_bytes=9, sent_width=400, sent_height=300, width=400, height=300
    )
    if has_file:
        data = io.BytesIO()
        Image.new("RGB", (400, 300), "gray").save(data, "JPEG")
        storage.write_atomically(storage.photo_picture(photo.uuid), data.getvalue())
    search = Search.objects.create(
        state="done",
        finished_at=timezone.now(),
        best_calibrated=score,
        generation=generation,
        seconds={"looking": 0.2, "matching": 0.1},
    )
    SearchPhoto.objects.create(search=search, photo=photo, box=[10, 20, 200, 220], box_source="found")
    SearchResult.objects.bulk_create(
        SearchResult(
            search=search,
            rank=rank,
            product=product,
            asset=product.asset,
            view_index=3,
            azimuth_deg=30,
            elevation_deg=0,
            score=0.5,
            calibrated=score - 0.01 * rank,
            confidence="likely",
            pose={"silhouette_iou": 0.8} if rank == 1 else None,
        )
        for rank, product in enumerate(products, start=1)
    )
    return search
