"""Index generations: built beside the one that serves, verified, activated by one row."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog import bucket, engine, jobs, media, storage
from catalog.errors import Busy, GenerationCorrupt, MediaDown, NoIndex, NotPossible, ShapelensError
from catalog.models import ActiveGeneration, Asset, Catalog, IndexGeneration, Product
from catalog.services import leases

if TYPE_CHECKING:
    from ml.pipelines.indexing import GenerationEntry
    from ml.search.manifest import Manifest

__all__ = [
    "IndexReport",
    "activate",
    "active_generation",
    "add_ready",
    "assets_to_index",
    "check",
    "copies",
    "folder",
    "folders",
    "generation_before",
    "remove",
    "request_build",
    "rollback",
    "run_build",
    "step_back",
    "verify",
]

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
MAX_ATTEMPTS = 3
PROGRESS_SECONDS = 0.5  # between two writes of the progress
MOST_ADDED = 200  # models: as many as are described and written within seconds

Status = IndexGeneration.Status
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a check found. waiting: models that are ready and not in the active generation."""

    generation: IndexGeneration
    manifest: Manifest
    waiting: int
    withdrawn: int


def folder(generation: IndexGeneration) -> Path:
    """On this disk. Raises MediaDown, GenerationCorrupt where it has to be fetched and can't be."""
    return _fetched(generation.path)


def folders(generation: IndexGeneration) -> list[Path]:
    """Its own, then those of what was added to it since; raises as `folder` does."""
    return [_fetched(path) for path in (generation.path, *generation.additions)]


def copies(generation: IndexGeneration) -> list[Path]:
    """Its folders that should be on this disk: all of them, or where a bucket keeps them those used here."""
    paths = [media.data_path(path) for path in (generation.path, *generation.additions)]
    return [path for path in paths if path.exists() or not bucket.is_configured()]


def verify(path: Path) -> Manifest:
    """Read every byte of a folder; a damaged copy of a sound one is fetched anew.

    Raises GenerationCorrupt, GenerationMismatch, MediaDown.
    """
    try:
        return engine.verify_generation(path)
    except GenerationCorrupt as error:
        if not bucket.is_configured() or not bucket.exists(media.key_of(path / media.MARKER)):
            raise
        log.warning("%s is fetched again: %s", path, error)
        storage.remove_tree(path)
        return engine.verify_generation(_fetched(media.key_of(path)))


def _fetched(path: str) -> Path:
    return media.fetch_folder(media.data_path(path), engine.check_files)


def active_generation() -> IndexGeneration:
    """Raises NoIndex where none was ever activated."""
    row = ActiveGeneration.objects.select_related("generation").first()
    if row is None:
        raise NoIndex("there is nothing to search yet: import a catalog, then run manage.py build_index")
    return row.generation


def assets_to_index(catalog: Catalog | None) -> QuerySet[Asset]:
    """Ready models of products that are not withdrawn."""
    products = Product.objects.filter(is_withdrawn=False, asset__isnull=False)
    if catalog is not None:
        products = products.filter(catalog=catalog)
    return Asset.objects.filter(status=Asset.Status.READY, pk__in=products.values("asset")).order_by("pk")


# ---- building ---------------------------------------------------------------------------


def request_build(
    *, catalog: Catalog | None = None, is_activated: bool = True, is_enqueued: bool = False
) -> IndexGeneration:
    """A waiting generation; one that already waits for the same products is taken instead."""
    with transaction.atomic():
        waiting = IndexGeneration.objects.filter(
            status=Status.QUEUED, catalog=catalog, is_activated_when_ready=is_activated
        ).first()
        generation = waiting or IndexGeneration.objects.create(
            catalog=catalog, is_activated_when_ready=is_activated, enqueued_at=timezone.now()
        )
        if is_enqueued:
            jobs.run_build(generation)
    return generation


