"""Furniture in use: books on its shelves, things on its tops, cushions on its seats, boxes under it.

A catalog's models are empty; what is photographed is not. The thesis' bookcases failed by that (Massa 2017, ch. 3).
Where a thing may stand is found by rays from above: they need no names of parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ml.mesh.parametric.shapes import Points, Shape, ball, box, cushion, disc
from ml.render.raycast import RayScene
from ml.types import Material, Mesh

__all__ = ["used"]

_COLUMNS = 28  # rays along the model's longer horizontal side
_LAYERS = 24  # surfaces that a ray passes
_BELOW = 2e-3  # metres behind a surface at which its ray starts again
_LEAST_FREE = 0.05  # of the model's height: lower gaps hold nothing
_CELLS = 8  # of a place, at least
_SHADES = 24  # materials that things share
_EMPTY = 0.15  # of shelves, where others are filled
_OPEN = np.inf

Vector = npt.NDArray[np.float64]
Number = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Place:
    """A level rectangle that things may stand on: x, z edges, height y, and what is free above it (metres; _OPEN
    where nothing is above); is_floor: it is what the model stands on."""

    x0: float
    x1: float
    z0: float
    z1: float
    y: float
    free: float
    is_floor: bool

    @property
    def wide(self) -> float:
        return self.x1 - self.x0

    @property
    def deep(self) -> float:
        return self.z1 - self.z0


def used(scene: RayScene, rng: np.random.Generator, *, is_inside: bool = False) -> Mesh:
    """The scene's normalized model with things in, on and under it, of other materials than its own.

    is_inside: only where something of the model is above, so that nothing is higher than the model. What has no level
    surface comes back as it was.
    """
    mesh = scene.mesh
    shades = _shades(rng)
    filled = rng.beta(1.2, 0.8)  # of the shelves
    crowded = rng.random()
    shapes: list[tuple[Shape, int]] = []
    for place in _places(scene):
        if place.is_floor:
            if rng.random() < 0.25 and not is_inside:
                shapes += _scattered(place, mesh, rng, 1 + int(rng.integers(2)))
        elif place.free < 0.75 * mesh.extents[1]:
            if rng.random() < filled and rng.random() > _EMPTY:
                shapes += _row(place, rng) if rng.random() < 0.75 else _scattered(place, mesh, rng, 3)
        elif not is_inside and rng.random() < 0.15 + 0.6 * crowded:
            shapes += _scattered(place, mesh, rng, 1 + int(rng.integers(1 + round(4 * crowded))))
    return _merged(mesh, shapes, shades) if shapes else mesh


# ---- where ----------------------------------------------------------------------------------


def _places(scene: RayScene) -> list[_Place]:
    low, high = scene.mesh.vertices.min(axis=0), scene.mesh.vertices.max(axis=0)
    size = high - low
    step = max(size[0], size[2]) / _COLUMNS
    if not step > 0 or not size[1] > 0:
        return []
    counts = np.maximum(1, np.rint(size[[0, 2]] / step)).astype(int)
    x = low[0] + (np.arange(counts[0]) + 0.5) * size[0] / counts[0]
    z = low[2] + (np.arange(counts[1]) + 0.5) * size[2] / counts[1]
    levels, free = _surfaces(scene, x, z, high[1])
    least = _LEAST_FREE * size[1]
    floor = low[1]
    lowest = np.where(np.isfinite(levels), levels, np.inf).min(axis=0)
    under = np.where(np.isfinite(lowest), lowest - floor, _OPEN)
    layers = [
        (np.where(free >= least, levels, np.nan), free, False),
        (np.where(under >= 4 * least, floor, np.nan)[None], under[None], True),
    ]
    places: list[_Place] = []
    edge = np.array([size[0] / counts[0], size[2] / counts[1]])
    for heights, room, is_floor in layers:
        for cells in _regions(heights, 0.6 * step):
            places += _rectangles(cells, heights, room, low, edge, is_floor)
    return places


def _surfaces(scene: RayScene, x: Vector, z: Vector, top: float) -> tuple[Vector, Vector]:
    """Heights that rays from above meet one after another, and what is free above each: (k, nx, nz), nan where
    nothing more is met."""
    across, along = np.meshgrid(x, z, indexing="ij")
    start = np.full(across.shape, top + 0.01)
    above = np.full(across.shape, _OPEN)
    down = np.tile(np.array([0, -1, 0], np.float32), (across.size, 1))
    levels, free = [], []
    for _ in range(_LAYERS):
        origins = np.stack([across.ravel(), start.ravel(), along.ravel()], axis=1).astype(np.float32)
        far = scene.distances(origins, down).reshape(across.shape).astype(np.float64)
        met = start - far
        if not np.isfinite(met).any():
            break
        levels.append(np.where(np.isfinite(met), met, np.nan))
        free.append(np.where(np.isfinite(met), above - met, np.nan))
        above = np.where(np.isfinite(met), met, above)
        start = np.where(np.isfinite(met), met - _BELOW, start)
    if not levels:
        return np.full((1, *across.shape), np.nan), np.full((1, *across.shape), np.nan)
    return np.stack(levels), np.stack(free)


def _regions(heights: Vector, tolerance: float) -> Iterator[tuple[Number, ...]]:
    """Cells (layer, ix, iz) that lie side by side at one height, whichever layer's rays met them."""
    valid = np.isfinite(heights)
    if not valid.any():
        return
    level = np.floor(np.where(valid, heights, 0) / tolerance).astype(int)
    for number in np.unique(level[valid]):
        here = valid & (level == number)
        flat = here.any(axis=0)
        layer = here.argmax(axis=0)
        labels, count = ndimage.label(flat)
        for one in range(1, count + 1):
            ix, iz = np.nonzero(labels == one)
            if len(ix) >= _CELLS:
                yield layer[ix, iz], ix, iz


