"""A mesh on disk, exactly as it was: for rendering again without reading the source."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.errors import BadMesh
from ml.types import Material, Mesh

__all__ = ["load_mesh", "save_mesh"]

_FORMAT = 1


def save_mesh(mesh: Mesh, path: Path) -> None:
    """Write atomically; `load_mesh` gives back every bit. Textures are kept as PNG, vertices as
    float32 where nothing is lost by it (normalized meshes)."""
    single = mesh.vertices.astype(np.float32)
    exact = bool((single.astype(np.float64) == mesh.vertices).all())
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "vertices": single if exact else mesh.vertices,
        "faces": mesh.faces,
        "face_material": mesh.face_material.astype(np.uint16 if len(mesh.materials) < 1 << 16 else np.int32),
        "colors": np.stack([material.base_color for material in mesh.materials]),
    }
    if mesh.uv is not None:
        arrays["uv"] = mesh.uv
    names = [material.name for material in mesh.materials]
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            archive.writestr("mesh.json", json.dumps({"format": _FORMAT, "materials": names}))
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
            for index, material in enumerate(mesh.materials):
                if material.texture is not None:
                    stored = zipfile.ZipInfo(f"texture-{index}.png")  # PNG: compressed already
                    archive.writestr(stored, _png(material.texture))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_mesh(path: Path) -> Mesh:
    """What `save_mesh` wrote. Raises BadMesh where the file is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read("mesh.json"))
            if facts["format"] != _FORMAT:
                raise BadMesh(
                    f"{path.name} has format {facts['format']}, not {_FORMAT}; onboard the model again"
                )
            present = set(archive.namelist())
            colors = _array(archive, "colors")
            materials = tuple(
                Material(name, colors[index].astype(np.float32), _texture(archive, index, present))
                for index, name in enumerate(facts["materials"])
            )
            return Mesh(
                vertices=_array(archive, "vertices").astype(np.float64),
                faces=_array(archive, "faces").astype(np.int32),
                face_material=_array(archive, "face_material").astype(np.int32),
                materials=materials,
                uv=_array(archive, "uv") if "uv.npy" in present else None,
            )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise BadMesh(f"{path.name} is missing or damaged ({error}); onboard the model again") from error


def _array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = np.lib.format.read_array(
        io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False
    )
    return array


def _png(texture: npt.NDArray[np.uint8]) -> bytes:
    opaque = bool((texture[..., 3] == 255).all())
    buffer = io.BytesIO()
    Image.fromarray(texture[..., :3] if opaque else texture).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _texture(archive: zipfile.ZipFile, index: int, present: set[str]) -> npt.NDArray[np.uint8] | None:
    name = f"texture-{index}.png"
    if name not in present:
        return None
    return np.array(Image.open(io.BytesIO(archive.read(name))).convert("RGBA"), dtype=np.uint8)
