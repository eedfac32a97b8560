"""The disk budget: what nobody needs goes first, what people were promised goes last, what serves never goes.

SHAPELENS_DISK_MIB limits the data folder. Over it, in this order and the oldest first, until it fits:

1. pictures that are drawn again when asked for (cache/views)
2. sources that a later import of the same catalog has replaced
3. index generations, but for the one that serves and the one before it
4. models that no product, kept generation or search refers to
5. photos past SHAPELENS_PHOTO_DAYS, with their searches; then models again
6. only if it must: younger photos, judged and shared ones last, none of the last hour; then models again

Where a bucket keeps them all, the folder is a machine's cache: then only its copies go, after the pictures, and nothing is
lost by it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from catalog import bucket, media, storage
from catalog.errors import IndexUnreachable, NoIndex, NotPossible
from catalog.models import (
    ActiveGeneration,
    Asset,
    Catalog,
    Comparison,
    ImportItem,
    ImportRun,
    IndexGeneration,
    Photo,
    Product,
    Search,
    SearchPhoto,
    SearchResult,
    Share,
    Verdict,
)
from catalog.services import indexing, photos

__all__ = ["KEY", "Disk", "collect", "disk"]

log = logging.getLogger(__name__)

MIB = 2**20
YOUNG = timedelta(hours=1)  # somebody may still be looking at it, or writing it
KEY = "shapelens-disk"
_BATCH = 200  # rows read at a time

Step = Callable[[], Iterator[int]]


@dataclass(frozen=True, slots=True)
class Disk:
    """What the data folder took when it was last measured, in bytes.

    folders    by first folder; ".": files beside them, such as the database
    limit      0: none
    collected  [(what, how many, bytes)] of the last time that something had to go, and when
    """

    folders: dict[str, int]
    limit: int
    measured_at: datetime
    collected: list[tuple[str, int, int]] = field(default_factory=list)
    collected_at: datetime | None = None

    @property
    def used(self) -> int:
        return sum(self.folders.values())

    @property
    def is_over(self) -> bool:
        return 0 < self.limit < self.used


def disk() -> Disk:
    """As it was last measured; measured now where it never was, or the limit was changed since."""
    kept = cache.get(KEY)
    if kept and kept["limit"] == _limit():
        return Disk(**kept)
    return _measured(Disk(**kept) if kept else None)


def collect() -> int:
    """How many things were removed to come under the budget."""
    before = _measured(Disk(**kept) if (kept := cache.get(KEY)) else None)
    excess = before.used - before.limit
    if not before.is_over:
        return 0
    gone: dict[str, list[int]] = {}
    for what, step in _CACHE_STEPS if bucket.is_configured() else _STEPS:
        if excess <= 0:
            break
        for freed in step():
            gone.setdefault(what, []).append(freed)
            excess -= freed
            if excess <= 0:
                break
    if _FORCED in gone:
        log.warning("the disk budget took %s photos before their days were over", len(gone[_FORCED]))
    if excess > 0:
        log.error(
            "the data folder is %.0f MiB over its budget, and nothing else may go: raise SHAPELENS_DISK_MIB, or "
            "withdraw what is not sold",
            excess / MIB,
        )
    collected = [(what, len(sizes), sum(sizes)) for what, sizes in gone.items()]
    for what, count, size in collected:
        log.info("the disk budget removed %s %s, %.1f MiB", count, what, size / MIB)
    after = Disk({}, 0, timezone.now(), collected, timezone.now()) if collected else before
    _measured(after)
    return sum(count for _, count, _ in collected)


def _limit() -> int:
    return int(settings.SHAPELENS_DISK_MIB) * MIB


def _measured(last: Disk | None) -> Disk:
    """Measure, and keep it with what was last collected."""
    now = Disk(
        storage.sizes(),
        _limit(),
        timezone.now(),
        last.collected if last else [],
        last.collected_at if last else None,
    )
    cache.set(KEY, asdict(now), None)
    return now


def _removed(folder: Path) -> int:
    size = storage.size_of(folder)
    storage.remove_tree(folder)
    return size


# ---- what may go; each step yields the bytes of one thing that went -----------------------------------


def _cached_views() -> Iterator[int]:
    for folder in sorted(storage.cached_views_root().iterdir()):
        yield _removed(folder)


def _old_sources() -> Iterator[int]:
    """Uploads are kept to be read again for corrections: the last one of each catalog is enough."""
    open_states = [state for state in ImportRun.State.values if state not in {"done", "cancelled", "failed"}]
    needed = set(Catalog.objects.values_list("source", flat=True))
    needed |= set(ImportRun.objects.filter(state__in=open_states).values_list("source", flat=True))
    kept = {Path(source).parent.name for source in needed if source}
    before = (timezone.now() - YOUNG).timestamp()
    folders = [folder for folder in storage.uploads_root().iterdir() if folder.name not in kept]
    aged = sorted((folder.stat().st_mtime, folder) for folder in folders if folder.is_dir())
    used = {Path(source).parent.name for source in ImportRun.objects.values_list("source", flat=True)}
    for touched, folder in aged:
        if touched < before and folder.name in used:  # others may still be on their way
            yield _removed(folder)


def _old_generations() -> Iterator[int]:
    status = IndexGeneration.Status
    kept = set(ActiveGeneration.objects.values_list("generation", flat=True))
    try:
        kept.add(indexing.generation_before().pk)
    except (NoIndex, NotPossible):
        log.debug("there is no generation to roll back to")
    compared = Comparison.objects.filter(state__in=[Comparison.State.QUEUED, Comparison.State.RUNNING])
    for sides in compared.values_list("generation_a", "generation_b"):
        kept |= set(sides)
    gone = IndexGeneration.objects.filter(status__in=[status.RETIRED, status.FAILED]).exclude(path="")
    ready = IndexGeneration.objects.filter(
        status=status.READY, activation_asked_at=None, finished_at__lt=timezone.now() - YOUNG
    )
    for generation in [*gone.order_by("pk"), *ready.exclude(pk__in=kept).order_by("pk")]:
        folder = storage.generation_directory(generation.pk)
        if not folder.exists():
            continue
        retired = IndexGeneration.objects.filter(pk=generation.pk).exclude(
            pk__in=ActiveGeneration.objects.values("generation")
        )
        if generation.status == status.READY and not retired.update(
            status=status.RETIRED, finished_at=timezone.now()
        ):
            continue
        size = storage.size_of(folder)
        try:
            indexing.remove(folder)
        except IndexUnreachable as error:
            log.warning("%s stays until the next time: %s", folder, error)
        else:
            yield size


def _unused_models() -> Iterator[int]:
    """Not while an import runs: it may be about to use one again."""
    running = ImportRun.objects.filter(state__in=[ImportRun.State.QUEUED, ImportRun.State.RUNNING])
    held = ImportItem.objects.filter(
        asset=OuterRef("pk"), run__state__in=[ImportRun.State.FOUND, ImportRun.State.PAUSED]
    )
    served = IndexGeneration.objects.filter(assets=OuterRef("pk"), status=IndexGeneration.Status.READY)
    rows = Asset.objects.filter(
        ~Exists(Product.objects.filter(asset=OuterRef("pk"))),
        ~Exists(SearchResult.objects.filter(asset=OuterRef("pk"))),
        ~Exists(served),
        ~Exists(held),
        created_at__lt=timezone.now() - YOUNG,
    )
    for asset in rows.order_by("pk").iterator(_BATCH):
        if running.exists():
            return
        asset.delete()
        storage.remove_tree(storage.cached_views(asset.hash))
        yield _removed(storage.asset_directory(asset.hash))


def _past_photos() -> Iterator[int]:
    if settings.SHAPELENS_PHOTO_DAYS <= 0:
        return
    before = timezone.now() - timedelta(days=settings.SHAPELENS_PHOTO_DAYS)
    still_used = SearchPhoto.objects.filter(photo=OuterRef("pk"), search__created_at__gte=before)
    yield from _photos(Photo.objects.filter(~Exists(still_used), created_at__lt=before))


def _young_photos() -> Iterator[int]:
    rows = Photo.objects.filter(created_at__lt=timezone.now() - YOUNG)
    searches = SearchPhoto.objects.filter(photo=OuterRef("pk"))
    judged = Q(Exists(searches.filter(Exists(Verdict.objects.filter(search=OuterRef("search"))))))
    live = Share.objects.filter(search=OuterRef("search"), expires_at__gt=timezone.now())
    shared = Q(Exists(searches.filter(Exists(live))))
    yield from _photos(rows.exclude(judged | shared))
    yield from _photos(rows.filter(judged | shared))


def _photos(rows: QuerySet[Photo]) -> Iterator[int]:
    going_on = SearchPhoto.objects.filter(photo=OuterRef("pk"), search__state__in=Search.UNFINISHED)
    for photo in list(rows.filter(~Exists(going_on)).order_by("created_at")):
        size = storage.size_of(storage.photo_directory(photo.uuid))
        Search.objects.filter(photos__photo=photo).delete()
        photos.delete_photo(photo)
        yield size


def _copies() -> Iterator[int]:
    """Of what the bucket holds, the oldest first; not of the index that serves."""
    active = ActiveGeneration.objects.select_related("generation").first()
    serving = indexing.copies(active.generation) if active else []
    found = [
        *storage.assets_root().glob("??/*"),
        *storage.index_root().iterdir(),
        *storage.uploads_root().iterdir(),
    ]
    aged = sorted(
        (folder.stat().st_mtime, folder) for folder in found if folder.is_dir() and folder not in serving
    )
    before = (timezone.now() - YOUNG).timestamp()
    for touched, folder in aged:
        if touched < before and media.is_copy(folder):
            yield _removed(folder)


_FORCED = "photos within their days"
_STEPS: tuple[tuple[str, Step], ...] = (
    ("folders of pictures that are drawn again", _cached_views),
    ("sources replaced by a later import", _old_sources),
    ("index generations", _old_generations),
    ("models that nothing uses", _unused_models),
    ("photos past their days", _past_photos),
    ("models that nothing uses", _unused_models),
    (_FORCED, _young_photos),
    ("models that nothing uses", _unused_models),
)
_CACHE_STEPS: tuple[tuple[str, Step], ...] = (_STEPS[0], ("copies of what the bucket keeps", _copies))
