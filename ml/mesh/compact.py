"""A model's GLB made small for a browser: KHR_mesh_quantization, which needs no decoder, then gzip.

Positions become steps of at most a fifth of a millimetre in 16 bits, normals 8 bits a side; corners that fall
together are shared, and numbered by their first use. Nothing else of the file changes.
"""

from __future__ import annotations

import gzip
import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["compact_glb", "write_compact"]

FROM_BYTES = 64 * 1024  # a lighter file is not worth a second one
WINS_AT = 0.75  # of the file's own length; heavier than that is not kept
_COARSEST = 2e-4  # metres a step
_FEWEST_STEPS, _MOST_STEPS = (1 << 14) - 1, (1 << 16) - 1  # over the model's longest side
_UV_STEPS = 8192  # of a texture's side: digits beyond it only make the file longer
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_FLOAT, _BYTE, _USHORT, _UINT = 5126, 5120, 5123, 5125
_ARRAYS, _INDICES = 34962, 34963  # targets of a buffer view
_TYPES = {_FLOAT: "<f4", _USHORT: "<u2", _UINT: "<u4"}
_SIDES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}

Bytes = npt.NDArray[np.uint8]


def write_compact(model: Path, out: Path) -> bool:
    """Write `out`, gzipped, from a GLB of `write_glb`; False and no file where that would not be much smaller."""
    size = model.stat().st_size
    if size < FROM_BYTES:
        return False
    packed = gzip.compress(compact_glb(model.read_bytes()), 9, mtime=0)
    if len(packed) > WINS_AT * size:
        return False
    out.write_bytes(packed)
    return True


def compact_glb(data: bytes) -> bytes:
    """The same scene, smaller. data: as `write_glb` writes it, every part in the model's own frame."""
    tree, binary = _parse(data)
    old = tree["accessors"], tree["bufferViews"]
    parts = [part for mesh in tree["meshes"] for part in mesh["primitives"]]
    points = [_values(*old, binary, part["attributes"]["POSITION"]) for part in parts]
    low = np.min([rows.min(axis=0) for rows in points], axis=0).astype(np.float64)
    side = float((np.max([rows.max(axis=0) for rows in points], axis=0) - low).max())
    step = side / min(_MOST_STEPS, max(_FEWEST_STEPS, math.ceil(side / _COARSEST))) or 1.0

    made = _Written()
    for part, rows in zip(parts, points, strict=True):
        names = part["attributes"]
        columns = [
            _padded(np.rint((rows - low) / step).astype("<u2"), 8),
            _padded(np.rint(_values(*old, binary, names["NORMAL"]) * 127).astype("i1"), 4),
        ]
        if "TEXCOORD_0" in names:
            uv = np.rint(_values(*old, binary, names["TEXCOORD_0"]) * _UV_STEPS) / _UV_STEPS
            columns.append(_padded((uv + 0.0).astype("<f4"), 8))
        corners, faces = _shared(np.hstack(columns), _values(*old, binary, part["indices"]).reshape(-1, 3))
        part["attributes"] = made.add_corners(corners)
        part["indices"] = made.add_faces(faces, len(corners))
    for image in tree.get("images", []):
        image["bufferView"] = made.add_bytes(_view(old[1][image["bufferView"]], binary))
    for node in tree["nodes"]:
        if "mesh" in node:
            node["translation"], node["scale"] = low.tolist(), [step] * 3
    tree.update(accessors=made.accessors, bufferViews=made.views, buffers=[{"byteLength": len(made.binary)}])
    for key in ("extensionsUsed", "extensionsRequired"):
        tree[key] = [*tree.get(key, []), "KHR_mesh_quantization"]
    return _joined(tree, bytes(made.binary))


class _Written:
    """Buffer views and accessors of the new file, in the order they are added."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add_bytes(self, data: bytes, **more: int) -> int:
        self.views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data), **more})
        self.binary += data + bytes(-len(data) % 4)
        return len(self.views) - 1

    def add_corners(self, corners: Bytes) -> dict[str, int]:
        """corners: (n, 12 or 20), position, normal and uv side by side."""
        places = np.ascontiguousarray(corners[:, :6]).view("<u2").reshape(-1, 3)
        bounds = {"min": places.min(axis=0).tolist(), "max": places.max(axis=0).tolist()}
        found = {
            "POSITION": self._add(corners[:, :8], componentType=_USHORT, type="VEC3", **bounds),
            "NORMAL": self._add(corners[:, 8:12], componentType=_BYTE, type="VEC3", normalized=True),
        }
        if corners.shape[1] > 12:
            found["TEXCOORD_0"] = self._add(corners[:, 12:], componentType=_FLOAT, type="VEC2")
        return found

    def add_faces(self, faces: npt.NDArray[np.int64], corners: int) -> int:
        kind = _USHORT if corners <= _MOST_STEPS else _UINT
        view = self.add_bytes(faces.astype(_TYPES[kind]).tobytes(), target=_INDICES)
        self.accessors.append(
            {"bufferView": view, "componentType": kind, "count": faces.size, "type": "SCALAR"}
        )
        return len(self.accessors) - 1

    def _add(self, rows: Bytes, **more: Any) -> int:
        view = self.add_bytes(rows.tobytes(), byteStride=rows.shape[1], target=_ARRAYS)
        self.accessors.append({"bufferView": view, "count": len(rows), **more})
        return len(self.accessors) - 1


def _shared(corners: Bytes, faces: npt.NDArray[Any]) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """Equal corners once, numbered by first use, and the faces between them; those shrunk to a line are gone."""
    keys = np.ascontiguousarray(corners).view(np.dtype((np.void, corners.shape[1]))).reshape(-1)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    known = inverse.reshape(-1)[faces]
    a, b, c = known.T
    whole = known[(a != b) & (b != c) & (a != c)]
    known = whole if len(whole) else known  # a part keeps something
    used, seen = np.unique(known, return_index=True)
    order = used[np.argsort(seen)]
    number = np.zeros(len(first), np.int64)
    number[order] = np.arange(len(order))
    return corners[first[order]], number[known]


def _padded(rows: npt.NDArray[Any], stride: int) -> Bytes:
    """Each row's bytes, filled up with zeros: glTF wants multiples of four."""
    held = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return np.pad(held, ((0, 0), (0, stride - held.shape[1])))


def _values(
    accessors: list[dict[str, Any]], views: list[dict[str, Any]], binary: bytes, index: int
) -> npt.NDArray[Any]:
    """(count, sides) of an accessor whose rows lie side by side."""
    accessor = accessors[index]
    sides = _SIDES[accessor["type"]]
    start = views[accessor["bufferView"]].get("byteOffset", 0) + accessor.get("byteOffset", 0)
    found = np.frombuffer(binary, _TYPES[accessor["componentType"]], accessor["count"] * sides, start)
    return found.reshape(-1, sides)


def _view(view: dict[str, Any], binary: bytes) -> bytes:
    start = view.get("byteOffset", 0)
    return binary[start : start + view["byteLength"]]


def _parse(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def _joined(tree: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 28 + len(text) + len(binary)
    head = struct.pack("<IIIII", _MAGIC, 2, total, len(text), _JSON)
    return head + text + struct.pack("<II", len(binary), _BIN) + binary
