"""Furnished rooms, ray-cast with every object's visible pixels known: the other half of what a finder learns from.

Composites (`ml.train.scenes`) show things pasted anywhere. Here they stand on a floor or on one another, in
perspective, before and behind each other, lit from lamps that cast shadows, as in a shopper's photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ml.errors import BadSource, ShapelensError
from ml.geometry.cameras import camera_center, look_at
from ml.mesh.parametric.shapes import box
from ml.pipelines.progress import Progress
from ml.render.raycast import GBuffer, RayScene
from ml.train.contents import used
from ml.train.pairs import ModelSpec, mesh_of
from ml.types import Array, BoolArray, Camera, Material, Mesh

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "INTERIOR_SIDE",
    "MOST_OBJECTS",
    "Interiors",
    "Room",
    "Seen",
    "furnished_rooms",
    "open_interiors",
    "part_path",
    "read_parts",
    "render_interiors",
    "write_part",
]

INTERIOR_SIDE = 192  # pixels
MOST_OBJECTS = 8  # in a room
A_POOL, POOL_ROOMS = 32, 64  # models loaded at a time, and rooms furnished with them
_FACES = 120_000  # of a model worth loading here
_HIDDEN = 0.45  # share of an object that must be seen for it to be one
_SMALL = 0.6  # metres: what is smaller stands on something, where there is something
_ON_BLOCK = 0.5  # of what is small stands on a block that is the room's, as a counter or a plain table is
_IN_USE = 0.6  # of models have things on their shelves
_BLOCK = -1  # number of a model that no spec made
_SUBJECT = (0.3, 0.85)  # of the picture's side, by what the photo is of
_TRIES = 12
_REACH = 0.5  # metres from which a corner is darkened

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Interiors:
    """pictures (n, s, s, 3) uint8 RGB; objects (n, s, s) uint8: 0 the room, then 1 + number of what is seen."""

    pictures: npt.NDArray[np.uint8]
    objects: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One object of a room: number: of its model among the specs; camera: the room's, from the model's frame."""

    number: int
    mesh: Mesh
    scene: RayScene
    camera: Camera


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """picture (s, s, 3) uint8 RGB; objects (s, s) uint8: 0 the room, then 1 + place in `seen`."""

    picture: npt.NDArray[np.uint8]
    objects: npt.NDArray[np.uint8]
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """number: among the specs, or _BLOCK; shown: the scene as it is photographed, with books on its shelves."""

    number: int
    mesh: Mesh
    scene: RayScene
    shown: RayScene

    @property
    def extents(self) -> Vector:
        return self.mesh.extents


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """room_from_model (4, 4): the room's floor is y = 0."""

    model: _Model
    room_from_model: Vector

    @property
    def center(self) -> Vector:
        return self.room_from_model[:3, 3]

    @property
    def reach(self) -> float:
        """Of its footprint."""
        return 0.5 * float(np.hypot(self.model.extents[0], self.model.extents[2]))

    @property
    def top(self) -> float:
        return float(self.center[1] + self.model.extents[1] / 2)

    @property
    def is_block(self) -> bool:
        return self.model.number == _BLOCK


