"""Any mesh file -> our Mesh, within limits, with every doubt said."""

from __future__ import annotations

import io
import math
import re
import struct
import warnings as python_warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import trimesh
from defusedxml import ElementTree

from ml.errors import BadMesh
from ml.mesh.cleaning import clean
from ml.mesh.limits import MeshLimits
from ml.mesh.normalizing import METERS
from ml.mesh.resources import Finder, gltf_tree, source_root
from ml.mesh.scenes import mesh_from_scene
from ml.mesh.textures import TextureRefusedError, open_picture
from ml.mesh.wavefront import prepared_mtl, prepared_obj
from ml.types import Axis, Frame, Mesh

__all__ = ["MESH_SUFFIXES", "read_mesh"]

MESH_SUFFIXES = {
    ".glb": Frame(unit="m", up="+y", front="+z"),
    ".gltf": Frame(unit="m", up="+y", front="+z"),
    ".obj": Frame(),
    ".3mf": Frame(unit="mm", up="+z"),
    ".dae": Frame(unit="m", up="+y"),
    ".step": Frame(unit="m", up="+z"),
    ".stp": Frame(unit="m", up="+z"),
    ".ply": Frame(),
    ".off": Frame(),
    ".stl": Frame(up="+z"),  # says nothing; CAD, slicers and printers all draw z up
}
"""Formats read, best first (materials and textures survive in the first ones), with what the
format itself says of units and axes."""

_LINEAR = {".glb", ".gltf", ".step", ".stp"}  # whose colors are linear, as glTF's
_METRES_3MF = {
    "micron": 1e-6, "millimeter": 0.001, "centimeter": 0.01, "inch": 0.0254, "foot": 0.3048, "meter": 1.0,
}  # fmt: skip
_COMPRESSED = {"KHR_draco_mesh_compression", "EXT_meshopt_compression"}
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tga", ".tif", ".tiff", ".webp"}


def read_mesh(path: Path, *, limits: MeshLimits = MeshLimits()) -> tuple[Mesh, Frame, tuple[str, ...]]:  # noqa: B008
    """The mesh in the file's own units and axes, what the file or its format says of those, and warnings.

    Textures and material files are looked for inside the source only. Raises BadMesh.
    """
    suffix = path.suffix.lower()
    if suffix not in MESH_SUFFIXES:
        known = ", ".join(name[1:] for name in MESH_SUFFIXES)
        raise BadMesh(
            f"{path.name}: {suffix or 'no suffix'} is not a mesh format read here; use one of: {known}"
        )
    _check_file(path, limits)
    if suffix in {".glb", ".gltf"}:
        _check_gltf(path)
    resolver = _Resolver(Finder(path.parent, source_root(path)), limits)
    scene = _load(path, suffix, resolver)
    linear = (
        _linear_colors(path) if suffix in {".glb", ".gltf"} else {} if suffix in {".step", ".stp"} else None
    )
    try:
        mesh, doubts = mesh_from_scene(scene, limits, linear)
        mesh, dropped = clean(mesh)
    except BadMesh as error:
        raise BadMesh(f"{path.name}: {error}") from error
    missing = [f"{name} is missing; the model is drawn without it" for name in resolver.finder.missing]
    if suffix == ".obj" and not _ends_with_a_line(path):
        missing.append(
            "the file ends in the middle of a line; if parts of the model are missing, copy it again"
        )
    mesh, frame = _as_stated(mesh, path, suffix)
    return mesh, frame, (*missing, *resolver.refused, *doubts, *dropped)


def _as_stated(mesh: Mesh, path: Path, suffix: str) -> tuple[Mesh, Frame]:
    """3MF and DAE name their unit inside; one that Frame has no name for is brought to metres here."""
    of_format = MESH_SUFFIXES[suffix]
    try:
        if suffix == ".3mf":
            metres, up = _METRES_3MF.get(_unit_of_3mf(path), 0.001), of_format.up
        elif suffix == ".dae":
            metres, up = _asset_of_dae(path)
        else:
            return mesh, of_format
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, ElementTree.ParseError):
        return mesh, of_format
    for unit, length in METERS.items():
        if math.isclose(metres, length, rel_tol=1e-6):
            return mesh, replace(of_format, unit=unit, up=up)
    return replace(mesh, vertices=mesh.vertices * metres), replace(of_format, unit="m", up=up)


def _unit_of_3mf(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.lower().endswith(".model"))
        with archive.open(name) as file:
            head = file.read(4096)
    found = re.search(rb"""<model\b[^>]*?\bunit\s*=\s*["'](\w+)["']""", head)
    return found[1].decode() if found else "millimeter"


