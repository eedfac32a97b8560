"""Sweet Home 3D furniture libraries: the catalog inside a .sh3f."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ml.errors import BadSource
from ml.types import Frame, ModelFile

__all__ = ["CATALOG_FILE", "Library", "parse_properties", "read_library"]

CATALOG_FILE = "PluginFurnitureCatalog.properties"

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ITEM_KEY = re.compile(r"(\w+)#(\d+)")


@dataclass(frozen=True, slots=True)
class Library:
    """name, license of the whole; models; failures as (key, name, reason, code)."""

    name: str
    license: str
    models: tuple[ModelFile, ...]
    failures: tuple[tuple[str, str, str, str], ...]


def parse_properties(data: bytes) -> dict[str, str]:
    """Java's .properties: Latin-1 (UTF-8 where it says so by decoding with non-ASCII characters),
    \\uXXXX escapes, continuation lines, '=' or ':' or blanks after the key."""
    text = data.decode("latin-1")
    logical = re.sub(r"(?<!\\)((?:\\\\)*)\\(?:\r\n|\r|\n)[ \t\f]*", r"\1", text)
    found: dict[str, str] = {}
    for line in re.split(r"\r\n|\r|\n", logical):
        stripped = line.lstrip(" \t\f")
        if not stripped or stripped[0] in "#!":
            continue
        parts = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", stripped, re.S)
        if parts:
            found[_unescaped(parts[1])] = _unescaped(parts[2])
    return found


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    plain = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", character, text)
    if "\ud800" <= max(plain, default="") <= "\udfff" or any("\ud800" <= c <= "\udfff" for c in plain):
        plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain


def read_library(root: Path, fallback_name: str) -> Library:
    """The models of the library unpacked at `root`. Raises BadSource where it has no catalog."""
    catalog = root / CATALOG_FILE
    if not catalog.is_file():
        raise BadSource(f"{fallback_name} has no {CATALOG_FILE}: it is not a Sweet Home 3D furniture library")
    facts = parse_properties(catalog.read_bytes())
    items: dict[int, dict[str, str]] = {}
    for key, value in facts.items():
        match = _ITEM_KEY.fullmatch(key)
        if match:
            items.setdefault(int(match[2]), {})[match[1]] = value.strip()
    license_text = " ".join(facts.get("license", "").split())
    models: list[ModelFile] = []
    failures: list[tuple[str, str, str, str]] = []
    taken: set[str] = set()
    for number in sorted(items):
        item = items[number]
        key = _key(item, number, taken)
        result = _model(root, key, item, license_text)
        if isinstance(result, ModelFile):
            models.append(result)
        else:
            failures.append((key, item.get("name", key), *result))
    return Library(facts.get("name", fallback_name), license_text, tuple(models), tuple(failures))


def _key(item: Mapping[str, str], number: int, taken: set[str]) -> str:
    """The item's id; where it has none, its name and number. Unique, and the same at every read."""
    key = item.get("id") or f"{item.get('name', 'model')}#{number}"
    if key in taken:
        key = f"{key}~{number}"
    taken.add(key)
    return key


def _model(root: Path, key: str, item: Mapping[str, str], license_text: str) -> ModelFile | tuple[str, str]:
    """The model, or (reason, code)."""
    stated = item.get("model")
    if not stated:
        return "the catalog names no model file for it (model#N)", "missing_entry"
    path = _inside(root, stated)
    if path is None:
        return f"its model {stated} is not in the library", "missing_entry"
    size: tuple[float, float, float] | None = None
    try:
        width, height, depth = (_number(item[name]) / 100 for name in ("width", "height", "depth"))
        size = (width, height, depth)
    except (KeyError, ValueError):
        pass  # told as a guessed unit when the model is read
    rotation: tuple[float, ...] | None = None
    if item.get("modelRotation"):
        try:
            rotation = tuple(float(word) for word in item["modelRotation"].split())
        except ValueError:
            rotation = ()
        if len(rotation) != 9:
            return f"its modelRotation {item['modelRotation']!r} is not nine numbers", "bad_entry"
    icon = _inside(root, item["icon"]) if item.get("icon") else None
    return ModelFile(
        key=key,
        path=path,
        name=item.get("name") or PurePosixPath(stated).stem,
        frame=Frame(up="+y", front="+z", size=size, rotation=rotation),
        category=item.get("category", ""),
        tags=tuple(tag.strip() for tag in item.get("tags", "").split(",") if tag.strip()),
        creator=item.get("creator", ""),
        license=item.get("license") or license_text,
        description=item.get("information") or item.get("description", ""),
        price=item.get("price", ""),
        currency=item.get("currency", ""),
        icon=icon,
    )


def _number(text: str) -> float:
    value = float(text.replace(",", "."))
    if not 0 < value < 1e6:
        raise ValueError(text)
    return value


def _inside(root: Path, stated: str) -> Path | None:
    """The file the catalog names, absolute from the library's root; never outside it."""
    relative = PurePosixPath(stated.lstrip("/"))
    if ".." in relative.parts:
        return None
    path = root / relative
    return path if path.is_file() else None
