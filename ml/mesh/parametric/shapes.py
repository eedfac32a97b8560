"""Solids that furniture is put together from: metres, y up, each drawn around a named origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from ml.types import Material, Mesh

__all__ = ["Assembly", "Points", "Shape", "ball", "box", "cushion", "disc", "lathe", "loft", "sheet", "tube"]

Points = npt.NDArray[np.float64]
Vector = tuple[float, float, float]

_TILE = 0.6
"""Metres that one repeat of a texture covers."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """vertices (v, 3), faces (f, 3), uv (f, 3, 2) in texture repeats."""

    vertices: Points
    faces: npt.NDArray[np.int64]
    uv: Points

    def at(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Shape:
        return Shape(self.vertices + np.array([x, y, z]), self.faces, self.uv)

    def turned(self, axis: str, degrees: float) -> Shape:
        """Turned counter-clockwise about an axis through the origin, seen from its tip."""
        a, b = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        vertices = self.vertices.copy()
        vertices[:, a] = cos * self.vertices[:, a] - sin * self.vertices[:, b]
        vertices[:, b] = sin * self.vertices[:, a] + cos * self.vertices[:, b]
        return Shape(vertices, self.faces, self.uv)

    def scaled(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Shape:
        return Shape(self.vertices * np.array([x, y, z]), self.faces, self.uv)


@dataclass(slots=True)
class Assembly:
    """Shapes with materials, becoming one mesh."""

    parts: list[tuple[Shape, Material]] = field(default_factory=list)

    def add(self, material: Material, *shapes: Shape) -> None:
        self.parts.extend((shape, material) for shape in shapes)

    def mirrored(self, material: Material, *shapes: Shape) -> None:
        """Each shape, and again on the other side of x = 0."""
        for shape in shapes:
            self.add(material, shape, shape.scaled(x=-1))

    def on_corners(self, material: Material, shape: Shape, x: float, z: float) -> None:
        """A leg drawn for the front right (+x, +z) corner, on all four corners."""
        leg = shape.at(x=x, z=z)
        self.add(material, leg, leg.scaled(x=-1), leg.scaled(z=-1), leg.scaled(x=-1, z=-1))

    def mesh(self) -> Mesh:
        """Normalized: centred, float32-exact coordinates."""
        materials: list[Material] = []
        index: dict[int, int] = {}
        face_material = []
        offset = 0
        vertices, faces = [], []
        for number, (shape, material) in enumerate(self.parts):
            if id(material) not in index:
                index[id(material)] = len(materials)
                materials.append(material)
            face_material.append(np.full(len(shape.faces), index[id(material)], dtype=np.int32))
            vertices.append(shape.vertices)
            faces.append(shape.faces + offset)
            offset += len(shape.vertices)
            del number
        stacked = np.concatenate(vertices)
        low, high = stacked.min(axis=0), stacked.max(axis=0)
        # boards of one texture start at different places of it
        shifts = [0.37 * k % 1 for k in range(len(self.parts))]
        uv = np.concatenate([shape.uv + shift for (shape, _), shift in zip(self.parts, shifts, strict=True)])
        textured = any(material.texture is not None for material in materials)
        return Mesh(
            vertices=(stacked - (low + high) / 2).astype(np.float32).astype(np.float64),
            faces=np.concatenate(faces).astype(np.int32),
            face_material=np.concatenate(face_material),
            materials=tuple(materials),
            uv=uv.astype(np.float32) if textured else None,
        )


def _box_uv(vertices: Points, faces: npt.NDArray[np.int64], grain: int) -> Points:
    """Each face seen along its main axis; texture u along `grain` where the face shows it."""
    corners = vertices[faces]
    normal = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    main = normal.argmax(axis=1)
    along = np.where(main == grain, (grain + 1) % 3, grain)
    across = 3 - main - along
    rows = np.arange(len(faces))[:, None]
    columns = np.arange(3)[None]
    u = corners[rows, columns, along[:, None]]
    v = corners[rows, columns, across[:, None]]
    return np.stack([u, v], axis=-1) / _TILE


@cache
def _chamfer_faces() -> npt.NDArray[np.int64]:
    """Triangles of a box with cut edges; vertex 3c + a is corner c pushed out along axis a."""
    signs = np.array([[1 if c >> a & 1 else -1 for a in range(3)] for c in range(8)], dtype=float)
    unit = np.repeat(signs, 3, axis=0) * (0.8 + 0.2 * np.tile(np.eye(3), (8, 1)))
    polygons: list[list[int]] = []
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        for high in (0, 1 << a):
            ring = [high, high | 1 << b, high | 1 << b | 1 << c, high | 1 << c]
            polygons.append([3 * corner + a for corner in ring])
        for high in (0, 1 << b, 1 << c, 1 << b | 1 << c):
            near, far = high, high | 1 << a
            polygons.append([3 * near + b, 3 * far + b, 3 * far + c, 3 * near + c])
    polygons += [[3 * corner, 3 * corner + 1, 3 * corner + 2] for corner in range(8)]
    triangles = []
    for polygon in polygons:
        p = unit[polygon]
        outward = float(np.cross(p[1] - p[0], p[2] - p[0]) @ p.mean(axis=0)) > 0
        ring = polygon if outward else polygon[::-1]
        triangles += [[ring[0], ring[k], ring[k + 1]] for k in range(1, len(ring) - 1)]
    return np.array(triangles)


def box(width: float, height: float, depth: float, bevel: float = 0.0, grain: str = "") -> Shape:
    """Around the origin. bevel: metres cut off every edge. grain: the axis wood runs along, the
    longest by default."""
    half = np.array([width, height, depth]) / 2
    direction = "xyz".index(grain) if grain else int(half.argmax())
    signs = np.array([[1 if c >> a & 1 else -1 for a in range(3)] for c in range(8)], dtype=float)
    if bevel <= 0:
        faces = np.array(
            [[0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
             [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5]]
        )  # fmt: skip
        vertices = signs * half
    else:
        cut = min(bevel, 0.45 * float(half.min()) * 2)
        faces = _chamfer_faces()
        vertices = np.repeat(signs, 3, axis=0) * (half - cut * (1 - np.tile(np.eye(3), (8, 1))))
    return Shape(vertices, faces, _box_uv(vertices, faces, direction))


@cache
def _cube_grid(steps: int) -> tuple[Points, npt.NDArray[np.int64]]:
    """A cube's surface on [-1, 1], its faces in steps x steps cells, denser towards the edges."""
    line = np.sin(np.linspace(-np.pi / 2, np.pi / 2, steps + 1))
    a, b = (grid.reshape(-1) for grid in np.meshgrid(line, line, indexing="ij"))
    cell = np.arange(steps)
    i, j = (grid.reshape(-1) for grid in np.meshgrid(cell, cell, indexing="ij"))
    p = i * (steps + 1) + j
    quads = np.stack([p, p + steps + 1, p + steps + 2, p + 1], axis=1)
    one_side = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    points: list[Points] = []
    faces: list[npt.NDArray[np.int64]] = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            face = np.empty((len(a), 3))
            face[:, axis], face[:, (axis + 1) % 3], face[:, (axis + 2) % 3] = sign, a, b
            faces.append((one_side if sign > 0 else one_side[:, ::-1]) + len(a) * len(points))
            points.append(face)
    return np.concatenate(points), np.concatenate(faces)


