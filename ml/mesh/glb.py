"""A normalized mesh as binary glTF for the browser."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import trimesh
from PIL import Image

from ml.geometry.normals import corner_normals
from ml.types import Material, Mesh

__all__ = ["write_glb"]

_JPEG_QUALITY = 88
_ROUGHNESS = 0.7
_TRANSPARENT = 0.98  # alpha below which a part is drawn blended


def write_glb(mesh: Mesh, path: Path) -> None:
    """Write atomically: one primitive a material, smooth normals with creases, textures kept.

    Base colors are converted from sRGB to glTF's linear factors; every part is two-sided, as
    catalogs wind their faces either way.
    """
    scene = trimesh.Scene()
    normals = corner_normals(mesh.vertices, mesh.faces)
    factors: dict[str, list[float]] = {}
    for index, material in enumerate(mesh.materials):
        rows = np.flatnonzero(mesh.face_material == index)
        if len(rows):
            name = f"{index}-{material.name}"
            factors[name] = _linear(material.base_color)
            part = _part(mesh, rows, normals, _pbr(material, name, has_uv=mesh.uv is not None))
            scene.add_geometry(part, geom_name=name, node_name=name)

    def finish(tree: dict[str, Any]) -> None:
        for written in tree.get("materials", []):
            name = written["name"]
            written["pbrMetallicRoughness"]["baseColorFactor"] = factors[name]
            written["name"] = name.partition("-")[2]
        for sampled in tree.get("textures", []):
            sampled["sampler"] = 0
        if tree.get("textures"):
            tree["samplers"] = [{"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}]
        tree["asset"]["generator"] = "Shapelens"

    data = trimesh.exchange.gltf.export_glb(scene, include_normals=True, tree_postprocessor=finish)
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _part(
    mesh: Mesh, rows: npt.NDArray[np.intp], normals: npt.NDArray[np.float32], material: Any
) -> trimesh.Trimesh:
    """The faces of one material, corners shared where position, normal and uv agree."""
    textured = material.baseColorTexture is not None and mesh.uv is not None
    columns = [mesh.vertices[mesh.faces[rows]].astype(np.float32), normals[rows].astype(np.float32)]
    if textured and mesh.uv is not None:
        columns.append(mesh.uv[rows])
    corners = np.ascontiguousarray(np.concatenate(columns, axis=2).reshape(3 * len(rows), -1)) + np.float32(0)
    keys = corners.view(np.dtype((np.void, corners.itemsize * corners.shape[1]))).reshape(-1)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    unique = corners[first]
    return trimesh.Trimesh(
        vertices=unique[:, :3],
        faces=inverse.reshape(-1, 3),
        vertex_normals=unique[:, 3:6],
        visual=trimesh.visual.TextureVisuals(uv=unique[:, 6:8] if textured else None, material=material),
        process=False,
        validate=False,
    )


def _pbr(material: Material, name: str, *, has_uv: bool) -> Any:
    texture = material.texture if has_uv else None
    cutout = texture is not None and int(texture[..., 3].min()) < 250
    mode = "BLEND" if material.base_color[3] < _TRANSPARENT else "MASK" if cutout else "OPAQUE"
    return trimesh.visual.material.PBRMaterial(
        name=name,
        baseColorFactor=(np.clip(material.base_color, 0, 1) * 255).astype(np.uint8),
        baseColorTexture=None if texture is None else _picture(texture, keep_alpha=cutout),
        metallicFactor=0.0,
        roughnessFactor=_ROUGHNESS,
        doubleSided=True,
        alphaMode=mode,
        alphaCutoff=0.5 if mode == "MASK" else None,
    )


def _picture(texture: npt.NDArray[np.uint8], *, keep_alpha: bool) -> Image.Image:
    """PNG where alpha counts, or for palettes, whose texels must not bleed; JPEG otherwise."""
    if keep_alpha:
        return Image.fromarray(texture)
    picture = Image.fromarray(np.ascontiguousarray(texture[..., :3]))
    if min(texture.shape[:2]) < 64:
        return picture
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return Image.open(buffer)


def _linear(color: npt.NDArray[np.float32]) -> list[float]:
    srgb = np.clip(color[:3].astype(np.float64), 0, 1)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return [round(float(value), 7) for value in (*linear, color[3])]