def run_build(
    generation_id: int, *, progress: Progress | None = None, is_waiting_refused: bool = False
) -> None:
    """Build it, unless it is built, held by another process, or another build runs.

    is_waiting_refused: raise what goes wrong (Busy, or the build's own error) to the caller as well.
    """
    try:
        lease = _claim(generation_id)
    except Busy:
        if is_waiting_refused:
            IndexGeneration.objects.filter(pk=generation_id, status=Status.QUEUED).delete()
            raise
        return
    if lease is None:
        return
    with leases.holding(lease):
        try:
            _build(IndexGeneration.objects.get(pk=generation_id), lease, progress)
        except leases.LeaseLost:
            log.warning("index build %s was taken over", generation_id)
            return
        except MediaDown:
            leases.excuse(lease)
            log.warning("index build %s lost the media bucket; it is built anew", generation_id)
            raise
        except ShapelensError as error:
            _fail(lease, str(error))
            if is_waiting_refused:
                raise
        except leases.DATABASE_GONE:
            log.warning("index build %s lost the database; it is built anew", generation_id)
            raise
        except OSError as error:
            log.exception("index build %s failed", generation_id)
            full = error.errno in storage.FULL
            _fail(lease, f"{storage.NO_ROOM if full else error}; the index before goes on. Then build again.")
            if is_waiting_refused:
                raise NotPossible(storage.NO_ROOM if full else str(error)) from error
        except BaseException as error:
            _fail(lease, f"the build was ended by {type(error).__name__}; the log has it. Build again.")
            raise
    _retire_old()
    _enqueue_next()


def _claim(generation_id: int) -> leases.Lease | None:
    building = IndexGeneration.objects.filter(status=Status.BUILDING)
    for pk in leases.abandoned(building):
        building.filter(pk=pk).update(status=Status.QUEUED, lease_owner="", lease_until=None)
    rows = IndexGeneration.objects.filter(
        status__in=[Status.QUEUED, Status.BUILDING], attempts__lt=MAX_ATTEMPTS
    )
    try:
        with transaction.atomic():
            return leases.claim(rows, generation_id, LEASE_SECONDS, status=Status.BUILDING)
    except IntegrityError:
        other = building.exclude(pk=generation_id).first()
        since = f" since {other.created_at:%H:%M} UTC" if other else ""
        raise Busy(f"another index build runs{since}; wait for it to end, then build again") from None


def _build(generation: IndexGeneration, lease: leases.Lease, progress: Progress | None) -> None:
    assets = list(assets_to_index(generation.catalog))
    _refuse_other_renderer(assets)
    out = storage.generation_directory(generation.pk)
    remove(out)  # what an attempt that was killed had put there
    manifest = engine.build_generation(
        _entries(assets), out, adapter=_adapter(), progress=_Teller(lease, progress)
    )
    media.keep(out)
    content = json.loads(json.dumps(dataclasses.asdict(manifest)))
    if generation.is_activated_when_ready:
        engine.serve_index(out)
    with transaction.atomic():
        lease.write(
            status=Status.READY,
            path=str(out.relative_to(settings.SHAPELENS_DATA)),
            embedder=manifest.embedder,
            adapter=manifest.adapter,
            manifest=content,
            model_count=manifest.models,
            view_count=manifest.views,
            stage="",
            error="",
            finished_at=timezone.now(),
        )
        generation.assets.set(assets)
        if generation.is_activated_when_ready:
            _point_at(generation)


def _adapter() -> str:
    kept = storage.adapter_file(engine.embedder_fingerprint())
    if bucket.is_configured():  # another machine may have fitted it anew
        kept.unlink(missing_ok=True)
    return engine.adapter_in(media.fetch(kept))


