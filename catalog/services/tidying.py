"""Files nobody needs any more: photos past their days, retired generations, leftovers of a crash."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from catalog import bucket, media, storage
from catalog.errors import GenerationCorrupt, IndexUnreachable, MediaDown, NoIndex
from catalog.models import Asset, Catalog, Feed, ImportRun, IndexGeneration, Photo, Product, Search
from catalog.services import collecting, indexing, photos

__all__ = ["SWEPT", "tidy", "tidy_here"]

log = logging.getLogger(__name__)

YOUNG_SECONDS = 3600.0  # a folder without a row may be one whose row is being written
UPLOAD_SECONDS = 2 * 24 * 3600.0  # an upload that broke off may be gone on with that long
FEEDS = 50  # price tables kept of a catalog, to be undone
SWEPT = "shapelens-bucket-swept"
SWEEP_SECONDS = 24 * 3600.0  # between two listings of the whole bucket
MOST_SWEPT = 100  # and half of what there is: more without a row is rather the wrong database
BATCH = 200  # photos deleted a call: an hour's call must not hold a worker for an hour


def tidy() -> int:
    """How many photos, generations and folders were removed."""
    return _old_photos() + _old_feeds() + _sweep_bucket() + tidy_here()


def tidy_here() -> int:
    """What concerns this machine's disk alone; where machines share none, each has to."""
    try:
        _check_index()
        return _orphans() + _abandoned_uploads() + collecting.collect()
    except MediaDown:
        log.warning("not all was tidied: the media bucket does not answer")
        return 0


def _check_index() -> None:
    """Disks lie: what serves is read again, byte by byte."""
    try:
        active = indexing.active_generation()
        for folder in indexing.copies(active):
            indexing.verify(folder)
    except NoIndex:
        return
    except GenerationCorrupt as error:
        indexing.step_back(active, str(error))
    except IndexUnreachable as error:
        log.error("the index can't be checked: %s", error)


def _old_photos() -> int:
    if settings.SHAPELENS_PHOTO_DAYS <= 0:
        return 0
    before = timezone.now() - timedelta(days=settings.SHAPELENS_PHOTO_DAYS)
    removed = 0
    still_used = Search.objects.filter(created_at__gte=before).values("photos__photo")
    old = Photo.objects.filter(created_at__lt=before).exclude(pk__in=still_used)
    for photo in old.order_by("pk")[:BATCH]:
        Search.objects.filter(photos__photo=photo).delete()
        photos.delete_photo(photo)
        removed += 1
    return removed


def _old_feeds() -> int:
    """Tables that were looked at and never applied, and of each catalog all but the newest, which can be undone.
    What they have changed stays in the log of changes."""
    before = timezone.now() - timedelta(seconds=UPLOAD_SECONDS)
    removed, _ = Feed.objects.filter(state=Feed.State.FOUND, created_at__lt=before).delete()
    for catalog in Catalog.objects.all():
        newest = catalog.feeds.order_by("-pk").values_list("pk", flat=True)[:FEEDS]
        removed += catalog.feeds.exclude(pk__in=list(newest)).delete()[0]
    return removed


def _orphans() -> int:
    """Folders without a row. A row always comes after its folder, so only old folders count."""
    running = ImportRun.objects.filter(state__in=[ImportRun.State.QUEUED, ImportRun.State.RUNNING])
    imports = {str(pk) for pk in running.values_list("pk", flat=True)}
    removed = _remove_unknown(storage.index_root().iterdir(), _known("index"), indexing.remove)
    removed += _remove_unknown(storage.imports_root().iterdir(), imports)
    removed += _remove_unknown(storage.photos_root().glob("??/*"), _known("photos"))
    return removed + _remove_unknown(storage.assets_root().glob("??/*"), _known("assets"))


def _known(root: str) -> set[str]:
    """Names below a folder of SHAPELENS_DATA that rows speak of."""
    match root:
        case "index":
            gone = [IndexGeneration.Status.RETIRED, IndexGeneration.Status.FAILED]
            kept = IndexGeneration.objects.exclude(status__in=gone)
            added = kept.values_list("additions", flat=True)
            own = {str(pk) for pk in kept.values_list("pk", flat=True)}
            return own | {Path(path).name for paths in added for path in paths}
        case "photos":
            return {uuid.hex for uuid in Photo.objects.values_list("uuid", flat=True)}
        case "assets":
            return set(Asset.objects.values_list("hash", flat=True))
        case "icons":
            return {f"{pk}.png" for pk in Product.objects.values_list("pk", flat=True)}
        case "uploads":
            return {Path(source).parent.name for source in ImportRun.objects.values_list("source", flat=True)}
    raise ValueError(f"{root} is no folder that rows speak of")


def _sweep_bucket() -> int:
    """What no row speaks of there: left by an upload that broke off, or a delete that didn't reach it."""
    if not bucket.is_configured() or not cache.add(SWEPT, True, SWEEP_SECONDS):
        return 0
    try:
        return sum(_sweep(root) for root in media.KEPT if root != "adapters")  # no row speaks of those
    except MediaDown:
        cache.delete(SWEPT)
        return 0


def _sweep(root: str) -> int:
    keys: dict[str, list[str]] = defaultdict(list)
    newest: dict[str, datetime] = {}
    for row in bucket.entries(root):
        parts = row.key.split("/")
        name = parts[2] if root in {"assets", "photos"} else parts[1]
        keys[name].append(row.key)
        newest[name] = max(row.modified, newest.get(name, row.modified))
    known = _known(root)  # asked after the listing: what came meanwhile is not in it
    before = timezone.now() - timedelta(seconds=YOUNG_SECONDS)
    orphans = [name for name in keys if name not in known and newest[name] < before]
    if len(orphans) > max(MOST_SWEPT, len(keys) / 2):
        log.error(
            "%s of %s in %s/ of the bucket have no row; is it another shop's?", len(orphans), len(keys), root
        )
        return 0
    for name in orphans:
        log.info("removing %s/…/%s from the bucket: nothing refers to it", root, name)
        bucket.delete(keys[name])
    return len(orphans)


def _abandoned_uploads() -> int:
    """Catalogs that were sent, wholly or in part, and never imported. A source is kept: it is read again for
    corrections."""
    used = _known("uploads")
    removed = 0
    for folder in storage.uploads_root().iterdir():
        if folder.name in used or not folder.is_dir():
            continue
        touched = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        if time.time() - touched > UPLOAD_SECONDS:
            log.info("removing the upload %s: it was never imported", folder.name)
            storage.remove_tree(folder)
            removed += 1
    return removed


def _remove_unknown(
    folders: Iterable[Path], known: set[str], remove: Callable[[Path], None] = storage.remove_tree
) -> int:
    removed = 0
    for folder in folders:
        if folder.name in known or not folder.is_dir():
            continue
        try:
            is_young = time.time() - folder.stat().st_mtime < YOUNG_SECONDS
        except FileNotFoundError:
            continue
        if not is_young:
            log.info("removing %s: nothing refers to it", folder)
            try:
                remove(folder)
            except IndexUnreachable as error:
                log.warning("%s stays until the next time: %s", folder, error)
            else:
                removed += 1
    return removed
