"""A table beside the models that gives them names, prices, units and axes."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ml.mesh.normalizing import METERS
from ml.types import Axis, Frame, ModelFile, Unit

__all__ = ["MANIFEST_NAMES", "Manifest", "described", "read_manifest", "read_table"]

MANIFEST_NAMES = (
    "manifest.json",
    "manifest.csv",
    "catalog.json",
    "catalog.csv",
    "products.json",
    "products.csv",
)

_COLUMNS = {
    "file": "file", "model": "file", "path": "file", "filename": "file",
    "name": "name", "title": "name",
    "key": "key", "id": "key",
    "sku": "sku", "category": "category", "tags": "tags",
    "price": "price", "currency": "currency",
    "stock": "stock", "quantity": "stock",
    "link": "link", "url": "link",
    "description": "description", "creator": "creator", "license": "license",
    "icon": "icon", "image": "icon", "picture": "icon",
    "unit": "unit", "units": "unit", "up": "up", "front": "front",
}  # fmt: skip
_UNITS = {
    "mm": "mm", "millimeter": "mm", "millimeters": "mm", "cm": "cm", "centimeter": "cm", "centimeters": "cm",
    "m": "m", "meter": "m", "meters": "m", "in": "in", "inch": "in", "inches": "in",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manifest:
    """rows by the file they describe, relative to the manifest's folder; warnings."""

    path: Path
    rows: Mapping[str, Mapping[str, str]]
    warnings: tuple[str, ...]


def read_manifest(path: Path) -> Manifest:
    """Rows of a CSV (comma, semicolon or tab; UTF-8 or Latin-1) or JSON (a list, or an object
    holding one) manifest. Raises ValueError with a sentence where it can't be understood."""
    table, warnings = read_table(path)
    rows: dict[str, Mapping[str, str]] = {}
    for number, row in enumerate(table, start=1):
        clean = dict(row)
        file = clean.pop("file", "")
        if not file:
            warnings.append(f"{path.name}: row {number} names no file; left out")
        elif file in rows:
            warnings.append(f"{path.name}: row {number} describes {file} again; the first row is used")
        else:
            rows[file] = clean
    return Manifest(path, rows, tuple(warnings))


def read_table(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Rows by our own column names, and what of them can't be understood. Raises ValueError as
    `read_manifest` does."""
    text = _decoded(path.read_bytes(), path.name)
    raw = _json_rows(text, path.name) if path.suffix.lower() == ".json" else _csv_rows(text, path.name)
    unknown: dict[str, None] = {}
    rows = []
    for row in raw:
        clean: dict[str, str] = {}
        for key, value in row.items():
            column = _COLUMNS.get(str(key or "").strip().lower())
            if column is None:
                unknown[str(key or "a cell without a heading")] = None
            elif value is not None and column not in clean:
                clean[column] = _text(value)
        if "file" in clean:
            clean["file"] = clean["file"].replace("\\", "/").removeprefix("./")
        rows.append(clean)
    warnings = []
    if unknown:
        known = ", ".join(sorted(set(_COLUMNS.values())))
        warnings.append(f"{path.name}: unknown columns left out: {', '.join(unknown)}; known are {known}")
    if raw and not any(rows):
        raise ValueError(
            f"{path.name} has no column known here ({', '.join(sorted(set(_COLUMNS.values())))})"
        )
    counts = Counter(row["sku"] for row in rows if row.get("sku"))
    repeated = [sku for sku, count in counts.items() if count > 1]
    if repeated:
        shown = ", ".join(repeated[:5]) + (" and others" if len(repeated) > 5 else "")
        warnings.append(f"{path.name}: several rows have the SKU {shown}; give each product its own")
    return rows, warnings


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in data:
        raise ValueError(f"{name} is not text; save it as CSV or JSON, in UTF-8")
    else:
        encodings = ["utf-8-sig", "latin-1"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(f"{name} breaks off inside a letter; save it again, in UTF-8")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part).strip() for part in value)
    return str(value).strip()


def _json_rows(text: str, name: str) -> list[dict[str, Any]]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not valid JSON ({error}); it is left out") from error
    if isinstance(tree, dict):
        tree = next((value for value in tree.values() if isinstance(value, list)), None)
    if not isinstance(tree, list) or not all(isinstance(row, dict) for row in tree):
        raise ValueError(f"{name} is neither a list of objects nor an object holding one; it is left out")
    return tree


def _csv_rows(text: str, name: str) -> list[dict[str, Any]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        return [row for row in csv.DictReader(io.StringIO(text), delimiter=delimiter) if any(row.values())]
    except csv.Error as error:
        raise ValueError(f"{name} is not a table that can be read ({error}); it is left out") from error


def described(model: ModelFile, row: Mapping[str, str], folder: Path) -> tuple[ModelFile, tuple[str, ...]]:
    """The model with what its row says, and what of it can't be understood."""
    warnings: list[str] = []
    plain = {
        column: row[column]
        for column in (
            "name",
            "sku",
            "category",
            "price",
            "currency",
            "stock",
            "link",
            "description",
            "creator",
            "license",
        )
        if row.get(column)
    }
    tags = tuple(tag.strip() for tag in row.get("tags", "").replace(";", ",").split(",") if tag.strip())
    icon = folder / row["icon"] if row.get("icon") else None
    if icon is not None and not (icon.is_file() and icon.resolve().is_relative_to(folder.resolve())):
        warnings.append(f"{model.key}: the manifest's picture {row['icon']!r} is missing")
        icon = None
    frame = _frame(model, row, warnings)
    changed = replace(model, tags=tags or model.tags, icon=icon or model.icon, frame=frame)
    return replace(changed, **cast(dict[str, Any], plain)), tuple(warnings)


def _frame(model: ModelFile, row: Mapping[str, str], warnings: list[str]) -> Frame:
    unit = _UNITS.get(row.get("unit", "").lower())
    if row.get("unit") and unit not in METERS:
        warnings.append(f"{model.key}: unknown unit {row['unit']!r}; use one of {', '.join(METERS)}")
    axes: dict[str, str | None] = {}
    for column in ("up", "front"):
        axis = row.get(column, "").lower()
        signed = axis if axis[:1] in {"+", "-"} else f"+{axis}"
        known = signed[1:] in {"x", "y", "z"}
        if axis and not known:
            warnings.append(f"{model.key}: unknown {column} axis {row[column]!r}; use x, y or z with a sign")
        axes[column] = signed if axis and known else None
    return replace(
        model.frame,
        unit=cast(Unit | None, unit) or model.frame.unit,
        up=cast(Axis | None, axes["up"]) or model.frame.up,
        front=cast(Axis | None, axes["front"]) or model.frame.front,
    )
