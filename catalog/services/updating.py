"""Names, prices, stock and links from a table: everything but geometry, with nothing rendered anew."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction

from catalog import engine
from catalog.errors import BadSource
from catalog.models import Catalog, Product
from catalog.services import importing

__all__ = ["UpdateReport", "update_products"]

_TEXT = {
    "name": 300,
    "sku": 120,
    "category": 200,
    "description": 100_000,
    "link": 1000,
    "creator": 300,
    "license": 300,
}
_GEOMETRY = ("unit", "up", "front")


@dataclass(slots=True)
class UpdateReport:
    """rows: of the table; updated, unchanged: products; unknown: (row number, what it names) of rows that fit
    no product; warnings: sentences."""

    rows: int = 0
    updated: int = 0
    unchanged: int = 0
    unknown: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def update_products(catalog: Catalog, table: Path) -> UpdateReport:
    """Write what a CSV or JSON table says of a catalog's products; all of it or nothing.

    A row finds its product by `key`, else by `file` (with or without its suffix), else by `sku`. A cell left
    empty changes nothing. Raises BadSource where the table can't be read.
    """
    try:
        rows, warnings = engine.read_table(table)
    except (OSError, ValueError) as error:
        raise BadSource(f"{error}") from error
    report = UpdateReport(rows=len(rows), warnings=warnings)
    with transaction.atomic():
        products = list(Product.objects.select_for_update().filter(catalog=catalog))
        by_key = {product.key: product for product in products}
        by_sku: dict[str, list[Product]] = defaultdict(list)
        for product in products:
            if product.sku:
                by_sku[product.sku].append(product)
        seen: set[int] = set()
        for number, row in enumerate(rows, start=1):
            found = _find(row, by_key, by_sku)
            if found is None:
                report.unknown.append(
                    (number, row.get("key") or row.get("file") or row.get("sku") or "nothing")
                )
            elif found.pk in seen:
                report.warnings.append(f"row {number} is about {found.key} again; the first row is used")
            else:
                seen.add(found.pk)
                _apply(found, row, number, report)
    return report


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


def _apply(product: Product, row: dict[str, str], number: int, report: UpdateReport) -> None:
    values: dict[str, Any] = {name: row[name][:length] for name, length in _TEXT.items() if row.get(name)}
    if row.get("tags"):
        values["tags"] = [tag.strip() for tag in row["tags"].replace(";", ",").split(",") if tag.strip()]
    if row.get("currency"):
        values["currency"] = row["currency"][:3].upper()
    for name, read in (("price", importing.price_of), ("stock", importing.stock_of)):
        if row.get(name):
            value = read(row[name])
            if value is None:
                report.warnings.append(f"row {number}: {row[name][:40]!r} is no {name}; left as it is")
            else:
                values[name] = value
    if any(row.get(name) for name in _GEOMETRY):
        report.warnings.append(
            f"row {number}: {', '.join(name for name in _GEOMETRY if row.get(name))} would change the model; "
            "import it again for that"
        )
    changed = [name for name, value in values.items() if getattr(product, name) != value]
    if not changed:
        report.unchanged += 1
        return
    for name in changed:
        setattr(product, name, values[name])
    product.save(update_fields=[*changed, "updated_at"])
    report.updated += 1