def render_interiors(
    specs: Sequence[ModelSpec],
    photos: npt.NDArray[np.uint8],
    folder: Path,
    *,
    count: int,
    seed: int,
    tell: Progress,
) -> None:
    """At least `count` rooms into the folder, in parts of POOL_ROOMS; parts that are there are kept.

    photos: (b, s, s, 3) uint8 RGB, which hang on walls and lie as rugs. Raises BadSource where no model can be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    for part in range(math.ceil(count / POOL_ROOMS)):
        tell("rooms", part * POOL_ROOMS, count)
        if part_path(folder, part).exists():
            continue
        rooms = list(furnished_rooms(specs, photos, np.random.default_rng([seed, part])))
        write_part(folder, part, Interiors, ((room.picture, room.objects) for room in rooms))


def open_interiors(folder: Path) -> Interiors:
    """All parts. Raises FileNotFoundError where there is none."""
    return Interiors(*read_parts(folder, Interiors))


def part_path(folder: Path, part: int) -> Path:
    return folder / f"{part:04d}.npz"


def write_part(folder: Path, part: int, kind: type[DataclassInstance], rows: Iterable[Sequence[Any]]) -> None:
    """Rows of a table whose columns are the fields of `kind`; beside, then in place."""
    path = part_path(folder, part)
    begun = path.with_suffix(".begun.npz")
    columns: dict[str, Any] = {
        field.name: np.stack(column)
        for field, column in zip(fields(kind), zip(*rows, strict=True), strict=True)
    }
    np.savez(begun, **columns)
    begun.rename(path)


def read_parts(folder: Path, kind: type[DataclassInstance]) -> list[Array]:
    """All parts' columns, one a field of `kind`. Raises FileNotFoundError where there is none."""
    paths = sorted(folder.glob("[0-9][0-9][0-9][0-9].npz"))
    if not paths:
        raise FileNotFoundError(f"no rooms in {folder}; render them first")
    parts = []
    for path in paths:
        with np.load(path) as table:
            parts.append([table[field.name] for field in fields(kind)])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def furnished_rooms(
    specs: Sequence[ModelSpec],
    photos: npt.NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    side: int = INTERIOR_SIDE,
) -> Iterator[Room]:
    """POOL_ROOMS rooms of `side` pixels, furnished with A_POOL of the models.

    photos: as for `render_interiors`. Raises BadSource where no model can be read.
    """
    pool = _pool(specs, rng)
    for _ in range(POOL_ROOMS):
        yield _room(pool, photos, rng, side)


def _pool(specs: Sequence[ModelSpec], rng: np.random.Generator) -> list[_Model]:
    pool: list[_Model] = []
    for at in rng.permutation(len(specs)):
        try:
            mesh = mesh_of(specs[at])
            if len(mesh.faces) <= _FACES and 0.08 < mesh.extents.max() < 3.5:
                scene = RayScene(mesh)
                shown = RayScene(used(scene, rng, is_inside=True)) if rng.random() < _IN_USE else scene
                pool.append(_Model(int(at), mesh, scene, shown))
        except (ShapelensError, ValueError):
            continue
        if len(pool) == A_POOL:
            break
    if not pool:
        raise BadSource("none of the models can stand in a room; name libraries that have furniture")
    return pool


def _room(pool: Sequence[_Model], photos: npt.NDArray[np.uint8], rng: np.random.Generator, side: int) -> Room:
    while True:
        furniture = _furnished(pool, rng)
        camera = _camera(furniture, rng, side)
        if camera is not None:
            break
    walls = _walls(furniture, camera, rng)
    buffers = [_buffer(placed, camera) for placed in furniture]
    depth = np.stack([np.where(buffer.alpha, buffer.depth, np.inf) for buffer in buffers])
    nearest = depth.argmin(axis=0)
    is_hit = np.isfinite(depth.min(axis=0))
    position, normal, albedo = _shell(camera, walls, photos, rng)
    for number, (placed, buffer) in enumerate(zip(furniture, buffers, strict=True)):
        mine = is_hit & (nearest == number)
        if mine.any():
            normal[mine] = buffer.normal[mine] @ placed.room_from_model[:3, :3].T
            position[mine] = _points(camera, buffer.depth)[mine]
            if placed.is_block:
                albedo[mine] = _Paint(photos, rng).at(_across(position[mine], normal[mine]))
            else:
                albedo[mine] = _painted(buffer, rng)[mine]
    picture = _lit(furniture, camera, walls, position, normal, albedo, rng)
    objects = np.zeros(is_hit.shape, np.uint8)
    seen: list[Seen] = []
    for number, placed in enumerate(furniture):
        mine = is_hit & (nearest == number)
        if not placed.is_block and mine.sum() > _HIDDEN * max(1, int(buffers[number].alpha.sum())):
            model = placed.model
            seen.append(Seen(model.number, model.mesh, model.scene, _seen_by(placed, camera)))
            objects[mine] = len(seen)
    return Room(picture, objects, tuple(seen))


