"""Reads for pages and the API: plain dicts as docs of the API describe them. No writes, few queries."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from catalog import engine, media, storage
from catalog.errors import MediaDown, StorageFull
from catalog.models import (
    ActiveGeneration,
    Asset,
    ImportRun,
    IndexGeneration,
    Photo,
    Product,
    Search,
    SearchPhoto,
    SearchResult,
)
from catalog.services import indexing
from catalog.services.photos import check_box

__all__ = [
    "SAMPLES",
    "asset_url",
    "generation_fields",
    "import_fields",
    "index_fields",
    "is_open",
    "model_facts",
    "photo_url",
    "product_fields",
    "product_page",
    "sample_file",
    "sample_list",
    "search_by_uuid",
    "search_fields",
    "shown_products",
    "stored_photo",
    "view_picture",
]

SAMPLES = Path(__file__).parent / "samples"
PAGE_SIZE = 24
API_RESULTS = 24  # of a search, given by the API
_MOVED = 1.0  # pixels by which an edge is another


# ---- addresses ----------------------------------------------------------------------------


def asset_url(asset_hash: str, file: str) -> str:
    """file: model.glb, viewer.glb (the same, lighter), thumbnail.jpg, views.jpg or views/<k>.jpg"""
    return reverse("asset-file", args=[asset_hash, file])


def photo_url(photo: Photo) -> str:
    return reverse("photo", args=[photo.uuid])


# ---- products -----------------------------------------------------------------------------


def shown_products() -> QuerySet[Product]:
    """Offered products with their models."""
    return Product.objects.filter(is_withdrawn=False, asset__status=Asset.Status.READY).select_related(
        "asset", "catalog"
    )


def is_open(asset_hash: str) -> bool:
    """Whether an offered product's license lets the model's original file be given away."""
    return any(row.is_open for row in shown_products().filter(asset__hash=asset_hash))


def product_page(*, number: int | str, text: str = "", category: str = "") -> Page[Product]:
    """Offered products by name; text is looked for in names, SKUs, categories and tags."""
    rows = shown_products().order_by("name", "pk")
    for word in text.split():
        rows = rows.filter(
            Q(name__icontains=word)
            | Q(sku__iexact=word)
            | Q(category__icontains=word)
            | Q(tags__icontains=word)
        )
    if category:
        rows = rows.filter(category=category)
    return Paginator(rows, PAGE_SIZE).get_page(number)


def product_fields(product: Product) -> dict[str, Any]:
    asset = product.asset
    assert asset is not None
    return {
        "id": product.pk,
        "name": product.name,
        "sku": product.sku,
        "category": product.category,
        "tags": product.tags,
        "description": product.description,
        "size_text": product.size_text,
        "price": None if product.price is None else f"{product.price:.2f}",
        "currency": product.currency,
        "stock": product.stock,
        "link": product.link,
        "url": product.get_absolute_url(),
        "thumbnail_url": asset_url(asset.hash, "thumbnail.jpg"),
        "views_url": asset_url(asset.hash, "views.jpg"),
        "view_urls": [asset_url(asset.hash, f"views/{k}.jpg") for k in range(asset.view_count)],
        "glb_url": asset_url(asset.hash, "model.glb"),
        "viewer_url": asset_url(asset.hash, "viewer.glb"),
        "extents_m": asset.extents,
        "source": product.catalog.name,
        "license": product.license,
        "creator": product.creator,
    }


def model_facts(asset: Asset) -> dict[str, Any]:
    """What was found while it was read; {} where its files are not there."""
    try:
        text = (media.asset_files(asset.hash, "facts.json") / "facts.json").read_text(encoding="utf-8")
        facts: dict[str, Any] = json.loads(text)
    except (OSError, ValueError, MediaDown, StorageFull):
        return {}
    return facts


# ---- samples ------------------------------------------------------------------------------


@cache
def sample_list() -> tuple[dict[str, Any], ...]:
    """Photos to try, with files under SAMPLES; none where the list is missing."""
    path = SAMPLES / "photos.json"
    if not path.exists():
        return ()
    return tuple(
        {
            "name": row["name"],
            "title": row["title"],
            "note": row["note"],
            "file": row["file"],
            "width": row["width"],
            "height": row["height"],
            "url": reverse("sample", args=[row["name"]]),
            "thumbnail_url": reverse("sample", args=[row["name"]]),
        }
        for row in json.loads(path.read_text(encoding="utf-8"))
    )


# ---- searches -----------------------------------------------------------------------------


def search_by_uuid(uuid: UUID) -> Search | None:
    """With its photos, results and products in a constant number of queries."""
    return (
        Search.objects.filter(uuid=uuid)
        .prefetch_related(
            "photos__photo", "results__product__asset", "results__product__catalog", "results__asset"
        )
        .first()
    )


def search_fields(search: Search) -> dict[str, Any]:
    rows = list(search.photos.all())
    first = rows[0]
    return {
        "id": str(search.uuid),
        "state": search.state,
        "error": search.error_message or None,
        "error_code": search.error_code or None,
        "queue_position": _queue_position(search),
        "url": search.get_absolute_url(),
        "photo": _photo_fields(first),
        "photos": [_photo_fields(row) for row in rows],
        "box": _box(first),
        "box_source": _box_source(first),
        "detections": first.detections,
        "no_match": search.is_no_match,
        "tau": search.tau_used or search.tau,
        "tau_widened": search.is_widened,
        "seconds": search.seconds,
        "words": search.words,
        "words_used": search.words_used,
        "results": [
            _result_fields(row) for row in search.results.all()[:API_RESULTS] if row.product.asset_id
        ],
    }


def _queue_position(search: Search) -> int | None:
    """1 is next; None once it has begun."""
    if search.state != Search.State.QUEUED:
        return None
    return Search.objects.filter(state=Search.State.QUEUED, pk__lt=search.pk).count() + 1


def _box(row: SearchPhoto) -> list[float] | None:
    return row.box or row.drawn_box


def _box_source(row: SearchPhoto) -> str | None:
    return row.box_source or ("shopper" if row.asked_box else None)


def _photo_fields(row: SearchPhoto) -> dict[str, Any]:
    photo = row.photo
    return {
        "box": _box(row),
        "box_source": _box_source(row),
        "url": photo_url(photo) if photo.is_upright else None,
        "width": photo.width or photo.sent_width,
        "height": photo.height or photo.sent_height,
        "sent_width": photo.sent_width,
        "sent_height": photo.sent_height,
        "sample": photo.sample or None,
        "turn_deg": row.turn_deg,
        "outline": row.outline or [],
        "asked_box": _asked_box(row),
    }


def _asked_box(row: SearchPhoto) -> list[float] | None:
    """The shopper's own, in the stored photo's pixels and inside it, where another one was searched with."""
    asked = row.drawn_box
    if not row.box or asked is None:
        return None
    asked = check_box(
        asked, row.photo.width or 0, row.photo.height or 0
    )  # as it was when it was searched with
    apart = max(abs(a - b) for a, b in zip(asked, row.box, strict=True))
    return asked if apart >= _MOVED else None


def _result_fields(result: SearchResult) -> dict[str, Any]:
    return {
        "rank": result.rank,
        "product": product_fields(result.product),
        "confidence": result.confidence,
        "score": round(result.score, 4),
        "calibrated": round(result.calibrated, 4),
        "azimuth_deg": result.azimuth_deg,
        "elevation_deg": result.elevation_deg,
        "view_url": asset_url(result.asset.hash, f"views/{result.view_index}.jpg"),
        "glb_url": asset_url(result.asset.hash, "model.glb"),
        "pose": result.pose,
    }


def sample_file(name: str) -> Path | None:
    """The file of a sample photo; None for an unknown name."""
    for row in sample_list():
        if row["name"] == name:
            return SAMPLES / "photos" / Path(row["file"]).name
    return None


def stored_photo(uuid: UUID) -> Path | None:
    """The upright picture of a photo; None where there is none (yet)."""
    if not Photo.objects.filter(uuid=uuid, width__isnull=False).exists():
        return None
    return storage.photo_picture(uuid)


def view_picture(folder: Path, k: int) -> bytes | None:
    """View k of the model in that folder as a JPEG; None where there is none."""
    try:
        return engine.view_jpeg(folder, k)
    except (engine.ShapelensError, IndexError):
        return None


# ---- for those who manage catalogs --------------------------------------------------------


def import_fields(run: ImportRun) -> dict[str, Any]:
    counted = run.items.order_by().values_list("outcome").annotate(n=Count("pk"))
    return {
        "id": run.pk,
        "catalog": run.catalog.name,
        "state": run.state,
        "error": run.error,
        "total": run.total,
        "processed": run.processed,
        "counts": dict(counted),
        "warnings": run.warnings,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "url": reverse("api-1:import_state", args=[run.pk]),
        "items_url": reverse("api-1:import_items", args=[run.pk]),
    }


def generation_fields(generation: IndexGeneration, active: int | None = None) -> dict[str, Any]:
    """active: id of the generation that serves, where it is known already."""
    if active is None:
        active = ActiveGeneration.objects.values_list("generation", flat=True).first()
    return {
        "id": generation.pk,
        "status": generation.status,
        "is_active": generation.pk == active,
        "embedder": generation.embedder,
        "models": generation.model_count,
        "views": generation.view_count,
        "stage": generation.stage,
        "done": generation.done,
        "total": generation.total,
        "error": generation.error,
        "created_at": generation.created_at,
        "finished_at": generation.finished_at,
    }


def index_fields() -> dict[str, Any]:
    """The last generations, newest first, and how many models wait for the next."""
    active = ActiveGeneration.objects.select_related("generation__catalog").first()
    indexed = active.generation.assets.all() if active else Asset.objects.none()
    wanted = indexing.assets_to_index(active.generation.catalog if active else None)
    return {
        "active": active.generation_id if active else None,
        "waiting": wanted.exclude(pk__in=indexed.values("pk")).count(),
        "generations": [
            generation_fields(row, active.generation_id if active else -1)
            for row in IndexGeneration.objects.order_by("-pk")[:20]
        ],
    }