def cushion(
    width: float, height: float, depth: float, radius: float, puff: float = 0.0, steps: int = 8
) -> Shape:
    """A box with round edges of `radius`, whose top and bottom bulge by `puff` metres."""
    points, faces = _cube_grid(steps)
    half = np.array([width, height, depth]) / 2
    inner = np.maximum(half - min(radius, float(half.min())), 0.0)
    target = points * half
    core = np.clip(target, -inner, inner)
    out = target - core
    # cells inside a flat face: straight out along it
    out = np.where(np.abs(points) >= 1 - 1e-9, out, out)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    vertices = core + np.where(length > 1e-12, out / np.maximum(length, 1e-12), 0.0) * (half - inner).min()
    x, z = vertices[:, 0] / half[0], vertices[:, 2] / half[2]
    vertices[:, 1] += np.sign(vertices[:, 1]) * puff * np.clip((1 - x**2) * (1 - z**2), 0, 1)
    return Shape(vertices, faces, _box_uv(vertices, faces, 0))


def loft(rings: Points, *, closed: bool = True, caps: bool = True, uv_scale: float = 1.0) -> Shape:
    """A skin over (k, n, 3) rings in order; `closed` joins each ring's end to its start, `caps`
    close the first and last ring with fans."""
    rows, count = rings.shape[:2]
    ring = np.concatenate([rings, rings[:, :1]], axis=1) if closed else rings
    count = ring.shape[1]
    vertices = ring.reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(count - 1), indexing="ij")
    p = (i * count + j).reshape(-1)
    quads = np.stack([p, p + 1, p + count + 1, p + count], axis=1)
    faces = np.concatenate([quads[:, [0, 2, 1]], quads[:, [0, 3, 2]]])
    around = np.linalg.norm(np.diff(ring, axis=1), axis=2).sum(axis=1).max()
    along = np.linalg.norm(np.diff(ring, axis=0), axis=2).mean(axis=1)
    u = np.concatenate([[0.0], np.cumsum(along)])[:, None].repeat(count, 1) / _TILE
    v = np.linspace(0, 1, count)[None].repeat(rows, 0) * max(round(around / _TILE), 1)
    flat = np.stack([u, v], axis=-1).reshape(-1, 2) * uv_scale
    uv = flat[faces]
    if caps and closed:
        for row, order in ((0, 1), (rows - 1, -1)):
            rim = ring[row, :-1]
            start = len(vertices)
            vertices = np.concatenate([vertices, rim, rim.mean(axis=0, keepdims=True)])
            k = np.arange(count - 1)
            fan = np.stack(
                [start + k, start + (k + 1) % (count - 1), np.full(count - 1, start + count - 1)], axis=1
            )
            fan = fan[:, ::order]
            faces = np.concatenate([faces, fan])
            uv = np.concatenate([uv, vertices[fan][..., [0, 2]] / _TILE])
    return Shape(vertices, faces, uv)