# ---- what stands where ----------------------------------------------------------------------


def _furnished(pool: Sequence[_Model], rng: np.random.Generator) -> list[_Placed]:
    """Objects, the first of which the photo is of."""
    objects: list[_Placed] = []
    for _ in range(int(rng.integers(1, MOST_OBJECTS + 1))):
        model = pool[int(rng.integers(len(pool)))]
        one = _turned(model, rng)
        is_small = model.extents.max() < _SMALL
        if is_small and rng.random() < _ON_BLOCK:
            block = _turned(_block(model, rng), rng)
            if _put_down(block, objects, rng):
                _put_on(one, block, rng)
                objects += [one, block]
            continue
        supports = [other for other in objects if other.center[1] < 0.6 and other.model.extents[1] < 1.3]
        if is_small and supports and rng.random() < 0.8:
            _put_on(one, supports[int(rng.integers(len(supports)))], rng)
        elif not _put_down(one, objects, rng):
            continue
        objects.append(one)
    named = [place for place, one in enumerate(objects) if not one.is_block]
    subject = int(rng.choice(named))
    objects[0], objects[subject] = objects[subject], objects[0]
    return objects


def _turned(model: _Model, rng: np.random.Generator) -> _Placed:
    """Any way around, not yet anywhere."""
    place = np.eye(4)
    place[:3, :3] = Rotation.from_euler("y", rng.uniform(0, 2 * math.pi)).as_matrix()
    return _Placed(model, place)


def _block(under: _Model, rng: np.random.Generator) -> _Model:
    """A plain box that the model can stand on; it is no object, and gets a paint of the room's."""
    least = 1.2 * max(under.extents[0], under.extents[2])
    extents = np.array(
        [rng.uniform(least, least + 1.2), rng.uniform(0.05, 1.1), rng.uniform(least, least + 0.8)]
    )
    shape = box(*extents)
    paint = Material("block", np.ones(4, np.float32))
    mesh = Mesh(shape.vertices, shape.faces.astype(np.int32), np.zeros(len(shape.faces), np.int32), (paint,))
    scene = RayScene(mesh)
    return _Model(_BLOCK, mesh, scene, scene)


def _put_on(one: _Placed, support: _Placed, rng: np.random.Generator) -> None:
    """Somewhere over its middle, at the height a ray from above meets it."""
    across = rng.uniform(-0.3, 0.3, 2) * support.model.extents[[0, 2]]
    above = support.room_from_model @ [across[0], support.model.extents[1] / 2 + 1, across[1], 1]
    drop = support.model.scene.distances(
        np.array([[across[0], support.model.extents[1] / 2 + 1, across[1]]], np.float32),
        np.array([[0, -1, 0]], np.float32),
    )[0]
    height = above[1] - drop if np.isfinite(drop) else 0.0
    one.room_from_model[:3, 3] = above[0], height + one.model.extents[1] / 2, above[2]


def _put_down(one: _Placed, objects: Sequence[_Placed], rng: np.random.Generator) -> bool:
    """On the floor beside the others, whose footprints may touch a little."""
    wide = 0.8 + 0.5 * len(objects)
    for _ in range(_TRIES):
        x, z = rng.uniform(-wide, wide, 2)
        if all(
            math.hypot(x - other.center[0], z - other.center[2]) > 0.75 * (one.reach + other.reach)
            for other in objects
        ):
            one.room_from_model[:3, 3] = x, one.model.extents[1] / 2, z
            return True
    return False


