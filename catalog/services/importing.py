"""Imports: every file of a source becomes a product or a named failure; nothing twice.

A run that is interrupted is taken up where it stood: files that have their item are not read again.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from PIL import Image

from catalog import engine, jobs, storage
from catalog.errors import BadSource, Busy, ShapelensError
from catalog.models import Asset, Catalog, ImportItem, ImportRun, Product
from catalog.services import indexing, leases, onboarding

if TYPE_CHECKING:
    from ml.types import Frame, ModelFile

__all__ = [
    "ImportOptions",
    "cancel_import",
    "price_of",
    "request_import",
    "run_import",
    "source_stamp",
    "stock_of",
]

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
MAX_ATTEMPTS = 3
ICON_SIDE = 512
PICTURES = 60  # looked at for the front: 6,480 views to embed, some ten seconds
LEAST_PICTURES = 5
FRONTS = ("+z", "+x", "-z", "-x")  # by azimuth, in quarter turns
NOTED = 1000  # warnings and leftovers kept of a run

State = ImportRun.State
Outcome = ImportItem.Outcome
Progress = Callable[[ImportRun, ImportItem | None], None]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a source leaves open; '' keeps what it says. Axes as in ImportRun."""

    unit: str = ""
    up: str = ""
    front: str = ""
    excluded_categories: tuple[str, ...] = ()
    is_indexed_after: bool = False


def request_import(source: Path, *, name: str = "", options: ImportOptions | None = None) -> ImportRun:
    """A waiting run. Raises BadSource where nothing is at that path."""
    chosen = options or ImportOptions()
    path = source.expanduser().resolve()
    if not path.exists():
        raise BadSource(f"there is no file or folder {path}; give the path of a catalog on this machine")
    with transaction.atomic():
        catalog, _ = Catalog.objects.get_or_create(name=name or path.stem or "catalog")
        catalog.source = str(path)
        catalog.save(update_fields=["source"])
        return ImportRun.objects.create(
            catalog=catalog,
            source=str(path),
            unit=chosen.unit,
            up=chosen.up,
            front=chosen.front,
            excluded_categories=list(chosen.excluded_categories),
            builds_index=chosen.is_indexed_after,
            stamp=source_stamp(path),
            enqueued_at=timezone.now(),
        )