def lathe(profile: Sequence[tuple[float, float]], segments: int = 32, *, caps: bool = False) -> Shape:
    """(radius, height) points, bottom to top on the outside, turned about y; a profile may come
    back down on the inside."""
    line = np.array(profile, dtype=np.float64)
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rings = np.empty((len(line), segments, 3))
    rings[..., 0] = line[:, :1] * np.sin(angle)
    rings[..., 1] = line[:, 1:]
    rings[..., 2] = line[:, :1] * np.cos(angle)
    return loft(rings[:, ::-1], caps=caps)


def ball(radius: float, segments: int = 24) -> Shape:
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    return lathe([(max(radius * np.cos(a), 1e-5), radius * np.sin(a)) for a in angle], segments)


def disc(radius: float, thickness: float, bevel: float = 0.0, segments: int = 48) -> Shape:
    """A round plate, centred, its edge cut by `bevel`."""
    h = thickness / 2
    b = min(bevel, h * 0.9)
    profile = (
        [(radius - b, -h), (radius, -h + b), (radius, h - b), (radius - b, h)]
        if b
        else [(radius, -h), (radius, h)]
    )
    return lathe(profile, segments, caps=True)


def tube(
    path: Sequence[Vector] | Points,
    radius: float | Sequence[float],
    segments: int = 10,
    *,
    smooth: int = 0,
) -> Shape:
    """A round bar along points, its radius constant or one a point. smooth: points inserted
    between two by a Catmull-Rom curve."""
    points = np.asarray(path, dtype=np.float64)
    radii = (
        np.full(len(points), radius) if isinstance(radius, float | int) else np.asarray(radius, dtype=float)
    )
    if smooth:
        points, radii = _curve(points, smooth), np.interp(
            np.linspace(0, 1, (len(points) - 1) * (smooth + 1) + 1), np.linspace(0, 1, len(radii)), radii
        )  # fmt: skip
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    side = np.cross(tangent[0], [0.0, 0.0, 1.0] if abs(tangent[0][2]) < 0.9 else [0.0, 1.0, 0.0])
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rings = []
    for point, direction, r in zip(points, tangent, radii, strict=True):
        side = side - direction * (side @ direction)
        side /= max(float(np.linalg.norm(side)), 1e-12)
        up = np.cross(direction, side)
        rings.append(point + r * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up))
    return loft(np.array(rings)[:, ::-1])


def _curve(points: Points, between: int) -> Points:
    """Catmull-Rom through the points."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, between + 1, endpoint=False)[:, None]
    pieces = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(
            0.5
            * (
                2 * p1
                + (p2 - p0) * t
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
                + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            )
        )
    return np.concatenate([*pieces, points[-1:]])


def sheet(grid: Points, thickness: float) -> Shape:
    """A bent board: (n, m, 3) points of its middle, thickened along the normals, edges closed."""
    du, dv = np.gradient(grid, axis=0), np.gradient(grid, axis=1)
    normal = np.cross(du, dv)
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)
    front, back = grid + normal * thickness / 2, grid - normal * thickness / 2
    rings = np.concatenate([front, back[:, ::-1]], axis=1)
    skin = loft(rings)
    n, m = grid.shape[:2]
    size = (
        np.linalg.norm(grid[-1, m // 2] - grid[0, m // 2]),
        np.linalg.norm(grid[n // 2, -1] - grid[n // 2, 0]),
    )
    flat = np.stack(
        np.meshgrid(np.linspace(0, size[0], n), np.linspace(0, size[1], m), indexing="ij"), axis=-1
    )
    around = np.concatenate([flat, flat[:, ::-1], flat[:, :1]], axis=1).reshape(-1, 2) / _TILE
    uv = skin.uv.copy()
    inside = (skin.faces < len(around)).all(axis=1)
    uv[inside] = around[skin.faces[inside]]
    return Shape(skin.vertices, skin.faces, uv)