def _camera(objects: Sequence[_Placed], rng: np.random.Generator, side: int) -> Camera | None:
    """One that shows enough of the first object, at a size a photo of it has."""
    subject = objects[0]
    radius = float(np.linalg.norm(subject.model.extents) / 2)
    to_center = np.eye(4)
    to_center[:3, 3] = -subject.center
    for _ in range(_TRIES):
        azimuth, elevation = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(0, 38))
        focal = side / (2 * math.tan(math.radians(rng.uniform(38, 68)) / 2))
        distance = max(1.2 * radius, 2 * radius * focal / side / rng.uniform(*_SUBJECT))
        aside = np.eye(4)
        aside[:3, :3] = Rotation.from_euler(
            "yxz", [rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.15), rng.normal(0, 0.03)]
        ).as_matrix()
        camera = Camera(
            focal,
            focal,
            side / 2,
            side / 2,
            side,
            side,
            aside @ look_at(azimuth, elevation, distance) @ to_center,
        )
        center = camera_center(camera)
        if center[1] < 0.15 or any(
            center[1] < other.top + 0.1
            and np.linalg.norm((center - other.center)[[0, 2]]) < other.reach + 0.1
            for other in objects[1:]
        ):
            continue
        alone = _mask(subject, camera)
        hidden = alone & np.any(
            [_mask(other, camera) & _is_nearer(other, subject, camera) for other in objects[1:]]
            or [np.zeros_like(alone)],
            axis=0,
        )
        if alone.sum() > 0.02 * side * side and hidden.sum() < 0.4 * alone.sum():
            return camera
    return None


def _is_nearer(one: _Placed, other: _Placed, camera: Camera) -> bool:
    """By their centers, which is enough to choose a camera by."""
    depths = [
        (camera.camera_from_model[:3, :3] @ placed.center + camera.camera_from_model[:3, 3])[2]
        for placed in (one, other)
    ]
    return bool(depths[0] < depths[1])


def _seen_by(placed: _Placed, camera: Camera) -> Camera:
    return replace(camera, camera_from_model=camera.camera_from_model @ placed.room_from_model)


def _mask(placed: _Placed, camera: Camera) -> BoolArray:
    return placed.model.scene.mask(_seen_by(placed, camera))


def _buffer(placed: _Placed, camera: Camera) -> GBuffer:
    return placed.model.shown.cast(_seen_by(placed, camera))


# ---- the room -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Walls:
    """A box around everything. low, high (3,): its corners, in a frame turned by `turn` (3, 3)."""

    low: Vector
    high: Vector
    turn: Vector


def _walls(placed: Sequence[_Placed], camera: Camera, rng: np.random.Generator) -> _Walls:
    turn = Rotation.from_euler("y", rng.uniform(0, math.pi / 2)).as_matrix()
    points = np.array([one.center for one in placed] + [camera_center(camera)]) @ turn.T
    reach = np.array([one.reach for one in placed] + [0.3])[:, None]
    low, high = (points - reach).min(axis=0), (points + reach).max(axis=0)
    away = rng.uniform(0.02, 1.5, (2, 3))
    low, high = low - away[0], high + away[1]
    low[1], high[1] = 0.0, max(2.3, float(high[1])) + rng.uniform(0, 0.8)
    return _Walls(low, high, turn)


def _directions(camera: Camera) -> Vector:
    """(h, w, 3) in the room's frame, z = 1 in the camera's."""
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    rays = np.stack([*np.meshgrid(x, y), np.ones((camera.height, camera.width))], axis=-1)
    directions: Vector = rays @ camera.camera_from_model[:3, :3]
    return directions


def _points(camera: Camera, depth: npt.NDArray[np.floating]) -> Vector:
    return camera_center(camera) + _directions(camera) * depth[..., None]