def add_ready() -> int:
    """Let models that are ready and in no index be found at once, beside the active one; a rebuild folds them in.

    Returns how many. None where nothing serves yet, where another embedder made what does, or where more wait
    than a small generation is for: those wait for the rebuild.
    """
    try:
        generation = active_generation()
    except NoIndex:
        return 0
    served = generation.assets.values("pk")
    ready = assets_to_index(generation.catalog).filter(renderer=engine.renderer_fingerprint())
    waiting = list(ready.exclude(pk__in=served)[: MOST_ADDED + 1])
    if not 0 < len(waiting) <= MOST_ADDED or not engine.is_current(folder(generation)):
        return 0
    out = storage.addition_directory(generation.pk)
    adapter = engine.adapter_of(folder(generation))
    engine.build_generation(_entries(waiting), out, adapter=adapter, progress=_untold, is_small=True)
    media.keep(out)
    with transaction.atomic():
        row = IndexGeneration.objects.select_for_update().get(pk=generation.pk)
        row.additions = [*row.additions, str(out.relative_to(settings.SHAPELENS_DATA))]
        row.save(update_fields=["additions"])
        row.assets.add(*waiting)
    return len(waiting)


def _entries(assets: Sequence[Asset]) -> list[GenerationEntry]:
    """With the views on this disk."""
    directories = [storage.asset_directory(asset.hash) for asset in assets]
    media.fetch_all(folder / name for folder in directories for name in ("views.npz", "views.jpg"))
    return [
        engine.entry(asset.pk, folder, asset.first_view_id)
        for asset, folder in zip(assets, directories, strict=True)
    ]


def _untold(stage: str, done: int, total: int) -> None:
    """A few models take a moment: no progress is shown."""


def _refuse_other_renderer(assets: list[Asset]) -> None:
    renderer = engine.renderer_fingerprint()
    stale = [asset.pk for asset in assets if asset.renderer != renderer]
    if stale:
        sources = (
            Catalog.objects.filter(products__asset__in=stale).distinct().values_list("source", flat=True)
        )
        paths = ", ".join(sorted(filter(None, sources))) or "their sources"
        raise NotPossible(
            f"{len(stale)} models were rendered by an earlier release; run manage.py import_catalog for {paths}"
        )


def _fail(lease: leases.Lease, reason: str) -> None:
    try:
        lease.write(status=Status.FAILED, error=reason, finished_at=timezone.now())
    except leases.LeaseLost:
        log.info("index build %s ended after it was taken over", lease.pk)


def _enqueue_next() -> None:
    since = timezone.now() - timedelta(seconds=5)
    waiting = IndexGeneration.objects.filter(status=Status.QUEUED, enqueued_at__lt=since)
    following = waiting.order_by("pk").first()
    if following:
        jobs.run_build(following)


class _Teller:
    """Progress, passed on and written to the row now and then; ends a build that is no longer ours."""

    def __init__(self, lease: leases.Lease, progress: Progress | None) -> None:
        self.lease, self.progress = lease, progress
        self.written = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(stage, done, total)
        now = time.monotonic()
        if now - self.written >= PROGRESS_SECONDS:
            self.lease.write(stage=stage, done=done, total=total)
            self.written = now


# ---- serving ----------------------------------------------------------------------------


def activate(generation_id: int) -> IndexGeneration:
    """Verify every byte, then let it answer. Raises NotPossible, GenerationCorrupt, GenerationMismatch or
    IndexUnreachable."""
    generation = IndexGeneration.objects.filter(pk=generation_id).first()
    if generation is None or generation.status != Status.READY:
        status = generation.get_status_display() if generation else "unknown"
        raise NotPossible(f"index {generation_id} is {status}; only a ready one can be activated")
    try:
        verify(folder(generation))
    except GenerationCorrupt as error:
        _withdraw(generation, str(error))
        raise
    _drop_damaged_additions(generation)
    engine.serve_index(folder(generation))
    with transaction.atomic():
        if not IndexGeneration.objects.filter(pk=generation_id, status=Status.READY).exists():
            raise NotPossible(f"index {generation_id} was retired meanwhile; choose another")
        _point_at(generation)
    return generation


