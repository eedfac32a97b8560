"""Color and normal of a mesh where a ray meets it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.normals import corner_normals, face_normals
from ml.types import BoolArray, Material, Mesh

__all__ = ["INVISIBLE", "Surfaces", "has_cutouts", "is_visible"]

INVISIBLE = 0.1  # alpha below which a part is left out
CUTOUT = 0.5  # of a texture's largest alpha: texels below let rays through
TEXTURE_SIDE = 1024  # pixels: more can't be seen in a view
LEVELS = 11  # of a texture pyramid, 1024 down to 1
_GRAZING = 0.4  # cosine to the ray below which a smoothed normal may lean the wrong way
_NO_AREA = 1e3  # log2 texels a metre of a face that shows one texel

Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def is_visible(mesh: Mesh) -> BoolArray:
    """(f,) faces of parts that can be seen; all of them where none could."""
    shown = np.array([_opacity(material) >= INVISIBLE for material in mesh.materials])
    faces: BoolArray = shown[mesh.face_material]
    return faces if faces.any() else np.ones(len(mesh.faces), np.bool_)


def has_cutouts(mesh: Mesh) -> bool:
    """Whether some texture lets rays through."""
    return mesh.uv is not None and any(map(_cutoff, mesh.materials))


class Surfaces:
    """Lookups by face and corner weights (u of the second corner, v of the third)."""

    def __init__(self, mesh: Mesh) -> None:
        self._normals = _by_component(corner_normals(mesh.vertices, mesh.faces))
        self._flat = np.ascontiguousarray(face_normals(mesh.vertices, mesh.faces).T, dtype=np.float32)
        self._material = mesh.face_material.astype(np.int32)
        has_uv = mesh.uv is not None
        textured = [has_uv and m.texture is not None and m.texture.size > 0 for m in mesh.materials]
        self._plain = np.stack([_plain_color(material) for material in mesh.materials])
        self._is_textured = np.array(textured)
        self._atlas: _Atlas | None = None
        if any(textured) and mesh.uv is not None:
            self._atlas = _Atlas.of(mesh.materials, textured)
            self._uv = _by_component(mesh.uv)
            self._density = _texel_density(mesh, self._atlas)

    def normals(self, face: Indices, corner: Floats, direction: Floats) -> Floats:
        """(m, 3) unit normals that face against (m, 3) ray directions.

        A smoothed normal that leans away where its flat face does not, at an outline, is bent back
        until it is square to the ray.
        """
        normal = _interpolate(self._normals, face, corner)
        rays = np.ascontiguousarray(direction.T)
        rays /= np.sqrt((rays * rays).sum(axis=0))
        normal /= np.sqrt(np.maximum((normal * normal).sum(axis=0), 1e-24))
        cosine = (normal * rays).sum(axis=0)
        away = cosine > 0
        grazing = np.flatnonzero(np.abs(cosine) < _GRAZING)
        flat = self._flat[:, face[grazing]]
        away[grazing] = (flat * rays[:, grazing]).sum(axis=0) > 0
        np.negative(normal, out=normal, where=away)
        bent = grazing[(cosine[grazing] > 0) != away[grazing]]
        normal[:, bent] += np.abs(cosine[bent]) * -rays[:, bent]
        return np.ascontiguousarray(normal.T)

    def colors(self, face: Indices, corner: Floats, depth: Floats, focal: float) -> Pixels:
        """(m, 3) sRGB of the texel a pixel at (m,) depth covers; focal in pixels."""
        material = self._material.take(face)
        colors: Pixels = self._plain.take(material, axis=0)
        if self._atlas is not None:
            rows = np.flatnonzero(self._is_textured[material])
            if len(rows):
                texels = self._texels(face[rows], corner[rows], depth[rows], focal)
                colors[rows] = texels[:, :3]
        return colors

    def is_open(self, face: Indices, corner: Floats, depth: Floats, focal: float) -> BoolArray:
        """(m,) whether the texel there lets the ray through."""
        result = np.zeros(len(face), np.bool_)
        if self._atlas is not None:
            rows = np.flatnonzero(self._atlas.cutoff[self._material[face]] > 0)
            if len(rows):
                alpha = self._texels(face[rows], corner[rows], depth[rows], focal)[:, 3]
                result[rows] = alpha < self._atlas.cutoff[self._material[face[rows]]]
        return result

    def _texels(self, face: Indices, corner: Floats, depth: Floats, focal: float) -> Pixels:
        assert self._atlas is not None
        uv = _interpolate(self._uv, face, corner)
        # texels a pixel: texels a metre times metres a pixel
        level = np.rint(self._density[face] + np.log2(depth / np.float32(focal)))
        return self._atlas.look_up(self._material[face], uv, level)


@dataclass(frozen=True, slots=True, eq=False)
class _Atlas:
    """Pyramids of all textures, flat; the base color is multiplied in.

    texels  (t, 4) uint8
    start   (materials, LEVELS) int64, first texel of a level
    width, height  (materials, LEVELS) int32
    cutoff  (materials,) uint8, alpha below which a texel is open; 0 where none is
    """

    texels: Pixels
    start: npt.NDArray[np.int64]
    width: Indices
    height: Indices
    cutoff: Pixels

    @classmethod
    def of(cls, materials: tuple[Material, ...], textured: list[bool]) -> _Atlas:
        start = np.zeros((len(materials), LEVELS), np.int64)
        size = np.ones((2, len(materials), LEVELS), np.int32)
        cutoff = np.zeros(len(materials), np.uint8)
        levels: list[Pixels] = []
        total = 0
        for index, material in enumerate(materials):
            if not textured[index] or material.texture is None:
                continue
            cutoff[index] = _cutoff(material)
            for number, level in enumerate(_pyramid(material, int(cutoff[index]))):
                start[index, number] = total
                size[:, index, number] = level.shape[:2]
                levels.append(level.reshape(-1, 4))
                total += len(levels[-1])
        return cls(np.concatenate(levels), start, size[1], size[0], cutoff)

    def look_up(self, material: Indices, uv: Floats, level: Floats) -> Pixels:
        """(m, 4) nearest texels at (2, m) uv, which repeat; row 0 is v = 1."""
        number = np.clip(level, 0, LEVELS - 1).astype(np.int32)
        width, height = self.width[material, number], self.height[material, number]
        wrapped = uv - np.floor(uv)
        column = np.minimum((wrapped[0] * width).astype(np.int32), width - 1)
        row = np.minimum(((1 - wrapped[1]) * height).astype(np.int32), height - 1)
        texel = self.start[material, number] + row * width.astype(np.int64) + column
        found: Pixels = self.texels.take(texel, axis=0)
        return found


def _by_component(values: Floats) -> Floats:
    """(f, 3, c) corner values -> (3, c, f): lookups run along contiguous rows, twice as fast."""
    return np.ascontiguousarray(values.transpose(1, 2, 0), dtype=np.float32)


def _interpolate(values: Floats, face: Indices, corner: Floats) -> Floats:
    """(3, c, f) corner values -> (c, m) at the hits."""
    second, third = np.ascontiguousarray(corner.T)
    first = 1 - second - third
    result = np.empty((values.shape[1], len(face)), np.float32)
    for component, row in enumerate(result):
        np.multiply(values[0, component].take(face), first, out=row)
        row += values[1, component].take(face) * second
        row += values[2, component].take(face) * third
    return result


def _cutoff(material: Material) -> int:
    """Alpha below which a texel is open; 0 where the texture has no holes."""
    if material.texture is None or not material.texture.size:
        return 0
    alpha = material.texture[..., 3]
    limit = CUTOUT * int(alpha.max())
    return max(1, int(limit)) if alpha.min() < limit else 0


def _opacity(material: Material) -> float:
    alpha = float(material.base_color[3])
    if material.texture is not None and material.texture.size:
        alpha *= float(material.texture[..., 3].max()) / 255
    return alpha


def _plain_color(material: Material) -> Pixels:
    return np.rint(np.clip(material.base_color[:3], 0, 1) * 255).astype(np.uint8)


def _pyramid(material: Material, cutoff: int) -> list[Pixels]:
    """LEVELS textures, each half the size of the one before, down to one texel.

    The share of texels with an alpha of `cutoff` or more stays, or leaves vanish from afar.
    """
    assert material.texture is not None
    texture = material.texture.astype(np.float32)
    texture[..., :3] *= np.clip(material.base_color[:3], 0, 1)
    weight = np.maximum(texture[..., 3:], 1e-3)  # averaged by opacity, or cut-outs get dark rims
    current = np.concatenate([texture[..., :3] * weight, weight], axis=2)
    height, width = texture.shape[:2]
    shrink = min(1.0, TEXTURE_SIDE / max(height, width))
    height, width = max(1, round(height * shrink)), max(1, round(width * shrink))
    levels: list[Pixels] = []
    share = float((material.texture[..., 3] < cutoff).mean())
    for _ in range(LEVELS):
        if current.shape[:2] != (height, width):
            current = cv2.resize(current, (width, height), interpolation=cv2.INTER_AREA)
        alpha = current[..., 3:]
        keep = cutoff / max(float(np.quantile(alpha, share, method="lower")), 1e-3) if levels else 1.0
        colors = np.concatenate([current[..., :3] / alpha, alpha * keep], axis=2)
        levels.append(np.rint(np.clip(colors, 0, 255)).astype(np.uint8))
        height, width = max(1, height // 2), max(1, width // 2)
    return levels


def _texel_density(mesh: Mesh, atlas: _Atlas) -> Floats:
    """(f,) log2 of the largest level's texels a metre; huge where a face has no area on the texture:
    it gets the mean color."""
    assert mesh.uv is not None
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    first = (mesh.uv[:, 1] - mesh.uv[:, 0]).astype(np.float64)
    second = (mesh.uv[:, 2] - mesh.uv[:, 0]).astype(np.float64)
    texels = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    texels *= (atlas.width[:, 0].astype(np.float64) * atlas.height[:, 0])[mesh.face_material]
    density = 0.5 * np.log2(np.maximum(texels, 1e-12) / np.maximum(area, 1e-18))
    return np.where(texels > 1e-9, density, _NO_AREA).astype(np.float32)