def _rectangles(
    cells: tuple[Number, ...], heights: Vector, room: Vector, low: Vector, edge: Vector, is_floor: bool
) -> list[_Place]:
    """The largest rectangles of a region, one after another, down to a few cells."""
    layer, ix, iz = cells
    left = np.zeros((ix.max() + 1, iz.max() + 1), np.bool_)
    left[ix, iz] = True
    of = np.zeros(left.shape, int)
    of[ix, iz] = layer
    places = []
    for _ in range(3):
        found = _largest(left)
        if found is None:
            break
        a0, a1, b0, b1 = found
        left[a0:a1, b0:b1] = False
        rows, columns = np.mgrid[a0:a1, b0:b1]
        inside = of[a0:a1, b0:b1], rows, columns
        places.append(
            _Place(
                low[0] + (a0 + 0.4) * edge[0],
                low[0] + (a1 - 0.4) * edge[0],
                low[2] + (b0 + 0.4) * edge[1],
                low[2] + (b1 - 0.4) * edge[1],
                float(heights[inside].max()),
                float(room[inside].min()),
                is_floor,
            )
        )
    return places


def _largest(free: npt.NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Rows and columns (ends left out) of the largest all-True rectangle of at least _CELLS cells, two across."""
    best, found = _CELLS - 1, None
    for start in range(len(free)):
        together = np.ones(free.shape[1], np.bool_)
        for end in range(start, len(free)):
            together &= free[end]
            if not together.any():
                break
            edges = np.flatnonzero(np.diff(np.concatenate([[0], together, [0]])))
            lengths = edges[1::2] - edges[::2]
            at = int(lengths.argmax())
            area = (end + 1 - start) * int(lengths[at])
            if area > best and end > start and lengths[at] > 1:
                best, found = area, (start, end + 1, int(edges[2 * at]), int(edges[2 * at + 1]))
    return found


# ---- what -----------------------------------------------------------------------------------


def _row(place: _Place, rng: np.random.Generator) -> list[tuple[Shape, int]]:
    """Books side by side along a shelf, some of it left free, now and then a box among them."""
    is_along_x = place.wide >= place.deep
    length, depth = (place.wide, place.deep) if is_along_x else (place.deep, place.wide)
    at, end = rng.uniform(0, 0.15) * length, length * rng.uniform(0.7, 1.0)
    book = rng.uniform(0.012, 0.05)
    tall = rng.uniform(0.55, 0.95) * place.free
    shapes: list[tuple[Shape, int]] = []
    while at < end and len(shapes) < 80:
        thick = book * np.exp(rng.normal(0, 0.4))
        if rng.random() < 0.06:
            at += rng.uniform(0.02, 0.2)
            continue
        if rng.random() < 0.05:
            thick *= rng.uniform(3, 8)
        thick = min(thick, end - at)
        height = min(0.97 * place.free, tall * np.exp(rng.normal(0, 0.1)))
        deep = depth * rng.uniform(0.6, 0.95)
        middle = at + thick / 2
        off = (depth - deep) * rng.uniform(-0.5, 0.5)
        one = box(0.97 * thick, height, deep) if is_along_x else box(deep, height, 0.97 * thick)
        x, z = (middle, depth / 2 + off) if is_along_x else (depth / 2 + off, middle)
        shapes.append((one.at(place.x0 + x, place.y + height / 2, place.z0 + z), int(rng.integers(_SHADES))))
        at += thick
    return shapes


def _scattered(place: _Place, mesh: Mesh, rng: np.random.Generator, count: int) -> list[tuple[Shape, int]]:
    """Boxes, balls, vases, cushions anywhere on a place, as high as there is room."""
    shapes = []
    for _ in range(count):
        highest = min(0.92 * place.free, 0.45 * float(mesh.extents[1]), 0.5)
        height = highest * rng.uniform(0.1, 1.0)
        wide, deep = (min(side * rng.uniform(0.1, 0.6), 0.6) for side in (place.wide, place.deep))
        one = _thing(wide, height, deep, rng)
        x = rng.uniform(place.x0 + wide / 2, place.x1 - wide / 2)
        z = rng.uniform(place.z0 + deep / 2, place.z1 - deep / 2)
        tall = float(np.ptp(one.vertices[:, 1]))
        shapes.append((one.at(x, place.y + tall / 2, z), int(rng.integers(_SHADES))))
    return shapes


def _thing(wide: float, height: float, deep: float, rng: np.random.Generator) -> Shape:
    """Around the origin, no larger than that."""
    kind = rng.random()
    round_ = min(wide, deep)
    if kind < 0.4:
        one = box(wide, height, deep).turned("y", rng.uniform(-25, 25))
    elif kind < 0.55:
        one = disc(round_ / 2, height, segments=16)
    elif kind < 0.7:
        one = ball(0.5, 12).scaled(round_, min(height, 1.5 * round_), round_)
    elif kind < 0.85:  # lies flat
        one = box(wide, min(height, 0.04), deep).turned("y", rng.uniform(-40, 40))
    else:
        side = max(wide, height)
        one = cushion(wide, 0.3 * side, height, 0.1 * side, 0.1 * side, 5).turned("x", rng.uniform(40, 85))
        one = one.turned("y", rng.uniform(0, 360))
    middle = (one.vertices.max(axis=0) + one.vertices.min(axis=0)) / 2
    fits = np.minimum(1.0, np.array([wide, height, deep]) / np.maximum(np.ptp(one.vertices, axis=0), 1e-9))
    return one.at(*(-middle)).scaled(*fits)


def _shades(rng: np.random.Generator) -> tuple[Material, ...]:
    colors = np.clip(rng.uniform(0.03, 1.0, (_SHADES, 1)) + rng.normal(0, 0.12, (_SHADES, 3)), 0, 1)
    return tuple(
        Material(f"thing {number}", np.array([*color, 1.0], np.float32))
        for number, color in enumerate(colors)
    )


def _merged(mesh: Mesh, shapes: list[tuple[Shape, int]], shades: tuple[Material, ...]) -> Mesh:
    vertices: list[Points] = [mesh.vertices]
    faces = [mesh.faces.astype(np.int64)]
    material = [mesh.face_material.astype(np.int64)]
    uv = [mesh.uv] if mesh.uv is not None else []
    offset = len(mesh.vertices)
    for shape, shade in shapes:
        vertices.append(shape.vertices)
        faces.append(shape.faces + offset)
        material.append(np.full(len(shape.faces), len(mesh.materials) + shade))
        if mesh.uv is not None:
            uv.append(shape.uv.astype(np.float32))
        offset += len(shape.vertices)
    return Mesh(
        vertices=np.concatenate(vertices),
        faces=np.concatenate(faces).astype(np.int32),
        face_material=np.concatenate(material).astype(np.int32),
        materials=(*mesh.materials, *shades),
        uv=np.concatenate(uv) if mesh.uv is not None else None,
    )
