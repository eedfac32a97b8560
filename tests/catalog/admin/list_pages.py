"""How many queries and how long the admin's list pages take at the size of a large shop. Prints a table.

    python -m tests.catalog.admin.list_pages [--products 10000] [--searches 100000]

It fills a database of its own in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import uuid
from datetime import timedelta
from typing import Any

PAGES = {
    "products": "admin:catalog_product_changelist",
    "products, a word": "admin:catalog_product_changelist?q=chair+77",
    "models": "admin:catalog_asset_changelist",
    "imports": "admin:catalog_importrun_changelist",
    "one import of 10,000 files": "import",
    "imported files": "admin:catalog_importitem_changelist",
    "price tables": "admin:catalog_feed_changelist",
    "one price table of 10,000 rows": "feed",
    "index generations": "admin:catalog_indexgeneration_changelist",
    "searches": "admin:catalog_search_changelist",
    "searches, the last page": "admin:catalog_search_changelist?p=last",
    "photos": "admin:catalog_photo_changelist",
    "verdicts": "admin:catalog_verdict_changelist",
    "the next case to review": "admin:catalog_verdict_next",
    "plots (the newest 20,000 searches)": "admin:catalog_verdict_quality_data",
    "cut-off": "admin:catalog_cutoff_tune",
    "comparisons": "admin:catalog_comparison_changelist",
    "changes": "admin:auditlog_logentry_changelist",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        os.environ.update(SHAPELENS_DATA=data, DJANGO_SETTINGS_MODULE="webapp.settings")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        _fill(arguments.products, arguments.searches)
        _print_table()


def _fill(products: int, searches: int) -> None:
    """A reviewer, a catalog imported in one go, searches of 90 days with two answers each, 2,000 judged."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from catalog import models

    User.objects.create_superuser("admin", password="x")
    shop = models.Catalog.objects.create(name="shop")
    run = models.ImportRun.objects.create(
        catalog=shop, source="/shop", state="done", total=products, processed=products
    )
    assets = _made(models.Asset, (
        {"hash": uuid.uuid4().hex, "content_hash": "c", "renderer": "r", "status": "ready", "view_count": 108,
         "extents": [1, 0.9, 0.4], "mesh_hash": f"shape {n}"} for n in range(products)
    ))  # fmt: skip
    goods = _made(models.Product, (
        {"catalog": shop, "key": f"key-{n}", "asset": asset, "name": f"Chair {n}", "category": f"Category {n % 40}"}
        for n, asset in enumerate(assets)
    ))  # fmt: skip
    _made(models.ImportItem, (
        {"run": run, "key": f"key-{n}", "outcome": "imported", "product": one} for n, one in enumerate(goods)
    ))  # fmt: skip
    feeds = _made(models.Feed, (
        {"catalog": shop, "name": f"prices-{n}.csv", "rows": products} for n in range(50)
    ))  # fmt: skip
    _made(models.FeedChange, (
        {"feed": feeds[0], "product": one, "row": n, "before": {"stock": 1}, "after": {"stock": 2}}
        for n, one in enumerate(goods, start=1)
    ))  # fmt: skip
    manifest = {"embedder_fingerprint": "net", "no_match": {"threshold": 0.0}}
    generation = models.IndexGeneration.objects.create(
        status="ready", path="index/1", view_count=9, manifest=manifest
    )
    models.ActiveGeneration.objects.create(generation=generation)
    now = timezone.now()
    photos = _made(models.Photo, (
        {"format": "JPEG", "size_bytes": 9, "sent_width": 400, "sent_height": 300, "width": 400, "height": 300}
        for _ in range(searches)
    ))  # fmt: skip
    asked = _made(models.Search, (
        {"state": "done", "finished_at": now, "generation": generation, "best_calibrated": n % 997 / 997,
         "seconds": {"looking": 0.3, "matching": 0.1}} for n in range(searches)
    ))  # fmt: skip
    for start in range(0, searches, 1000):
        day = now - timedelta(days=90 - 90 * start / searches)
        models.Search.objects.filter(pk__in=[one.pk for one in asked[start : start + 900]]).update(
            created_at=day
        )
    _made(models.SearchPhoto, (
        {"search": search, "photo": photo, "box": [1, 2, 300, 200], "box_source": "found"}
        for search, photo in zip(asked, photos, strict=True)
    ))  # fmt: skip
    _made(models.SearchResult, (
        {"search": search, "rank": rank, "product": goods[(7 * n + rank) % products],
         "asset": assets[(7 * n + rank) % products], "view_index": 3, "azimuth_deg": 0.0, "elevation_deg": 0.0,
         "score": 0.5, "calibrated": 0.1, "confidence": "likely", "pose": {"silhouette_iou": 0.8}}
        for n, search in enumerate(asked) for rank in (1, 2)
    ))  # fmt: skip
    judges = [User.objects.create_user(name) for name in ("anna", "ben")]
    _made(models.Verdict, (
        {"search": search, "reviewer": judge, "label": "right", "rank": 1, "seconds": 2.0}
        for search in asked[-2000:] for judge in judges
    ))  # fmt: skip


def _made(model: Any, rows: Any) -> list[Any]:
    return list(model.objects.bulk_create((model(**row) for row in rows), batch_size=2000))


def _print_table() -> None:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext, override_settings
    from django.urls import reverse

    from catalog.models import Feed, ImportRun, Search

    client = Client()
    from django.contrib.auth.models import User

    client.force_login(User.objects.get(username="admin"))
    print("| page | queries | ms |\n|---|---:|---:|")
    with override_settings(ALLOWED_HOSTS=["*"]):
        for title, name in PAGES.items():
            view, _, query = name.partition("?")
            if view == "import":
                address = reverse("admin:catalog_importrun_change", args=[ImportRun.objects.get().pk])
            elif view == "feed":
                address = reverse("admin:catalog_feed_change", args=[Feed.objects.earliest("pk").pk])
            else:
                address = reverse(view)
            query = query.replace("last", str(Search.objects.count() // 30))
            took = []
            for _ in range(3):
                with CaptureQueriesContext(connection) as queries:
                    start = time.perf_counter()
                    answer = client.get(f"{address}?{query}" if query else address)
                    took.append(time.perf_counter() - start)
                assert answer.status_code == 200, (title, answer.status_code)
            print(f"| {title} | {len(queries)} | {1000 * min(took):.0f} |", flush=True)


if __name__ == "__main__":
    main()