def _shell(
    camera: Camera, walls: _Walls, photos: npt.NDArray[np.uint8], rng: np.random.Generator
) -> tuple[Vector, Vector, Vector]:
    """Where each ray meets the room, (h, w, 3) each: position and normal in the room's frame, linear albedo."""
    center = walls.turn @ camera_center(camera)
    rays = _directions(camera) @ walls.turn.T
    with np.errstate(divide="ignore"):
        ahead = np.where(rays > 0, walls.high - center, walls.low - center) / np.where(rays == 0, 1e-12, rays)
    axis = ahead.argmin(axis=-1)
    depth = np.take_along_axis(ahead, axis[..., None], axis=-1)
    met = center + rays * depth
    is_high = np.take_along_axis(rays, axis[..., None], axis=-1)[..., 0] > 0
    normal = np.zeros_like(met)
    np.put_along_axis(normal, axis[..., None], np.where(is_high, -1.0, 1.0)[..., None], axis=-1)
    albedo = np.empty_like(met)
    wall = _Paint(photos, rng)
    for number in range(3):
        for high in (False, True):
            here = (axis == number) & (is_high == high)
            if not here.any():
                continue
            across = met[here][:, [k for k in range(3) if k != number]]
            if number == 1:
                paint = _Paint(photos, rng, is_ceiling=high)
            else:  # one paint on most walls
                paint = wall if rng.random() < 0.7 else _Paint(photos, rng)
                across = across if number == 2 else across[:, ::-1]
            albedo[here] = paint.at(across)
            if number != 1 and rng.random() < 0.6:
                albedo[here] = _hung(albedo[here], across, photos, rng)
            if number == 1 and not high and rng.random() < 0.4:
                albedo[here] = _hung(albedo[here], across, photos, rng, least=0.8)
    return met @ walls.turn, normal @ walls.turn, albedo


def _across(points: Vector, normals: Vector) -> Vector:
    """(n, 2) metres over the surface of a block, from points and normals (n, 3)."""
    is_top = np.abs(normals[:, 1]) > 0.7
    return np.where(
        is_top[:, None], points[:, [0, 2]], np.stack([points[:, 0] + points[:, 2], points[:, 1]], axis=1)
    )


class _Paint:
    """Plain, grained, tiled, boarded, or papered with a photo; linear RGB of points (n, 2) in metres."""

    def __init__(
        self, photos: npt.NDArray[np.uint8], rng: np.random.Generator, *, is_ceiling: bool = False
    ) -> None:
        self._one = rng.uniform(0.05, 0.85) * _tint(rng, 0.22)
        self._other = self._one * rng.uniform(0.5, 1.0) * _tint(rng, 0.1)
        self._kind = (
            "plain" if is_ceiling else str(rng.choice(["plain", "grain", "tiles", "boards", "paper"]))
        )
        self._size = rng.uniform(0.08, 0.6, 2) * ([1.0, 5.0] if self._kind == "boards" else [1.0, 1.0])
        self._grain = rng.random((64, 64))
        self._coarse = rng.uniform(0.02, 0.4)
        self._photo = _linear(photos[int(rng.integers(len(photos)))])
        self._wide = rng.uniform(0.5, 3.0)

    def at(self, points: Vector) -> Vector:
        cell = np.floor(points / self._size).astype(int)
        if self._kind == "paper":
            side = len(self._photo)
            at = (points / self._wide * side).astype(int) % side
            papered: Vector = self._photo[at[:, 1], at[:, 0]]
            return papered
        if self._kind == "plain":
            share = np.zeros(len(points))
        elif self._kind == "grain":
            at = np.floor(points / self._coarse / 0.1).astype(int) % 64
            share = self._grain[at[:, 1], at[:, 0]]
        elif self._kind == "tiles":
            share = ((cell[:, 0] + cell[:, 1]) % 2).astype(float)
        else:
            share = self._grain[cell[:, 1] % 64, cell[:, 0] % 64]
        share = share[:, None]
        return self._one * (1 - share) + self._other * share


def _hung(
    albedo: Vector,
    across: Vector,
    photos: npt.NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    least: float = 0.2,
) -> Vector:
    """A photo as a picture on the wall or a rug on the floor, somewhere over what is seen of it."""
    photo = _linear(photos[int(rng.integers(len(photos)))])
    size = rng.uniform(least, least + 1.5, 2)
    start = across[int(rng.integers(len(across)))] - size * rng.random(2)
    at = (across - start) / size
    inside = ((at >= 0) & (at < 1)).all(axis=1)
    cells = (at[inside] * photo.shape[0]).astype(int)
    result = albedo.copy()
    result[inside] = photo[photo.shape[0] - 1 - cells[:, 1], cells[:, 0]]
    return result


# ---- light ----------------------------------------------------------------------------------