def step_back(damaged: IndexGeneration, reason: str) -> None:
    """A generation whose files were damaged while it served: the newest sound one answers in its place, and
    one is built anew. Does nothing where the files are sound."""
    _drop_damaged_additions(damaged)
    try:
        verify(folder(damaged))
        return
    except GenerationCorrupt:
        log.error("index %s is damaged: %s", damaged.pk, reason)
    sound = IndexGeneration.objects.filter(status=Status.READY).exclude(pk=damaged.pk).order_by("-pk")
    for generation in sound:
        try:
            activate(generation.pk)
        except ShapelensError as error:
            log.warning("index %s can't stand in: %s", generation.pk, error)
        else:
            _withdraw(damaged, reason)
            log.warning("index %s answers instead of %s", generation.pk, damaged.pk)
            break
    request_build(catalog=damaged.catalog, is_enqueued=True)


def _drop_damaged_additions(generation: IndexGeneration) -> None:
    """What they held is left out until the rebuild that is asked for."""
    sound = []
    for path in generation.additions:
        try:
            verify(_fetched(path))
        except GenerationCorrupt as error:
            log.error("what was added to index %s is damaged: %s", generation.pk, error)
        else:
            sound.append(path)
    if len(sound) < len(generation.additions):
        IndexGeneration.objects.filter(pk=generation.pk).update(additions=sound)
        request_build(catalog=generation.catalog, is_enqueued=True)


def _withdraw(generation: IndexGeneration, reason: str) -> None:
    """Its files are not what was written; it can't be chosen again."""
    rows = IndexGeneration.objects.filter(pk=generation.pk, status=Status.READY)
    if not ActiveGeneration.objects.filter(generation=generation).exists():
        rows.update(status=Status.FAILED, error=reason, finished_at=timezone.now())
    rows.update(activation_asked_at=None)


def rollback() -> IndexGeneration:
    """Back to the newest ready generation older than the active one."""
    return activate(generation_before().pk)


def generation_before() -> IndexGeneration:
    """The newest ready one older than the active one. Raises NoIndex, NotPossible."""
    current = active_generation()
    before = IndexGeneration.objects.filter(status=Status.READY, pk__lt=current.pk).order_by("-pk").first()
    if before is None:
        raise NotPossible(
            f"no generation before index {current.pk} is kept; run manage.py build_index instead"
        )
    return before


def check() -> IndexReport:
    """Verify what is being served. Raises NoIndex, GenerationCorrupt, GenerationMismatch or IndexUnreachable."""
    generation = active_generation()
    manifest, *_ = [verify(path) for path in folders(generation)]
    indexed = set(generation.assets.values_list("pk", flat=True))
    wanted = set(assets_to_index(generation.catalog).values_list("pk", flat=True))
    return IndexReport(generation, manifest, waiting=len(wanted - indexed), withdrawn=len(indexed - wanted))


def _point_at(generation: IndexGeneration) -> None:
    IndexGeneration.objects.filter(pk=generation.pk).update(activation_asked_at=None)
    values: dict[str, Any] = {"generation": generation, "changed_at": timezone.now()}
    ActiveGeneration.objects.update_or_create(pk=ActiveGeneration.ONLY, defaults=values)


def remove(path: Path) -> None:
    """Delete a generation's folder, and first what of it lies in a server. Raises IndexUnreachable, MediaDown."""
    engine.drop_index(path)
    media.delete(path)


def _retire_old() -> None:
    """Keep the last ready generations and the active one; the files of others go when tidied."""
    ready = IndexGeneration.objects.filter(status=Status.READY).order_by("-pk")
    kept = set(ready.values_list("pk", flat=True)[: settings.SHAPELENS_KEPT_GENERATIONS])
    kept |= set(ActiveGeneration.objects.values_list("generation", flat=True))
    ready.exclude(pk__in=kept).order_by().update(status=Status.RETIRED, finished_at=timezone.now())