def _asset_of_dae(path: Path) -> tuple[float, Axis]:
    """Metres a unit and the up axis of a COLLADA file; 1 and y where it names none."""
    metres, up = 1.0, "Y_UP"
    for _, element in ElementTree.iterparse(path, events=("end",)):
        tag = element.tag.rpartition("}")[2]
        if tag == "unit":
            metres = float(element.get("meter", "1"))
        elif tag == "up_axis":
            up = (element.text or "").strip()
        elif tag == "asset":
            break
    if not 0 < metres < 1e6:
        raise ValueError("no such unit")
    axes: dict[str, Axis] = {"X_UP": "+x", "Z_UP": "+z"}
    return metres, axes.get(up, "+y")


class _Resolver(trimesh.resolvers.Resolver):  # type: ignore[misc]
    """trimesh's way to side files, through Finder, with pictures checked before they are decoded."""

    def __init__(self, finder: Finder, limits: MeshLimits) -> None:
        self.finder = finder
        self.limits = limits
        self.refused: list[str] = []
        self.parent = str(finder.folder)
        self.file_name = "geometry"

    def get(self, name: str) -> bytes:
        path = self.finder.find(name)
        if path is None:
            raise FileNotFoundError(name)
        if path.stat().st_size > self.limits.max_bytes:
            self.refused.append(f"{path.name} is left out: over {self.limits.max_bytes:,} bytes")
            raise FileNotFoundError(name)
        data = path.read_bytes()
        if path.suffix.lower() == ".mtl":
            return prepared_mtl(data)
        if path.suffix.lower() in _PICTURES:
            try:
                open_picture(data, self.limits)
            except TextureRefusedError as refused:
                self.refused.append(f"texture {path.name} is left out: {refused}")
                raise FileNotFoundError(name) from refused
        return data

    def keys(self) -> list[str]:
        return []

    def namespaced(self, namespace: str) -> _Resolver:
        return _Resolver(Finder(self.finder.folder / namespace, self.finder.root), self.limits)

    def write(self, name: str, data: Any) -> None:
        raise NotImplementedError


def _check_file(path: Path, limits: MeshLimits) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BadMesh(f"{path.name} can't be opened: {error.strerror}") from error
    if not size:
        raise BadMesh(f"{path.name} is empty: copy or export it again")
    if size > limits.max_bytes:
        raise BadMesh(f"{path.name} has {size:,} bytes, over the limit of {limits.max_bytes:,}: reduce it")
    with path.open("rb") as file:
        if file.read(4) == b"glTF" and path.suffix.lower() != ".glb":
            raise BadMesh(f"{path.name} is a GLB by its contents: rename it to {path.stem}.glb")
    declared = _declared_faces(path, size)
    if declared > limits.max_faces:
        raise BadMesh(
            f"{path.name} has {declared:,} faces, over the limit of {limits.max_faces:,}: reduce it"
        )


def _declared_faces(path: Path, size: int) -> int:
    """Faces a PLY or binary STL says it has; 0 where only reading can tell."""
    with path.open("rb") as file:
        head = file.read(2048)
    if head.startswith(b"ply"):
        for line in head.split(b"\n"):
            words = line.split()
            if len(words) == 3 and words[:2] == [b"element", b"face"] and words[2].isdigit():
                return int(words[2])
    elif path.suffix.lower() == ".stl" and len(head) >= 84:
        (count,) = struct.unpack("<I", head[80:84])
        if size == 84 + 50 * count:
            return int(count)
        if not head.lstrip().startswith(b"solid"):
            held = (size - 84) // 50
            raise BadMesh(
                f"{path.name} says it has {int(count):,} faces and holds {held:,}: it is cut off or no STL; "
                "copy or export it again"
            )
    elif path.suffix.lower() == ".off":
        return _declared_off(path, head)
    return 0


def _declared_off(path: Path, head: bytes) -> int:
    """Faces of an ASCII OFF, which has a line a corner and a line a face."""
    words = b" ".join(line.split(b"#")[0] for line in head.splitlines()).split()
    counts = [int(word) for word in words[1:3] if word.isdigit()]
    if not head.startswith((b"OFF", b"COFF", b"NOFF")) or len(counts) < 2:
        return 0
    held = path.read_bytes().count(b"\n") + 1
    if held < sum(counts):
        raise BadMesh(
            f"{path.name} says it has {counts[0]:,} corners and {counts[1]:,} faces and holds {held:,} lines: "
            "it is cut off; copy or export it again"
        )
    return counts[1]


def _damaged(path: Path, reason: str) -> str:
    kind = path.suffix[1:].lower()
    return (
        f"{path.name} can't be read as {kind}, it is damaged or cut off ({reason}): copy or export it again"
    )


