"""Names, prices, stock and links from a table: everything but geometry, with nothing rendered anew.

A table is looked at (what would change), applied, and can be undone. Only values that are still as they were
shown are touched: what somebody changed meanwhile is left alone, and named.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

from auditlog.diff import model_instance_diff
from auditlog.models import LogEntry
from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from catalog import engine
from catalog.errors import BadSource, NotPossible
from catalog.models import Catalog, Feed, FeedChange, Product
from catalog.services import importing

__all__ = ["UpdateReport", "apply", "look", "undo", "update_products"]

_TEXT = {
    "name": 300,
    "sku": 120,
    "category": 200,
    "description": 100_000,
    "creator": 300,
    "license": 300,
}
_READ = {"price": importing.price_of, "stock": importing.stock_of, "link": importing.link_of}
_GEOMETRY = ("unit", "up", "front")
_BATCH = 500
_NOTED = 200  # sentences about what was left alone

State = Feed.State


@dataclass(slots=True)
class UpdateReport:
    """rows: of the table; updated, unchanged: products; unknown: (row number, what it names) of rows that fit
    no product; warnings: sentences."""

    rows: int = 0
    updated: int = 0
    unchanged: int = 0
    unknown: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def update_products(catalog: Catalog, table: Path, *, author: AbstractUser | None = None) -> UpdateReport:
    """Look and apply in one: all of what a CSV or JSON table says of a catalog's products, or nothing of it.

    Raises BadSource where the table can't be read.
    """
    with transaction.atomic():
        feed = look(catalog, table, author=author)
        updated = apply(feed, by=author)
    unknown = [(number, name) for number, name in feed.unknown]
    return UpdateReport(feed.rows, updated, feed.unchanged, unknown, feed.warnings)


def look(catalog: Catalog, table: Path, *, author: AbstractUser | None = None) -> Feed:
    """What a table would change; nothing is changed yet.

    A row finds its product by `key`, else by `file` (with or without its suffix), else by `sku`. A cell left
    empty changes nothing. Raises BadSource where the table can't be read.
    """
    try:
        rows, warnings = engine.read_table(table)
    except (OSError, ValueError) as error:
        raise BadSource(f"{error}") from error
    feed = Feed(catalog=catalog, name=table.name[:120], author=author, rows=len(rows), warnings=warnings)
    products = list(Product.objects.filter(catalog=catalog))
    by_key = {product.key: product for product in products}
    by_sku: dict[str, list[Product]] = defaultdict(list)
    for product in products:
        if product.sku:
            by_sku[product.sku].append(product)
    seen: set[int] = set()
    changes = []
    for number, row in enumerate(rows, start=1):
        found = _find(row, by_key, by_sku)
        if found is None:
            named = row.get("key") or row.get("file") or row.get("sku") or "nothing"
            feed.unknown.append([number, named[:200]])
        elif found.pk in seen:
            feed.warnings.append(f"row {number} is about {found.key} again; the first row is used")
        else:
            seen.add(found.pk)
            if change := _change(found, row, number, feed):
                changes.append(change)
            else:
                feed.unchanged += 1
    with transaction.atomic():
        feed.save()
        FeedChange.objects.bulk_create(changes, batch_size=_BATCH)
    return feed


def apply(feed: Feed, *, by: AbstractUser | None) -> int:
    """How many products were changed. Raises NotPossible where it was applied before."""
    with transaction.atomic():
        _move(feed, State.FOUND, State.APPLIED, "applied_at")
        return _write(feed, by, is_undoing=False)


def undo(feed: Feed, *, by: AbstractUser | None) -> int:
    """Bring back what it replaced. How many products were changed. Raises NotPossible where it isn't applied."""
    with transaction.atomic():
        _move(feed, State.APPLIED, State.UNDONE, "undone_at")
        return _write(feed, by, is_undoing=True)


def _move(feed: Feed, old: str, new: str, when: str) -> None:
    row = Feed.objects.select_for_update().filter(pk=feed.pk, state=old).first()
    if row is None:
        raise NotPossible(f"{feed} is not {State(old).label} any more; open its page again")
    feed.state = new
    setattr(feed, when, timezone.now())
    feed.save(update_fields=["state", when])


