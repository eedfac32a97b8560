"""The files a mesh refers to (materials, textures, buffers): found inside its source, or named as missing."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from defusedxml import ElementTree

__all__ = ["ROOT_MARKER", "Finder", "References", "gltf_tree", "references", "source_root"]

ROOT_MARKER = ".source-root"
"""An empty file that unpacking leaves at an archive's root: no reference leads above it."""

_MAP = re.compile(rb"^[ \t]*(?:map_\w+|bump|disp|decal|refl|norm)[ \t]+(.+?)[ \t\r]*$", re.M | re.I)
_MTLLIB = re.compile(rb"^[ \t]*mtllib[ \t]+(.+?)[ \t\r]*$", re.M)
# options of an MTL map statement, each with how many numbers or words may follow
_OPTION = re.compile(
    r"^-(?:(?:o|s|t)(?:\s+-?[\d.eE+-]+){1,3}|mm(?:\s+-?[\d.eE+-]+){1,2}"
    r"|(?:blendu|blendv|cc|clamp|imfchan|texres|bm|boost|type)\s+\S+)\s+"
)


@dataclass(frozen=True, slots=True)
class References:
    """found: files inside the source, in order; missing: names as the mesh writes them."""

    found: tuple[Path, ...]
    missing: tuple[str, ...]


def source_root(path: Path) -> Path:
    """The folder references of `path` must stay in: the unpacked archive's root, else one level
    above the mesh's own folder (models/chair.obj with ../textures/oak.jpg is common)."""
    for folder in path.parents:
        if (folder / ROOT_MARKER).exists():
            return folder
    return path.parent.parent


@dataclass(slots=True)
class Finder:
    """Finds files by the name a mesh gives them, forgiving case, backslashes, absolute paths of
    the author's machine and map options; never outside `root`.

    used, missing: what was asked for and found, and what was not.
    """

    folder: Path
    root: Path
    used: dict[Path, None] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)

    def find(self, name: str) -> Path | None:
        for candidate in _spellings(name):
            path = self._inside(candidate)
            if path is not None:
                self.used[path] = None
                return path
        self.missing[name.strip()] = None
        return None

    def _inside(self, relative: PurePosixPath) -> Path | None:
        path = self.folder / relative
        if not path.is_file():
            path = _ignoring_case(self.folder, relative) or path
        resolved = path.resolve()
        if resolved.is_file() and resolved.is_relative_to(self.root.resolve()):
            return path
        return None


def _spellings(name: str) -> Iterator[PurePosixPath]:
    """Relative paths `name` may mean, likeliest first."""
    clean = name.strip().strip('"').replace("\\", "/")
    bare = clean
    while (shorter := _OPTION.sub("", bare, count=1)) != bare:
        bare = shorter
    seen: set[str] = set()
    for text in (clean, bare, unquote(clean)):
        for spelling in (text, PurePosixPath(text).name):
            if spelling and spelling not in seen and not spelling.startswith("/") and "\0" not in spelling:
                seen.add(spelling)
                yield PurePosixPath(spelling)


def _ignoring_case(folder: Path, relative: PurePosixPath) -> Path | None:
    """The existing file whose path differs from folder/relative in letter case alone."""
    current = folder
    for part in relative.parts:
        if part == "..":
            current = current.parent
            continue
        if not current.is_dir():
            return None
        current = next(
            (c for c in sorted(current.iterdir()) if c.name.lower() == part.lower()), current / "\n"
        )
    return current if current.is_file() else None


def references(path: Path, root: Path | None = None) -> References:
    """What the mesh file refers to, and those files in turn; cheap, without reading geometry."""
    finder = Finder(path.parent, root or source_root(path))
    suffix = path.suffix.lower()
    try:
        if suffix == ".obj":
            _follow_obj(path, finder)
        elif suffix in {".gltf", ".glb"}:
            tree = gltf_tree(path)
            for entry in [*tree.get("buffers", []), *tree.get("images", [])]:
                uri = entry.get("uri")
                if isinstance(uri, str) and not uri.startswith("data:"):
                    finder.find(uri)
        elif suffix == ".dae":
            for element in ElementTree.parse(path).iter():
                if element.tag.endswith("init_from") and (element.text or "").strip():
                    finder.find((element.text or "").removeprefix("file://"))
        elif suffix == ".ply":
            for name in re.findall(rb"^comment TextureFile (.+?)\s*$", path.read_bytes()[:4096], re.M):
                finder.find(_text(name))
    except (OSError, ValueError, KeyError, AttributeError, struct.error, ElementTree.ParseError):
        pass  # reading the mesh itself will say what is wrong with it
    return References(tuple(finder.used), tuple(finder.missing))


def _follow_obj(path: Path, finder: Finder) -> None:
    for line in dict.fromkeys(_MTLLIB.findall(path.read_bytes())):
        library = finder.find(_text(line))
        if library is not None:
            for name in dict.fromkeys(_MAP.findall(library.read_bytes())):
                finder.find(_text(name))


def gltf_tree(path: Path) -> dict[str, Any]:
    """The JSON of a .gltf or of a .glb's first chunk; raises ValueError, OSError."""
    data = path.read_bytes() if path.suffix.lower() == ".gltf" else _first_chunk(path)
    tree = json.loads(data)
    if not isinstance(tree, dict):
        raise ValueError("the glTF's JSON is not an object")
    return tree


def _first_chunk(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(20)
        if len(head) < 20 or head[:4] != b"glTF":
            raise ValueError("not a GLB: the first bytes are not 'glTF'")
        (length,) = struct.unpack("<I", head[12:16])
        if length > path.stat().st_size:
            raise ValueError("the GLB is cut off inside its JSON")
        return file.read(length)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