def _check_gltf(path: Path) -> None:
    """What no reader here could make up for: compression, missing buffers, nodes inside themselves."""
    try:
        tree = gltf_tree(path)
    except (OSError, ValueError, struct.error, RecursionError) as error:
        raise BadMesh(_damaged(path, str(error))) from error
    required = set(_list(tree, "extensionsRequired"))
    if compressed := sorted(required & _COMPRESSED):
        raise BadMesh(
            f"{path.name} is compressed ({', '.join(compressed)}), which isn't read here: export it without "
            "compression"
        )
    finder = Finder(path.parent, source_root(path))
    for entry in _list(tree, "buffers"):
        uri = entry.get("uri") if isinstance(entry, dict) else None
        if isinstance(uri, str) and not uri.startswith("data:") and finder.find(uri) is None:
            raise BadMesh(
                f"{path.name} needs {uri[:100]}, which is not there: send both together, in a ZIP or a folder"
            )
    if _has_cycle(_list(tree, "nodes")):
        raise BadMesh(f"{path.name} has a node that is part of itself: export it again")


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, io.SEEK_END)
        return file.read(1) in b"\r\n"


def _list(tree: dict[str, Any], name: str) -> list[Any]:
    value = tree.get(name)
    return value if isinstance(value, list) else []


def _has_cycle(nodes: list[Any]) -> bool:
    """glTF's nodes must be a forest. (Kahn, Topological sorting of large networks, 1962)"""
    children = [
        [child for child in _list(node, "children") if isinstance(child, int) and 0 <= child < len(nodes)]
        if isinstance(node, dict)
        else []
        for node in nodes
    ]
    parents = [0] * len(nodes)
    for below in children:
        for child in below:
            parents[child] += 1
    free = [place for place, count in enumerate(parents) if not count]
    for place in free:  # grows while it is read
        for child in children[place]:
            parents[child] -= 1
            if not parents[child]:
                free.append(child)
    return len(free) < len(nodes)


def _load(path: Path, suffix: str, resolver: _Resolver) -> trimesh.Scene:
    try:
        data = path.read_bytes()
        if suffix == ".obj":
            data = prepared_obj(data)
        if suffix == ".ply" and b"end_header" not in data:  # trimesh would look for it for ever
            raise ValueError("its header has no end")
        with python_warnings.catch_warnings(), np.errstate(all="ignore"):
            python_warnings.simplefilter("ignore")
            return trimesh.load_scene(
                io.BytesIO(data), file_type=suffix[1:], resolver=resolver, process=False
            )
    except MemoryError:
        raise
    except Exception as error:  # loaders raise anything on a stranger's file
        if suffix == ".ply" and b"end_header" in data and (scene := _ply_of_polygons(path)) is not None:
            return scene
        if isinstance(error, IndexError):
            error = ValueError("a face refers to a corner that isn't there")
        if isinstance(error, UnicodeError | ModuleNotFoundError):  # trimesh guesses encodings with a package
            error = ValueError("bytes where text is expected")
        if isinstance(error, FileNotFoundError):  # of a converter's output, not of ours
            error = ValueError("no solid in it")
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise BadMesh(_damaged(path, reason)) from error


def _ply_of_polygons(path: Path) -> trimesh.Scene | None:
    """Faces of differing numbers of corners, as Blender writes them, which trimesh can't read; None where it
    is no PLY at all. Every polygon becomes a fan of triangles."""
    try:
        read = meshio.ply.read(str(path))
    except (Exception, SystemExit):  # noqa: BLE001 - as trimesh: anything, on a stranger's file
        return None
    fans = [
        np.stack([np.broadcast_to(block.data[:, :1], rest.shape), rest, block.data[:, 2:]], axis=2).reshape(
            -1, 3
        )
        for block in read.cells
        if block.data.ndim == 2 and block.data.shape[1] >= 3
        for rest in [block.data[:, 1:-1]]
    ]
    if not fans:
        return None
    colors = [read.point_data.get(name) for name in ("red", "green", "blue")]
    painted = None
    if all(color is not None for color in colors):
        painted = np.stack([np.asarray(color, dtype=np.uint8) for color in colors], axis=1)
    mesh = trimesh.Trimesh(read.points, np.concatenate(fans), vertex_colors=painted, process=False)
    return trimesh.Scene(mesh)


def _linear_colors(path: Path) -> dict[str, tuple[float, ...]]:
    """baseColorFactor by material name, where the name is unique."""
    try:
        tree = gltf_tree(path)
    except (OSError, ValueError):
        return {}
    found: dict[str, tuple[float, ...]] = {}
    names: dict[str, int] = {}
    for material in tree.get("materials", []):
        name = material.get("name", "")
        factor = material.get("pbrMetallicRoughness", {}).get("baseColorFactor")
        names[name] = names.get(name, 0) + 1
        if isinstance(factor, list):
            found[name] = tuple(float(value) for value in factor)
    return {name: factor for name, factor in found.items() if names[name] == 1}