def _painted(buffer: GBuffer, rng: np.random.Generator) -> Vector:
    """Linear albedo (h, w, 3), at times with every part in another color."""
    albedo = _linear(buffer.albedo)
    if rng.random() < 0.5:
        colors = np.clip(rng.uniform(0.3, 1.6, (257, 1)) * (1 + rng.normal(0, 0.35, (257, 3))), 0.05, 2)
        albedo = albedo * colors[np.minimum(buffer.part, 256)]
    return np.clip(albedo, 0.01, 0.95)


def _lit(
    placed: Sequence[_Placed],
    camera: Camera,
    walls: _Walls,
    position: Vector,
    normal: Vector,
    albedo: Vector,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    """(h, w, 3) sRGB: what comes from all sides, darkened in corners, and one to three lamps."""
    start = position + 0.004 * normal
    around = _unit(normal + _unit(rng.normal(size=normal.shape)))  # cosine-weighted
    near = _distances(placed, start, around)
    open_share = _smooth(np.clip(near / _REACH, 0, 1), 11)[..., None]
    light = rng.uniform(0.15, 0.6) * _tint(rng, 0.1) * (0.25 + 0.75 * open_share)
    light = light * (0.75 + 0.25 * normal[..., 1:2])
    for _ in range(int(rng.integers(1, 4))):
        share = np.array([rng.uniform(0.08, 0.92), rng.uniform(0.55, 0.97), rng.uniform(0.08, 0.92)])
        lamp = walls.turn.T @ (walls.low + share * (walls.high - walls.low))
        wide = rng.uniform(0.02, 0.5)
        to_lamp = lamp + rng.normal(0, wide, position.shape) - start
        far = np.linalg.norm(to_lamp, axis=-1, keepdims=True)
        to_lamp /= np.maximum(far, 1e-6)
        is_free = _distances(placed, start, to_lamp) > far[..., 0]
        free = _smooth(is_free.astype(np.float64), 5)[..., None]
        cosine = np.clip((normal * to_lamp).sum(axis=-1, keepdims=True), 0, None)
        strong = rng.uniform(0.5, 3.0) * _tint(rng, 0.15)
        light = light + strong * free * cosine / np.maximum(far, 0.4) ** rng.uniform(0.5, 2.0)
    linear = albedo * light
    if rng.random() < 0.6:  # gloss, of all there is alike
        back = _unit(camera_center(camera) - position)
        half = _unit(back + _unit(np.array([0.3, 1.0, 0.2]) + rng.normal(0, 0.5, 3)))
        linear = (
            linear + rng.uniform(0, 0.25) * np.clip((normal * half).sum(axis=-1, keepdims=True), 0, 1) ** 30
        )
    linear *= rng.uniform(0.35, 0.65) / max(float(np.quantile(linear, 0.7)), 1e-4)
    shown = np.clip(linear, 0, 1) ** (1 / 2.2)
    return np.asarray(np.rint(shown * 255), np.uint8)


def _distances(placed: Sequence[_Placed], start: Vector, direction: Vector) -> Vector:
    """(h, w) metres to the nearest object along unit directions; infinite where there is none."""
    nearest = np.full(start.shape[:2], np.inf)
    origins, directions = start.reshape(-1, 3), direction.reshape(-1, 3)
    for one in placed:
        turn = one.room_from_model[:3, :3]
        found = one.model.shown.distances(
            ((origins - one.center) @ turn).astype(np.float32), (directions @ turn).astype(np.float32)
        )
        nearest = np.minimum(nearest, found.reshape(nearest.shape))
    return nearest


def _smooth(share: Vector, size: int) -> Vector:
    result: Vector = cv2.GaussianBlur(share, (size, size), 0)
    return result


def _unit(vectors: Vector) -> Vector:
    result: Vector = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return result


def _tint(rng: np.random.Generator, spread: float) -> Vector:
    return np.clip(1 + rng.normal(0, spread, 3), 0.3, 1.3)


def _linear(srgb: npt.NDArray[np.uint8]) -> Vector:
    result: Vector = (srgb / 255.0) ** 2.2
    return result
