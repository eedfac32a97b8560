"""A Sweet Home 3D library with twelve of its items broken on purpose, each in a way of its own."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["BROKEN", "Broken", "break_library"]

CATALOG = "PluginFurnitureCatalog.properties"
_TRIANGLE = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@dataclass(frozen=True, slots=True)
class Broken:
    """file: the model's new name, '' keeps what it had; data: of that file, None for one that is not there;
    fields: what its entry says besides; reason: what has to be said of it; is_imported: with that as a warning."""

    file: str
    reason: str
    data: bytes | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    is_imported: bool = False


def _stl(*corners: list[list[float]]) -> bytes:
    """Binary, a triangle each."""
    faces = [
        struct.pack("<12fH", 0, 0, 1, *(value for corner in face for value in corner), 0) for face in corners
    ]
    return bytes(80) + struct.pack("<I", len(faces)) + b"".join(faces)


def _glb() -> bytes:
    """A sound one."""
    import trimesh

    return bytes(trimesh.creation.box((0.8, 0.9, 0.6)).export(file_type="glb"))


def _bomb() -> bytes:
    """A 3MF of 64 KB that unpacks to 64 MB."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("3D/3dmodel.model", "w") as file,
    ):
        for _ in range(64):
            file.write(bytes(2**20))
    return out.getvalue()


def _gltf_without_its_buffer() -> bytes:
    tree = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "points.bin", "byteLength": 36}],
        "meshes": [],
    }
    return json.dumps(tree).encode()


_BOX = (
    b"mtllib gone.mtl\nusemtl cloth\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1\n"
    b"f 1 2 3 4\nf 5 6 7 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8\n"
)

BROKEN = {
    "cut off": Broken("cut.glb", "damaged or cut off", _glb()[:700]),
    "no numbers": Broken("nan.stl", "no face has three usable corners", _stl([[float("nan")] * 3] * 3)),
    "empty": Broken("empty.obj", "is empty", b""),
    "bomb": Broken("bomb.3mf", "can't be read as 3mf", _bomb()),
    "no material": Broken("plain.obj", "gone.mtl is missing", _BOX, is_imported=True),
    "wrong suffix": Broken("renamed.obj", "is a GLB by its contents", _glb()),
    "no faces": Broken("bare.stl", "has no faces", _stl()),
    "absurd size": Broken(
        "", "9000 m long; is the unit right", None, {"width": "900000", "depth": "900000", "height": "900000"}, is_imported=True
    ),
    "wrong corner": Broken("corner.obj", "a corner that isn't there", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99\n"),
    "no buffer": Broken("lone.gltf", "needs points.bin, which is not there", _gltf_without_its_buffer()),
    "gone": Broken("gone.obj", "gone.obj", None),
    "half an XML": Broken("half.dae", "can't be read as dae", b"<COLLADA><asset>"),
}  # fmt: skip
"""By kind. Each is named with its reason, and none stops the others."""


def break_library(library: Path, out: Path) -> dict[str, Broken]:
    """Write the library with twelve items broken. What was done to each, by the item's id."""
    with zipfile.ZipFile(library) as whole:
        text = whole.read(CATALOG).decode("latin-1")
        ids = {number: name.strip() for number, name in re.findall(r"(?m)^id#(\d+)\s*=(.*)$", text)}
        numbers = sorted(ids, key=int)[: len(BROKEN)]
        assert len(numbers) == len(BROKEN), f"{library.name} has too few items with an id to break"
        changed = dict(zip(numbers, BROKEN.values(), strict=True))
        files = {}
        for number, one in changed.items():
            said = dict(one.fields)
            if one.file:
                said["model"] = f"/broken/{number}/{one.file}"
            if one.data is not None:
                files[f"broken/{number}/{one.file}"] = one.data
            for name, value in said.items():
                text, found = re.subn(rf"(?m)^{name}#{number}\s*=.*$", f"{name}#{number}={value}", text)
                assert found == 1, f"{library.name}: item {number} has no {name}"
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as broken:
            for info in whole.infolist():
                broken.writestr(
                    info, text.encode("latin-1") if info.filename == CATALOG else whole.read(info)
                )
            for name, data in files.items():
                broken.writestr(name, data)
    return {ids[number]: one for number, one in changed.items()}
