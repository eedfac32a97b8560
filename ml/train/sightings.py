"""Crops of furnished, ray-cast rooms beside plain views of what they show: pairs as a shopper's photo makes them.

Composites (`ml.train.relighting`) paste an object on a photo. Here it stands on a floor, among other things that
hide a part of it, and one light falls on all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import MARGIN, crop_matrix, mask_box
from ml.geometry.cameras import angles_from, camera_center
from ml.geometry.crops import warp
from ml.pipelines.progress import Progress
from ml.render.raycast import RayScene
from ml.train.interiors import POOL_ROOMS, Room, furnished_rooms, part_path, read_parts, write_part
from ml.train.pairs import ModelSpec, plain_view
from ml.train.voxels import coarse_twin
from ml.types import Box, View

__all__ = ["BOX_SHARE", "SIGHTING_SIDE", "Sightings", "open_sightings", "render_sightings"]

SIGHTING_SIDE = 136  # pixels of a stored crop
_AROUND = 0.35  # of the box's sides on each side: room for a box's error
BOX_SHARE = (1 + 2 * MARGIN) / (1 + 2 * _AROUND)  # of a stored crop's side that an exact box's crop takes
_ROOM_SIDE = 256  # pixels of a room
_LEAST = 40.0  # pixels of a box's longer side
_LEAST_ACROSS = 14.0  # and of its shorter one
_LOWEST, _HIGHEST = np.radians([-2.0, 34.0])  # elevations of plain views, as the pairs have


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """n objects seen in rooms.

    pictures  (n, SIGHTING_SIDE, SIGHTING_SIDE) uint8 gray, the visible part's box in the middle
    plain     (n, SIDE, SIDE) uint8, the index's view from where the room's camera was
    coarse    (n, SIDE, SIDE) uint8, the same of the model's voxel twin
    spec      (n,) int32, place of the model among the specs
    """

    pictures: npt.NDArray[np.uint8]
    plain: npt.NDArray[np.uint8]
    coarse: npt.NDArray[np.uint8]
    spec: npt.NDArray[np.int32]


def render_sightings(
    specs: Sequence[ModelSpec],
    photos: Path,
    folder: Path,
    *,
    rooms: int,
    seed: int,
    tell: Progress,
    workers: int = 2,
) -> None:
    """What is seen in at least `rooms` rooms, in parts of POOL_ROOMS; parts that are there are kept.

    photos: an .npy file, (b, s, s, 3) uint8 RGB, which hang on walls and lie as rugs. About 37 kB an object.
    Raises BadSource where no model can be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = range(-(-rooms // POOL_ROOMS))
    missing = [part for part in parts if not part_path(folder, part).exists()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_write_part, specs, photos, folder, part, seed) for part in missing]
        for done, one in enumerate(running, start=len(parts) - len(missing)):
            tell("rooms", done * POOL_ROOMS, rooms)
            one.result()


def open_sightings(folder: Path) -> Sightings:
    """All parts. Raises FileNotFoundError where there is none."""
    return Sightings(*read_parts(folder, Sightings))


def _write_part(specs: Sequence[ModelSpec], photos: Path, folder: Path, part: int, seed: int) -> None:
    cv2.setNumThreads(1)
    hung: npt.NDArray[np.uint8] = np.load(photos, mmap_mode="r")
    rng = np.random.default_rng([seed, part])
    twins: dict[int, RayScene] = {}
    rows = (
        row
        for room in furnished_rooms(specs, hung, rng, side=_ROOM_SIDE)
        for row in _sightings(room, twins, rng)
    )
    write_part(folder, part, Sightings, rows)


def _sightings(
    room: Room, twins: dict[int, RayScene], rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8], np.int32]]:
    """A row of `Sightings` for every object that is large enough and not cut by the picture's border."""
    gray = cv2.cvtColor(room.picture, cv2.COLOR_RGB2GRAY)[..., None]
    for place, one in enumerate(room.seen):
        box = mask_box(room.objects == 1 + place)
        if box is None or not _is_usable(box, len(gray)):
            continue
        picture = warp(gray, crop_matrix(box, SIGHTING_SIDE, _AROUND), SIGHTING_SIDE).reshape(
            2 * [SIGHTING_SIDE]
        )
        seen_from = angles_from(camera_center(one.camera))
        view = View(seen_from.azimuth, float(np.clip(seen_from.elevation, _LOWEST, _HIGHEST)))
        if one.number not in twins:
            twins[one.number] = RayScene(coarse_twin(one.mesh, rng))
        yield (
            picture,
            plain_view(one.scene, view),
            plain_view(twins[one.number], view),
            np.int32(one.number),
        )


def _is_usable(box: Box, side: int) -> bool:
    is_inside = min(box.x0, box.y0) >= 1 and max(box.x1, box.y1) <= side - 1
    return is_inside and max(box.width, box.height) >= _LEAST and min(box.width, box.height) >= _LEAST_ACROSS
