"""Imports: every file of a source becomes a product or a named failure; nothing twice.

A run that is interrupted is taken up where it stood: files that have their item are not read again.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from PIL import Image

from catalog import engine, jobs, media, storage
from catalog.errors import BadSource, Busy, MediaDown, NotPossible, ShapelensError
from catalog.models import Asset, Catalog, Correction, ImportItem, ImportRun, Product
from catalog.services import indexing, leases, onboarding, withdrawing

if TYPE_CHECKING:
    from ml.types import Frame, ModelFile

__all__ = [
    "Corrected",
    "ImportOptions",
    "cancel_import",
    "confirm_import",
    "correct_found",
    "correct_products",
    "draw_again",
    "link_of",
    "pause_import",
    "price_of",
    "request_import",
    "resume_import",
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
_WEB = URLValidator(schemes=["http", "https"])

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
    is_preview: bool = False
    withdraws_missing: bool = False
    only_keys: tuple[str, ...] = ()


def request_import(source: Path, *, name: str = "", options: ImportOptions | None = None) -> ImportRun:
    """A waiting run. Raises BadSource where nothing is at that path."""
    chosen = options or ImportOptions()
    path = source.expanduser().resolve()
    if not media.exists(path):
        raise BadSource(f"there is no file or folder {path}; give the path of a catalog on this machine")
    with transaction.atomic():
        catalog, _ = Catalog.objects.get_or_create(name=name or path.stem or "catalog")
        if not chosen.is_preview:
            _keep_source(catalog, media.name_of(path))
        return ImportRun.objects.create(
            catalog=catalog,
            source=media.name_of(path),
            unit=chosen.unit,
            up=chosen.up,
            front=chosen.front,
            excluded_categories=list(chosen.excluded_categories),
            builds_index=chosen.is_indexed_after,
            is_preview=chosen.is_preview,
            withdraws_missing=chosen.withdraws_missing,
            only_keys=list(chosen.only_keys),
            stamp=source_stamp(path),
            enqueued_at=timezone.now(),
        )


def _keep_source(catalog: Catalog, name: str) -> None:
    catalog.source = name
    catalog.save(update_fields=["source"])


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
    """Whoever works on it stops at its next file; what came in stays."""
    unfinished = [State.QUEUED, State.RUNNING, State.PAUSED, State.FOUND]
    _stop(run, unfinished, state=State.CANCELLED, finished_at=timezone.now())


def pause_import(run: ImportRun) -> bool:
    """Whoever works on it stops at its next file. False where it has ended."""
    return _stop(run, [State.QUEUED, State.RUNNING], state=State.PAUSED)


def resume_import(run: ImportRun) -> bool:
    """Go on at the file where it stopped: paused, failed or cancelled. False where it goes on already."""
    stopped = [State.PAUSED, State.FAILED, State.CANCELLED]
    return _restart(run, stopped)


def confirm_import(run: ImportRun) -> bool:
    """Import what was looked at. Models are read and rendered already, so this takes moments."""
    with transaction.atomic():
        if not _restart(run, [State.FOUND], is_preview=False, processed=0):
            return False
        run.items.all().delete()
        _keep_source(run.catalog, run.source)
    return True


def _stop(run: ImportRun, states: list[str], **values: Any) -> bool:
    return bool(
        ImportRun.objects.filter(pk=run.pk, state__in=states).update(
            lease_owner="", lease_until=None, **values
        )
    )


def _restart(run: ImportRun, states: list[str], **values: Any) -> bool:
    with transaction.atomic():
        again = {"state": State.QUEUED, "attempts": 0, "error": "", "finished_at": None}
        if not _stop(run, states, **again, **values):
            return False
        run.refresh_from_db()
        jobs.run_import(run)
    return True


# ---- corrections ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Corrected:
    """What an admin says over the source; '' leaves it as it is. Axes as in ImportRun."""

    unit: str = ""
    up: str = ""
    front: str = ""
    category: str = ""

    @property
    def is_geometry(self) -> bool:
        return bool(self.unit or self.up or self.front)

    def values(self) -> dict[str, str]:
        named = {"unit": self.unit, "up": self.up, "front": self.front, "category": self.category}
        return {name: value for name, value in named.items() if value}


def correct_found(run: ImportRun, keys: Sequence[str], corrected: Corrected) -> None:
    """Of models that were looked at: they are read and rendered again. Raises NotPossible."""
    if not corrected.values():
        raise NotPossible("choose a unit, an axis or a category to correct")
    with transaction.atomic():
        if not _restart(run, [State.FOUND]):
            raise NotPossible("this import can't be corrected now; it is running, or was imported already")
        _keep_corrections(run.catalog, keys, corrected)
        run.items.filter(key__in=keys, outcome__in=[Outcome.FOUND, Outcome.FAILED]).delete()
        ImportRun.objects.filter(pk=run.pk).update(processed=run.items.count())


def correct_products(products: QuerySet[Product], corrected: Corrected) -> list[ImportRun]:
    """Of products, from the source that was kept: models are read again, rendered, and the index rebuilt. Ids
    stay. Raises NotPossible where nothing is said, BadSource where a source is gone."""
    if not corrected.values():
        raise NotPossible("choose a unit, an axis or a category to correct")
    by_catalog: dict[Catalog, list[Product]] = defaultdict(list)
    for product in products.select_related("catalog"):
        by_catalog[product.catalog].append(product)
    runs = []
    with transaction.atomic():
        for catalog, rows in by_catalog.items():
            keys = [product.key for product in rows]
            _keep_corrections(catalog, keys, corrected)
            if corrected.category:
                for product in rows:
                    product.category = corrected.category
                    product.save(update_fields=["category", "updated_at"])
            if corrected.is_geometry:
                runs.append(_read_again(catalog, keys))
    return runs


def draw_again(products: QuerySet[Product]) -> list[ImportRun]:
    """Read and render them anew, from the source that was kept; they are left out of the shop's pages until that is done.
    Ids stay, and the index is rebuilt. Raises BadSource where a source is gone."""
    by_catalog: dict[Catalog, list[str]] = defaultdict(list)
    for product in products.select_related("catalog"):
        by_catalog[product.catalog].append(product.key)
    with transaction.atomic():
        runs = [_read_again(catalog, keys) for catalog, keys in by_catalog.items()]
        Asset.objects.filter(products__in=products).update(status=Asset.Status.PENDING)
    return runs


def _read_again(catalog: Catalog, keys: list[str]) -> ImportRun:
    last = catalog.imports.filter(state=State.DONE, only_keys=[]).order_by("-pk").first()
    if not catalog.source or last is None:
        raise BadSource(f"where {catalog} came from is not known; import it again")
    options = ImportOptions(
        unit=last.unit,
        up=last.up,
        front=last.front,
        excluded_categories=tuple(last.excluded_categories),
        is_indexed_after=True,
        only_keys=tuple(keys),
    )
    run = request_import(media.data_path(catalog.source), name=catalog.name, options=options)
    jobs.run_import(run)
    return run


def _keep_corrections(catalog: Catalog, keys: Sequence[str], corrected: Corrected) -> None:
    for key in keys:
        Correction.objects.update_or_create(catalog=catalog, key=key, defaults=corrected.values())


# ---- running ----------------------------------------------------------------------------


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
        except MediaDown:
            leases.excuse(lease)
            log.warning("import %s lost the media bucket; it goes on where it stood", run_id)
            raise
        except ShapelensError as error:
            _end(lease, State.FAILED, str(error))
        except KeyboardInterrupt:
            _end(lease, State.CANCELLED, "stopped by hand")
            raise
        except leases.DATABASE_GONE:
            log.warning("import %s lost the database; it goes on where it stood", run_id)
            raise
        except Exception:
            log.exception("import %s failed", run_id)
            _end(lease, State.FAILED, "an unexpected error ended the import; the log has it. Try it again.")
            raise
        else:
            _end(lease, State.FOUND if run.is_preview else State.DONE, "")
            if run.builds_index and not run.is_preview:
                _let_be_found(run)
        finally:
            storage.remove_tree(storage.import_directory(run_id))
    _enqueue_next()


def _let_be_found(run: ImportRun) -> None:
    """At once where they are few, and by a rebuild; the first is a favor, and its failure costs only the wait."""
    try:
        indexing.add_ready()
    except (ShapelensError, OSError) as error:
        log.warning("what import %s brought is found after the rebuild: %s", run.pk, error)
    indexing.request_build(is_enqueued=True)


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
            return leases.claim(
                waiting,
                run_id,
                LEASE_SECONDS,
                state=State.RUNNING,
                started_at=timezone.now(),
                started_from=F("processed"),
            )
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
    corrections: dict[str, Correction] = field(default_factory=dict)

    def run(self) -> None:
        row = self.run_row
        self.finished_keys = set(row.items.values_list("key", flat=True))
        path = media.fetch(media.data_path(row.source))
        source = engine.open_source(path, workdir=storage.import_directory(row.pk))
        self.corrections = {one.key: one for one in row.catalog.corrections.all()}
        models = [self._corrected(model) for model in self._named_once(source.models)]
        failures = list(source.failures)
        present = {model.key for model in models} | {failure.key for failure in failures}
        if row.only_keys:
            models = [model for model in models if model.key in row.only_keys]
            failures = [failure for failure in failures if failure.key in row.only_keys]
        row.total = len(row.only_keys) or len(source.models) + len(source.failures)
        row.processed = len(self.finished_keys)
        row.warnings = list(source.warnings)[:NOTED]
        row.left_over = [{"path": one.path, "reason": one.reason} for one in source.ignored[:NOTED]]
        self.lease.write(
            total=row.total, processed=row.processed, warnings=row.warnings, left_over=row.left_over
        )
        self.tell(row, None)
        for failure in failures:
            self._item(failure.key, failure.name, Outcome.FAILED, code=failure.code, reason=failure.reason)
        waiting = self._link_known(models)
        self._onboard_new(waiting)
        self._propose_front()
        self._account_for_missing(present)

    def _corrected(self, model: ModelFile) -> ModelFile:
        said = self.corrections.get(model.key)
        return replace(model, category=said.category) if said and said.category else model

    def _frame(self, model: ModelFile) -> Frame:
        """The source's own, under what the whole import says, under what was said of this model."""
        row, said = self.run_row, self.corrections.get(model.key)
        return engine.frame(
            model,
            unit=(said and said.unit) or row.unit,
            up=(said and said.up) or row.up,
            front=(said and said.front) or row.front,
        )

    def _account_for_missing(self, present: set[str]) -> None:
        """Products the source has no longer: withdrawn where that was asked for, else said."""
        row = self.run_row
        if row.only_keys:
            for key in set(row.only_keys) - present:
                reason = "the source has no such model any more; import the catalog again"
                self._item(key, "", Outcome.FAILED, code="gone", reason=reason)
            return
        offered = Product.objects.filter(catalog=row.catalog, is_withdrawn=False)
        missing = [product for product in offered.order_by("pk") if product.key not in present]
        if not missing:
            return
        if not row.withdraws_missing or row.is_preview:
            fate = "would be withdrawn" if row.withdraws_missing else "stay offered"
            named = ", ".join(product.name for product in missing[:5]) + ("…" if len(missing) > 5 else "")
            row.warnings = [
                *row.warnings,
                f"{len(missing)} products are not in the source and {fate}: {named}",
            ]
            self.lease.write(warnings=row.warnings)
            return
        row.total += len(missing)
        self.lease.write(total=row.total)
        for product in missing:
            reason = "it is no longer in the source"
            with transaction.atomic():
                withdrawing.withdraw(Product.objects.filter(pk=product.pk))
                self._item(
                    product.key, product.name, Outcome.WITHDRAWN, product=product, code="gone", reason=reason
                )

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
        try:
            pictures = [icon for icon, _ in items]
            views = [folder / name for _, folder in items for name in ("views.npz", "views.jpg")]
            media.fetch_all([*pictures, *views])
            found = engine.propose_front(items)
        except Exception as error:  # it only costs the proposal: every model is in already
            log.exception("no front was proposed for import %s", row.pk)
            row.warnings = [f"no front axis could be proposed: {error}", *row.warnings]
            self.lease.write(warnings=row.warnings)
            return
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
            frame = self._frame(model)
            try:
                asset = onboarding.asset_for(model, frame)
            except ShapelensError as error:
                self._fail(model, error)
                continue
            if onboarding.is_usable(asset):
                self._save(model, asset, frame)
            else:
                waiting[asset.hash].append((model, frame, asset))
        return waiting

    def _onboard_new(self, waiting: dict[str, list[tuple[ModelFile, Frame, Asset]]]) -> None:
        def finish(asset: Asset, error: Exception | None) -> None:
            for model, frame, _ in waiting[asset.hash]:
                if error is None:
                    self._save(model, asset, frame)
                else:
                    self._fail(model, error)

        pending = [(asset, model, frame) for ((model, frame, asset), *_) in waiting.values()]
        onboarding.onboard(pending, finish)

    def _save(self, model: ModelFile, asset: Asset, frame: Frame) -> None:
        if self.run_row.is_preview:
            self._found(model, asset, frame)
            return
        with transaction.atomic():
            product, outcome = _save_product(self.run_row.catalog, model, asset)
            self._item(
                model.key, model.name, outcome, product=product, warnings=list(asset.warnings), is_told=False
            )
        if model.icon and (outcome != Outcome.UNCHANGED or not product.has_icon):
            _keep_icon(product, model.icon)
        self.tell(self.run_row, self.run_row.items.get(key=model.key[:500]))

    def _found(self, model: ModelFile, asset: Asset, frame: Frame) -> None:
        self._item(
            model.key,
            model.name,
            Outcome.FOUND,
            asset=asset,
            frame={name: value for name, value in asdict(frame).items() if value},
            category=model.category[:200],
            creator=model.creator[:300],
            license=model.license[:300],
            warnings=list(asset.warnings),
        )

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
        "link": link_of(model.link),
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


def link_of(text: str) -> str:
    """'' for anything but a web page's address: no other is ever followed from a shop's page."""
    link = text.strip()
    try:
        _WEB(link)
    except ValidationError:
        return ""
    return link if len(link) <= 1000 else ""


def _keep_icon(product: Product, icon: Path) -> None:
    """The picture the product came with, decoded and written anew. A bad one is left out."""
    try:
        with Image.open(icon) as image:
            image.thumbnail((ICON_SIDE, ICON_SIDE))
            image.convert("RGBA").save(path := storage.product_icon(product.pk), "PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        log.warning("the icon of product %s can't be read: %s", product.pk, error)
        return
    media.keep(path)
    Product.objects.filter(pk=product.pk).update(has_icon=True)
