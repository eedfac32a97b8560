"""Files that should not be: how each is made, and what the reader must say of it.

`python -m tests.ml.mesh.bad_files` sends every one and prints the table of docs/formats.md.
"""

from __future__ import annotations

import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from ml.errors import BadMesh
from ml.mesh.limits import MeshLimits
from ml.mesh.models import load_model
from ml.types import Mesh, ModelFile

__all__ = ["BAD", "Bad", "sent"]

FILES = Path(__file__).parent / "files"
Make = Callable[[Path], Path]


@dataclass(frozen=True, slots=True)
class Bad:
    """what: in words; make: writes it into a folder; says: a pattern of the refusal or warning; faces: kept,
    0 where the file is refused."""

    what: str
    make: Make
    says: str
    faces: int = 0
    limits: MeshLimits = MeshLimits()  # noqa: RUF009


def sent(bad: Bad, folder: Path) -> tuple[Mesh | None, str]:
    """The mesh, or None, and what was said."""
    path = bad.make(folder)
    try:
        mesh, warnings = load_model(ModelFile(key="bad", path=path, name="bad"), limits=bad.limits)
    except BadMesh as error:
        return None, str(error)
    return mesh, "; ".join(warnings)


# ---- how they are made ----------------------------------------------------------------------------


def _bytes(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return make


def _text(name: str, text: str) -> Make:
    return _bytes(name, text.encode())


def _cut(file: str, share: float = 0.5) -> Make:
    """A good file broken off, with its side files whole."""

    def make(folder: Path) -> Path:
        original = FILES / file
        for side in original.parent.iterdir():
            if side.is_file() and side != original:
                (folder / side.name).write_bytes(side.read_bytes())
        path = folder / original.name
        data = original.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return make


def _box(
    name: str, *, size: float = 1.0, at: float = 0.0, change: Callable[[trimesh.Trimesh], None] | None = None
) -> Make:
    def make(folder: Path) -> Path:
        box = trimesh.creation.box((size, size / 2, size / 4))
        box.apply_translation((at, at, at))
        if change is not None:
            change(box)
        path = folder / name
        box.export(path)
        return path

    return make


def _sphere(name: str, subdivisions: int) -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        trimesh.creation.icosphere(subdivisions=subdivisions).export(path)
        return path

    return make


def _gltf(change: Callable[[dict], None]) -> Make:
    def make(folder: Path) -> Path:
        source = FILES / "blender" / "separate"
        tree = json.loads((source / "stool.gltf").read_text())
        change(tree)
        for side in ("stool.bin", "checker.png"):
            (folder / side).write_bytes((source / side).read_bytes())
        path = folder / "stool.gltf"
        path.write_text(json.dumps(tree))
        return path

    return make


def _inside_itself(tree: dict) -> None:
    tree["nodes"][0]["children"] = [1]
    tree["nodes"][1]["children"] = [0]


def _buffer(uri: str) -> Callable[[dict], None]:
    def change(tree: dict) -> None:
        tree["buffers"][0]["uri"] = uri

    return change


def _huge_texture(folder: Path) -> Path:
    """A PNG whose header promises 30,000 x 30,000 pixels, and an OBJ that wears it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    picture += chunk(b"IDAT", zlib.compress(b"\0" * 90_001)) + chunk(b"IEND", b"")
    for name in ("stool.obj", "stool.mtl"):
        (folder / name).write_bytes((FILES / "blender" / "obj" / name).read_bytes())
    (folder / "checker.png").write_bytes(picture)
    return folder / "stool.obj"


def _flip(box: trimesh.Trimesh) -> None:
    box.faces = box.faces[:, ::-1]


def _double(box: trimesh.Trimesh) -> None:
    box.faces = np.concatenate([box.faces, box.faces, np.zeros((5, 3), np.int64)])


_HANGING_NUMBER = (
    "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
)
_LINES = "v 0 0 0\nv 1 0 0\nv 1 1 0\nl 1 2\nl 2 3\n"
_TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"

BAD = [
    Bad("an empty file", _bytes("stool.obj", b""), r"is empty: copy or export it again"),
    Bad("a letter named .glb", _text("stool.glb", "Dear madam, dear sir"), r"first bytes are not .glTF.*export it again"),
    Bad("a format that isn't read", _bytes("stool.max", b"x"), r"not a mesh format read here; use one of"),
    Bad("GLB, half of it", _cut("blender/stool.glb"), r"export it again"),
    Bad("glTF, half of it", _cut("blender/separate/stool.gltf"), r"export it again"),
    Bad("OBJ, the last tenth gone", _cut("blender/obj/stool.obj", 0.9), r"ends in the middle of a line", faces=188),
    Bad("STL, half of it", _cut("gmsh/stool.stl"), r"says it has 972 faces and holds 485: it is cut off"),
    Bad("PLY, half of it", _cut("blender/stool.ply"), r"export it again"),
    Bad("OFF, half of it", _cut("gmsh/stool.off"), r"export it again"),
    Bad("3MF, half of it", _cut("openscad/stool.3mf"), r"export it again"),
    Bad("DAE, half of it", _cut("assimp/stool.dae"), r"export it again"),
    Bad("STEP, half of it", _cut("gmsh/stool.step"), r"export"),
    Bad("STL that claims 4 billion faces", _bytes("stool.stl", b"\0" * 80 + b"\xff\xff\xff\xff" + b"\0" * 500), r"4,294,967,295 faces and holds 10"),
    Bad("PLY that claims 4 billion faces", _text("stool.ply", _HANGING_NUMBER + "element face 4000000000\nproperty list uchar int vertex_indices\nend_header\n"), r"4,000,000,000 faces, over the limit"),
    Bad("more faces than the limit", _sphere("ball.stl", 4), r"5,120 faces, over the limit of 4,000", limits=MeshLimits(max_faces=4000)),
    Bad("more faces than can be seen", _sphere("ball.stl", 4), r"reduced from 5,120 to", faces=2000, limits=MeshLimits(target_faces=2000)),
    Bad("a glTF whose node is inside itself", _gltf(_inside_itself), r"a node that is part of itself"),
    Bad("a glTF without its buffer", _gltf(_buffer("gone.bin")), r"needs gone\.bin, which is not there: send both"),
    Bad("a glTF whose buffer lies elsewhere", _gltf(_buffer("../../../../etc/passwd")), r"needs .*passwd, which is not there"),
    Bad("a GLB with Draco compression", lambda _: FILES / "blender" / "draco.glb", r"KHR_draco_mesh_compression.*without\s+compression"),
    Bad("a texture of 30,000 x 30,000", _huge_texture, r"texture checker\.png is left out: .*pixels", faces=188),
    Bad("points and lines only", _text("lines.obj", _LINES), r"no faces.*export"),
    Bad("points only", _text("points.obj", _TRIANGLE), r"no faces.*export|nothing"),
    Bad("a face of corners that aren't there", _text("gap.obj", _TRIANGLE + "f 1 2 9\n"), r"corner that isn't there|missing"),
    Bad("coordinates that are no numbers", _text("nan.obj", "v nan 0 0\nv 0 nan 0\nv 0 0 nan\nf 1 2 3\n"), r"not a number"),
    Bad("coordinates of 10^30", _text("far.obj", "v 1e30 0 0\nv 0 1e30 0\nv 0 0 1e30\nf 1 2 3\n"), r"beyond 10\^12"),
    Bad("everything at one place", _text("dot.obj", "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n"), r"no face has an area"),
    Bad("0.1 mm large, unit stated", _box("tiny.glb", size=0.0001), r"measures 0\.0001 m in m, as stated.*--unit", faces=12),
    Bad("10 km large, unit stated", _box("vast.glb", size=10_000), r"measures 1e\+04 m in m, as stated.*--unit", faces=12),
    Bad("10 km large, unit open", _box("vast.ply", size=10_000), r"states no unit; read as mm", faces=12),
    Bad("a million metres from the origin", _box("away.obj", at=1e6), r"states no unit", faces=12),
    Bad("turned inside out", _box("inside.obj", change=_flip), r"states no unit", faces=12),
    Bad("faces twice and faces of nothing", _box("twice.off", change=_double), r"5 of 29 faces have no area.*12 of 24 faces repeat another", faces=12),
]  # fmt: skip


def main() -> None:
    print("| sent | came in | answered |\n|---|---|---|")
    for bad in BAD:
        with tempfile.TemporaryDirectory() as folder:
            mesh, said = sent(bad, Path(folder))
        came = f"{len(mesh.faces):,} faces" if mesh else "no"
        print(f"| {bad.what} | {came} | {said} |")


if __name__ == "__main__":
    main()
