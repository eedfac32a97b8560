"""From a trimesh scene to our Mesh: one triangle list, uv per corner, materials as written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import trimesh

from ml.errors import BadMesh
from ml.mesh.limits import MeshLimits
from ml.mesh.textures import TextureRefusedError, texture_array
from ml.types import Material, Mesh

__all__ = ["DEFAULT_COLOR", "mesh_from_scene"]

DEFAULT_COLOR = (0.8, 0.8, 0.8, 1.0)
"""Light gray where a file says nothing: never black."""

_SEPARATE_COLORS = 24
"""Up to so many face colors become materials of their own; more go into one palette texture."""


@dataclass(slots=True)
class _Builder:
    limits: MeshLimits
    linear_colors: Mapping[str, tuple[float, ...]] | None
    vertices: list[npt.NDArray[np.float64]] = field(default_factory=list)
    faces: list[npt.NDArray[np.int64]] = field(default_factory=list)
    face_material: list[npt.NDArray[np.int32]] = field(default_factory=list)
    uv: list[npt.NDArray[np.float32]] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)
    known: dict[int, int] = field(default_factory=dict)
    textures: dict[int, npt.NDArray[np.uint8] | None] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    offset: int = 0

    def warn(self, text: str) -> None:
        self.warnings[text] = None


def mesh_from_scene(
    scene: trimesh.Scene,
    limits: MeshLimits,
    linear_colors: Mapping[str, tuple[float, ...]] | None = None,
) -> tuple[Mesh, tuple[str, ...]]:
    """Every triangle mesh of the scene, placed by its graph, as one Mesh in scene coordinates.

    linear_colors: exact linear base colors by material name, for glTF, whose factors trimesh
    rounds to 8 bits; None for formats whose colors are sRGB. Raises BadMesh.
    """
    placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
    solid = [(t, scene.geometry[g]) for t, g in placed if isinstance(scene.geometry[g], trimesh.Trimesh)]
    total = sum(len(geometry.faces) for _, geometry in solid)
    if total > limits.max_faces:
        raise BadMesh(
            f"{total:,} faces, over the limit of {limits.max_faces:,}: reduce the model before import"
        )
    if not total:
        kinds = sorted({type(geometry).__name__ for geometry in scene.geometry.values()})
        found = f"only {', '.join(kinds)}" if kinds else "nothing"
        raise BadMesh(f"the model has no faces ({found} found): export it as triangles")
    builder = _Builder(limits, linear_colors)
    for transform, geometry in solid:
        if len(geometry.faces):
            _add(builder, np.asarray(transform, dtype=np.float64), geometry)
    uv = np.concatenate(builder.uv)
    mesh = Mesh(
        vertices=np.concatenate(builder.vertices),
        faces=np.concatenate(builder.faces).astype(np.int32),
        face_material=np.concatenate(builder.face_material),
        materials=tuple(builder.materials),
        uv=uv if any(material.texture is not None for material in builder.materials) else None,
    )
    return mesh, tuple(builder.warnings)


def _add(builder: _Builder, transform: npt.NDArray[np.float64], geometry: trimesh.Trimesh) -> None:
    vertices = np.asarray(geometry.vertices, dtype=np.float64)
    faces = np.asarray(geometry.faces, dtype=np.int64)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise BadMesh("a vertex has not three coordinates: the file is damaged; export it again")
    with np.errstate(invalid="ignore", over="ignore"):
        builder.vertices.append(vertices @ transform[:3, :3].T + transform[:3, 3])
    builder.faces.append(faces + builder.offset)
    builder.offset += len(vertices)
    face_material, uv = _surface(builder, geometry, faces)
    builder.face_material.append(face_material)
    builder.uv.append(uv)


def _surface(
    builder: _Builder, geometry: trimesh.Trimesh, faces: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """(f,) material and (f, 3, 2) uv of one geometry; materials are appended to the builder."""
    visual: Any = geometry.visual
    blank = np.zeros((len(faces), 3, 2), dtype=np.float32)
    colors = _face_colors(geometry)
    if colors is not None:
        return _painted(builder, colors, blank)
    source = getattr(visual, "material", None)
    coordinates = getattr(visual, "uv", None)
    uv = blank
    if (
        coordinates is not None
        and np.shape(coordinates)[1:] >= (2,)  # an OBJ may give one number a corner
        and len(coordinates) == len(geometry.vertices)
        and faces.max() < len(coordinates)
    ):
        with np.errstate(invalid="ignore", over="ignore"):
            uv = np.nan_to_num(np.asarray(coordinates, dtype=np.float32)[:, :2], posinf=0, neginf=0)[faces]
    parts: list[Any] = list(getattr(source, "materials", ()) or ())
    indices = getattr(visual, "face_materials", None)
    if parts and indices is not None and len(indices) == len(faces):
        table = np.array([_material(builder, part) for part in parts], dtype=np.int32)
        return table[np.clip(np.asarray(indices, dtype=np.int64), 0, len(parts) - 1)], uv
    index = _material(builder, source)
    if builder.materials[index].texture is not None and coordinates is None:
        builder.warn("a textured part has no texture coordinates; drawn with one texel's color")
    return np.full(len(faces), index, dtype=np.int32), uv


def _face_colors(geometry: trimesh.Trimesh) -> npt.NDArray[np.uint8] | None:
    """(f, 4) colors painted on faces or vertices, None where there are none."""
    visual: Any = geometry.visual
    kind = getattr(visual, "kind", None)
    if kind == "vertex":
        corner = np.asarray(visual.vertex_colors, dtype=np.float32)
        if len(corner) == len(geometry.vertices):
            mean: npt.NDArray[np.float32] = corner[np.asarray(geometry.faces)].mean(axis=1)
            return np.rint(mean).astype(np.uint8)
    if kind == "face" and len(visual.face_colors) == len(geometry.faces):
        return np.asarray(visual.face_colors, dtype=np.uint8)
    return None


def _painted(
    builder: _Builder, colors: npt.NDArray[np.uint8], blank: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Face colors as materials where they are few, else as texels of one palette."""
    if not colors[:, 3].any():
        colors = np.where([False, False, False, True], np.uint8(255), colors)
    if len(np.unique(colors[:4096], axis=0)) > _SEPARATE_COLORS:
        colors = np.where([True, True, True, False], colors & np.uint8(0xFC) | np.uint8(0x02), colors)
    packed = np.ascontiguousarray(colors).view("<u4").reshape(-1)
    values, inverse = np.unique(packed, return_inverse=True)
    palette = values.astype("<u4").view(np.uint8).reshape(-1, 4)
    if len(palette) <= _SEPARATE_COLORS:
        start = len(builder.materials)
        for number, color in enumerate(palette):
            name = f"color {start + number + 1}"
            builder.materials.append(Material(name, (color / 255).astype(np.float32)))
        return (start + inverse).astype(np.int32), blank
    width = min(256, len(palette))
    height = -(-len(palette) // width)
    texture = np.zeros((height * width, 4), dtype=np.uint8)
    texture[: len(palette)] = palette
    u = (inverse % width + 0.5) / width
    v = 1 - (inverse // width + 0.5) / height
    uv = np.repeat(np.stack([u, v], axis=1)[:, None].astype(np.float32), 3, axis=1)
    builder.materials.append(
        Material("painted", np.ones(4, dtype=np.float32), texture.reshape(height, width, 4))
    )
    return np.full(len(blank), len(builder.materials) - 1, dtype=np.int32), uv


def _material(builder: _Builder, source: Any) -> int:
    """Index of the material made from trimesh's; one for each distinct object."""
    if source is None:
        builder.materials.append(_plain(f"part {len(builder.materials) + 1}"))
        return len(builder.materials) - 1
    if id(source) not in builder.known:
        builder.known[id(source)] = len(builder.materials)
        builder.materials.append(_converted(builder, source))
    return builder.known[id(source)]


def _plain(name: str) -> Material:
    return Material(name, np.array(DEFAULT_COLOR, dtype=np.float32))


def _converted(builder: _Builder, source: Any) -> Material:
    pbr = isinstance(source, trimesh.visual.material.PBRMaterial)
    name = str(source.name or f"part {len(builder.materials) + 1}")
    image = source.baseColorTexture if pbr else source.image
    texture = _texture(builder, image, name)
    if pbr:
        color = _pbr_color(builder, source, name)
    else:
        color = _simple_color(source, has_texture=texture is not None)
    if image is not None and texture is None and color[:3].min() > 0.99:
        color[:3] = DEFAULT_COLOR[:3]
    return Material(name, color, texture)


def _pbr_color(builder: _Builder, source: Any, name: str) -> npt.NDArray[np.float32]:
    factor = source.baseColorFactor
    linear = np.ones(4) if factor is None else np.asarray(factor, dtype=np.float64).reshape(4) / 255
    if builder.linear_colors is None:  # DAE: trimesh stores sRGB in its PBR material
        return linear.astype(np.float32)
    exact = builder.linear_colors.get(name)
    if exact is not None and len(exact) == 4:
        linear = np.asarray(exact, dtype=np.float64)
    alpha = linear[3] if source.alphaMode in {"BLEND", "MASK"} else 1.0
    return np.append(srgb_from_linear(linear[:3]), np.clip(alpha, 0, 1)).astype(np.float32)


def _simple_color(source: Any, *, has_texture: bool) -> npt.NDArray[np.float32]:
    """Kd and d of an MTL. A texture under a black Kd is shown unchanged: many exporters write
    'Kd 0 0 0' beside map_Kd, and the product would be black."""
    options = source.kwargs
    given = options.get("kd")
    color = np.ones(4) if has_texture else np.array(DEFAULT_COLOR)
    if isinstance(given, list) and len(given) >= 3:
        color[:3] = given[:3]
    elif isinstance(given, float):
        color[:3] = given
    elif "kd" not in options and not has_texture and source.diffuse is not None and "name" not in options:
        color = np.asarray(source.diffuse, dtype=np.float64).reshape(-1)[:4] / 255
    if has_texture and color[:3].max() <= 0.05:
        color[:3] = 1.0
    color[3] = _opacity(options)
    return np.clip(np.nan_to_num(color), 0, 1).astype(np.float32)


def _opacity(options: Mapping[str, Any]) -> float:
    """d, else 1 - Tr (exporters that write both write the same thing twice); else 1."""
    for key, sign in (("d", 1.0), ("tr", -1.0)):
        value = options.get(key)
        if isinstance(value, list) and value:
            try:
                number = float(value[-1])
            except ValueError:
                continue
            return number if sign > 0 else 1.0 - number
    return 1.0


def _texture(builder: _Builder, image: Any, name: str) -> npt.NDArray[np.uint8] | None:
    if image is None:
        return None
    if id(image) in builder.textures:
        return builder.textures[id(image)]
    texture = None
    if sum(t is not None for t in builder.textures.values()) >= builder.limits.textures:
        builder.warn(f"more than {builder.limits.textures} textures; the rest is left out")
    else:
        try:
            size = image.size
            texture, reduced = texture_array(image, builder.limits)
            if reduced:
                shown = f"{texture.shape[1]} x {texture.shape[0]}"
                builder.warn(
                    f"the texture of {name} was reduced from {size[0]} x {size[1]} to {shown} pixels"
                )
        except TextureRefusedError as refused:
            builder.warn(f"the texture of {name} is left out: {refused}")
    builder.textures[id(image)] = texture
    return texture


def srgb_from_linear(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IEC 61966-2-1, elementwise, on [0, 1]."""
    safe = np.clip(linear, 0.0, 1.0)
    result: npt.NDArray[np.float64] = np.where(
        safe <= 0.0031308, 12.92 * safe, 1.055 * safe ** (1 / 2.4) - 0.055
    )
    return result