def _write(feed: Feed, by: AbstractUser | None, *, is_undoing: bool) -> int:
    """In batches, with the log's entries: one query a product would hold the database for half a minute."""
    changes = {change.product_id: change for change in feed.changes.all()}
    products = Product.objects.select_for_update().filter(pk__in=feed.changes.values("product"))
    written: list[Product] = []
    entries: list[LogEntry] = []
    fields: set[str] = set()
    left: list[str] = []
    kind, now = ContentType.objects.get_for_model(Product), timezone.now()
    for product in products.order_by("pk"):
        change = changes[product.pk]
        old, new = (change.after, change.before) if is_undoing else (change.before, change.after)
        touched = {name: new[name] for name in new if _plain(getattr(product, name)) == old[name]}
        if other := sorted(set(new) - set(touched)):
            left.append(f"{product.key}: {', '.join(other)} changed meanwhile, and stays as it is")
        if not touched:
            continue
        earlier = copy.copy(product)
        for name, value in touched.items():
            setattr(product, name, _typed(name, value))
        difference = model_instance_diff(earlier, product, fields_to_check=list(touched))
        product.updated_at = now
        written.append(product)
        fields |= set(touched)
        entries.append(
            LogEntry(
                content_type=kind,
                object_pk=str(product.pk),
                object_id=product.pk,
                object_repr=str(product),
                action=LogEntry.Action.UPDATE,
                changes=difference,
                actor=by,
                actor_email=by.email if by else None,
                timestamp=now,
            )
        )
    if written:
        Product.objects.bulk_create(  # the rows are there: an upsert is far quicker than `bulk_update`
            written,
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["pk"],
            update_fields=[*sorted(fields), "updated_at"],
        )
        LogEntry.objects.bulk_create(entries, batch_size=_BATCH)
    if left:
        feed.warnings = [*feed.warnings, *_first(left)]
        feed.save(update_fields=["warnings"])
    return len(written)


def _first(sentences: list[str]) -> Iterable[str]:
    yield from sentences[:_NOTED]
    if len(sentences) > _NOTED:
        yield f"and {len(sentences) - _NOTED} more stay as they are"


def _find(
    row: dict[str, str], by_key: dict[str, Product], by_sku: dict[str, list[Product]]
) -> Product | None:
    if row.get("key"):
        return by_key.get(row["key"])
    if row.get("file"):
        file = PurePosixPath(row["file"])
        return by_key.get(file.as_posix()) or by_key.get(file.with_suffix("").as_posix())
    of_sku = by_sku.get(row.get("sku", ""), [])
    return of_sku[0] if len(of_sku) == 1 else None


def _change(product: Product, row: dict[str, str], number: int, feed: Feed) -> FeedChange | None:
    """None where the product is as the row says."""
    values: dict[str, Any] = {name: row[name][:length] for name, length in _TEXT.items() if row.get(name)}
    if row.get("tags"):
        values["tags"] = [tag.strip() for tag in row["tags"].replace(";", ",").split(",") if tag.strip()]
    if row.get("currency"):
        values["currency"] = row["currency"][:3].upper()
    for name, read in _READ.items():
        if row.get(name):
            value = read(row[name])
            if value in {None, ""}:
                feed.warnings.append(f"row {number}: {row[name][:40]!r} is no {name}; left as it is")
            else:
                values[name] = value
    if geometry := [name for name in _GEOMETRY if row.get(name)]:
        feed.warnings.append(
            f"row {number}: {', '.join(geometry)} would change the model; import it again for that"
        )
    changed = [name for name, value in values.items() if getattr(product, name) != value]
    if not changed:
        return None
    before = {name: _plain(getattr(product, name)) for name in changed}
    after = {name: _plain(values[name]) for name in changed}
    return FeedChange(feed=feed, product=product, row=number, before=before, after=after)


def _plain(value: Any) -> Any:
    """For JSON."""
    return f"{value:.2f}" if isinstance(value, Decimal) else value


def _typed(name: str, value: Any) -> Any:
    return Decimal(value) if name == "price" and value is not None else value