def source_stamp(path: Path) -> str:
    """Changes when a file of the source does; read from names, sizes and times alone."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    lines = []
    for file in files:
        if file.is_file():
            stat = file.stat()
            lines.append(f"{file.relative_to(path.parent)}\t{stat.st_size}\t{stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def cancel_import(run: ImportRun) -> None:
    """Whoever works on it stops at its next file."""
    ImportRun.objects.filter(pk=run.pk, state__in=[State.QUEUED, State.RUNNING]).update(
        state=State.CANCELLED, lease_owner="", lease_until=None, finished_at=timezone.now()
    )


def run_import(run_id: int, *, on_progress: Progress | None = None, is_waiting_refused: bool = False) -> None:
    """Do the run, unless it is done, held by another process, or another import runs.

    is_waiting_refused: raise Busy where another import runs, instead of leaving this one waiting.
    """
    try:
        lease = _claim(run_id)
    except Busy:
        if is_waiting_refused:
            raise
        return
    if lease is None:
        return
    with leases.holding(lease):
        run = ImportRun.objects.select_related("catalog").get(pk=run_id)
        try:
            _Importer(run, lease, on_progress or _silent).run()
        except leases.LeaseLost:
            log.info("import %s was cancelled or taken over", run_id)
        except ShapelensError as error:
            _end(lease, State.FAILED, str(error))
        except KeyboardInterrupt:
            _end(lease, State.CANCELLED, "stopped by hand")
            raise
        except Exception:
            log.exception("import %s failed", run_id)
            _end(lease, State.FAILED, "an unexpected error ended the import; the log has it. Try it again.")
            raise
        else:
            _end(lease, State.DONE, "")
            if run.builds_index:
                indexing.request_build(is_enqueued=True)
        finally:
            storage.remove_tree(storage.import_directory(run_id))
    _enqueue_next()


def _silent(run: ImportRun, item: ImportItem | None) -> None:
    """Progress nobody asked for."""


def _claim(run_id: int) -> leases.Lease | None:
    """Raises Busy where another import runs."""
    running = ImportRun.objects.filter(state=State.RUNNING)
    for pk in leases.abandoned(running):
        running.filter(pk=pk).update(state=State.QUEUED, lease_owner="", lease_until=None)
    waiting = ImportRun.objects.filter(state__in=[State.QUEUED, State.RUNNING], attempts__lt=MAX_ATTEMPTS)
    try:
        with transaction.atomic():
            return leases.claim(waiting, run_id, LEASE_SECONDS, state=State.RUNNING)
    except IntegrityError:
        other = running.exclude(pk=run_id).select_related("catalog").first()
        name = other.catalog.name if other else "a catalog"
        raise Busy(f"another import ({name}) is running; wait for it to end, then try again") from None


def _end(lease: leases.Lease, state: str, error: str) -> None:
    try:
        lease.write(state=state, error=error, finished_at=timezone.now())
    except leases.LeaseLost:
        log.info("import %s ended after it was cancelled", lease.pk)


def _enqueue_next() -> None:
    """Imports wait for each other; the oldest that nobody runs goes on. A fresh one is being begun."""
    since = timezone.now() - timedelta(seconds=5)
    following = ImportRun.objects.filter(state=State.QUEUED, enqueued_at__lt=since).order_by("pk").first()
    if following:
        jobs.run_import(following)


@dataclass
class _Importer:
    """One run: plan what each file needs, read and render what is new, save products."""

    run_row: ImportRun
    lease: leases.Lease
    tell: Progress
    finished_keys: set[str] = field(default_factory=set)

    def run(self) -> None:
        row = self.run_row
        self.finished_keys = set(row.items.values_list("key", flat=True))
        source = engine.open_source(Path(row.source), workdir=storage.import_directory(row.pk))
        models = list(self._named_once(source.models))
        row.total = len(source.models) + len(source.failures)
        row.processed = len(self.finished_keys)
        row.warnings = list(source.warnings)[:NOTED]
        row.left_over = [{"path": one.path, "reason": one.reason} for one in source.ignored[:NOTED]]
        self.lease.write(
            total=row.total, processed=row.processed, warnings=row.warnings, left_over=row.left_over
        )
        self.tell(row, None)
        for failure in source.failures:
            self._item(failure.key, failure.name, Outcome.FAILED, code=failure.code, reason=failure.reason)
        waiting = self._link_known(models)
        self._onboard_new(waiting)
        self._propose_front()

    def _propose_front(self) -> None:
        """Say it where the pictures of what came in show another side than the models' front."""
        row = self.run_row
        arrived = row.items.filter(outcome__in=[Outcome.IMPORTED, Outcome.UPDATED], product__has_icon=True)
        products = Product.objects.filter(pk__in=arrived.values("product")).select_related("asset")
        items = [
            (storage.product_icon(product.pk), storage.asset_directory(product.asset.hash))
            for product in products.order_by("pk")[:PICTURES]
            if product.asset is not None
        ]
        if len(items) < LEAST_PICTURES:
            return
        found = engine.propose_front(items)
        if found.quarter:
            axis = FRONTS[(FRONTS.index(row.front or FRONTS[0]) + found.quarter) % 4]
            row.warnings = [
                f"{found.votes[found.quarter]} of {sum(found.votes)} pictures that tell show the models' {axis} "
                f"side: import again with --front {axis} if their front is wrong",
                *row.warnings,
            ]
            self.lease.write(warnings=row.warnings)

    def _named_once(self, models: tuple[ModelFile, ...]) -> Iterator[ModelFile]:
        """Two models of one key can't both be a product; the second is a named failure."""
        seen: set[str] = set()
        for index, model in enumerate(models):
            if model.key in seen:
                reason = f"another model of this source has the id {model.key!r}; give each its own"
                key = f"{model.key} ({index + 1})"
                self._item(key, model.name, Outcome.FAILED, code="same_id", reason=reason)
            else:
                seen.add(model.key)
                yield model

    def _link_known(self, models: list[ModelFile]) -> dict[str, list[tuple[ModelFile, Frame, Asset]]]:
        """Save the products whose model is ready; the rest, by asset hash."""
        row = self.run_row
        waiting: dict[str, list[tuple[ModelFile, Frame, Asset]]] = defaultdict(list)
        excluded = {category.casefold() for category in row.excluded_categories}
        for model in models:
            if model.key in self.finished_keys:
                continue
            if model.category.casefold() in excluded:
                reason = f"category {model.category} is left out of this import"
                self._item(model.key, model.name, Outcome.IGNORED, code="excluded", reason=reason)
                continue
            frame = engine.frame(model, unit=row.unit, up=row.up, front=row.front)
            try:
                asset = onboarding.asset_for(model, frame)
            except ShapelensError as error:
                self._fail(model, error)
                continue
            if onboarding.is_usable(asset):
                self._save(model, asset)
            else:
                waiting[asset.hash].append((model, frame, asset))
        return waiting

    def _onboard_new(self, waiting: dict[str, list[tuple[ModelFile, Frame, Asset]]]) -> None:
        def finish(asset: Asset, error: Exception | None) -> None:
            for model, _, _ in waiting[asset.hash]:
                if error is None:
                    self._save(model, asset)
                else:
                    self._fail(model, error)

        pending = [(asset, model, frame) for ((model, frame, asset), *_) in waiting.values()]
        onboarding.onboard(pending, finish)

    def _save(self, model: ModelFile, asset: Asset) -> None:
        with transaction.atomic():
            product, outcome = _save_product(self.run_row.catalog, model, asset)
            self._item(
                model.key, model.name, outcome, product=product, warnings=list(asset.warnings), is_told=False
            )
        if model.icon and (outcome != Outcome.UNCHANGED or not product.has_icon):
            _keep_icon(product, model.icon)
        self.tell(self.run_row, self.run_row.items.get(key=model.key[:500]))

    def _fail(self, model: ModelFile, error: Exception) -> None:
        code = getattr(error, "code", "error")
        self._item(
            model.key, model.name, Outcome.FAILED, code=code, reason=str(error) or type(error).__name__
        )

    def _item(self, key: str, name: str, outcome: str, *, is_told: bool = True, **values: Any) -> None:
        """What became of a file; the run must still be ours."""
        if key in self.finished_keys:
            return
        row = self.run_row
        with transaction.atomic():
            row.processed += 1
            self.lease.write(processed=row.processed)
            item = ImportItem.objects.create(
                run=row, key=key[:500], name=name[:300], outcome=outcome, **values
            )
        self.finished_keys.add(key)
        if is_told:
            self.tell(row, item)


def _save_product(catalog: Catalog, model: ModelFile, asset: Asset) -> tuple[Product, str]:
    """Create or update the product of this key; its id stays."""
    width, height, depth = asset.extents
    values: dict[str, Any] = {
        "asset_id": asset.pk,
        "name": (model.name or model.key)[:300],
        "sku": model.sku[:120],
        "category": model.category[:200],
        "tags": list(model.tags),
        "description": model.description,
        "width_m": width,
        "height_m": height,
        "depth_m": depth,
        "price": price_of(model.price),
        "currency": model.currency[:3].upper(),
        "stock": stock_of(model.stock),
        "link": model.link[:1000],
        "creator": model.creator[:300],
        "license": model.license[:300],
    }
    product = Product.objects.filter(catalog=catalog, key=model.key[:500]).first()
    if product is None:
        return Product.objects.create(catalog=catalog, key=model.key[:500], **values), Outcome.IMPORTED
    changed = [name for name, value in values.items() if getattr(product, name) != value]
    if not changed:
        return product, Outcome.UNCHANGED
    for name in changed:
        setattr(product, name, values[name])
    product.save()
    return product, Outcome.UPDATED


def price_of(text: str) -> Decimal | None:
    """None where the source gives none, or nothing that is a price."""
    try:
        price = Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None
    return price.quantize(Decimal("0.01")) if price.is_finite() and 0 <= price < 10**10 else None


def stock_of(text: str) -> int | None:
    """None where the source gives none, or nothing that is a number of pieces."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _keep_icon(product: Product, icon: Path) -> None:
    """The picture the product came with, decoded and written anew. A bad one is left out."""
    try:
        with Image.open(icon) as image:
            image.thumbnail((ICON_SIDE, ICON_SIDE))
            image.convert("RGBA").save(path := storage.product_icon(product.pk), "PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        log.warning("the icon of product %s can't be read: %s", product.pk, error)
        return
    log.debug("kept %s", path)
    Product.objects.filter(pk=product.pk).update(has_icon=True)
