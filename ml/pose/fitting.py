"""From the best view to where the model stands in the photo."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ml.geometry.boxes import around, clip, expand, mask_box
from ml.geometry.cameras import cropped, project
from ml.mesh.storage import load_mesh
from ml.pose.masks import estimate_mask
from ml.pose.placing import focal_or_default, place
from ml.render.raycast import RayScene
from ml.types import BoolArray, Box, Camera, FloatArray, Photo, Pose, View

__all__ = ["ModelPoseFitter", "RefineLimits", "fit_pose", "scene_of", "silhouette_iou"]

ROLL_GAIN = 0.03  # IoU by which a turned photo must explain the mask better than an upright one
FOCAL_GAIN = 0.02  # the same of another focal length than the usual one, where the photo doesn't tell its own
TRUSTED = 0.6  # IoU a mask must reach with some viewpoint before it may move the viewpoint
CUT_OFF = "the object reaches the photo's edge; its size and place are uncertain"
NO_FOCAL = "the photo doesn't tell its focal length; a usual one was taken"
GUESSED_FOCAL = "the photo doesn't tell its focal length; it was judged by the outline"
_VIEW_SPREAD = np.radians([3.0, 4.5])  # of azimuth and elevation about the nearest view of the grid
_ASPECT_SPREAD = 0.04  # of a drawn box's log aspect about the true one
_DIFFERENCE = math.radians(1)
_ROUNDS = 3
_EDGE = 2.0  # pixels from the photo's border: a box this near is cut off
_AROUND = 0.25  # of the box, looked at on each side when outlines are compared
_SIDE = 112  # pixels, longer side of the compared outlines


Stand = tuple[float, float, float, float]  # azimuth, elevation, roll, log of focal length over the usual one
_UNITS = (1.0, 1.0, 1.0, 4.0)  # of steps and reach: 5 degrees go with a focal length 1.4 times as long


class Placed(Protocol):
    def __call__(self, candidate: View, roll: float = 0.0, zoom: float = 0.0) -> Camera:
        """The camera by which a viewpoint fills the box; zoom: log of its focal length over the photo's."""


@dataclass(frozen=True, slots=True)
class RefineLimits:
    """reach: how far azimuth and elevation may move, and the photo may be turned in its plane, radians; first
    and last step; seconds it may take."""

    reach: float = math.radians(10)
    first: float = math.radians(5)
    last: float = math.radians(1)
    seconds: float = 0.25


def fit_pose(
    scene: RayScene,
    photo: Photo,
    box: Box,
    view: View,
    *,
    mask: BoolArray | None = None,
    refine: RefineLimits | None = None,
) -> Pose:
    """Where a model seen about from `view` stands in the photo so that it fills `box`.

    The viewpoint moves a few degrees, as the space between the index's views allows, so that the
    outline has the box's aspect too; not where the box reaches the photo's edge.

    mask: (h, w) the object's pixels in the photo, known or estimated; the viewpoint is then refined to
    agree with it and `silhouette_iou` says how well it does. A mask that agrees with no viewpoint
    moves none. Raises BadBox.
    """
    clip(box, photo.width, photo.height)
    focal = focal_or_default(photo.focal_px, photo.width, photo.height)

    def placed(candidate: View, roll: float = 0.0, zoom: float = 0.0) -> Camera:
        return place(
            scene.points, candidate, box, photo.width, photo.height, focal * math.exp(zoom), roll=roll
        )

    is_cut_off = _is_cut_off(box, photo)
    if not is_cut_off:
        view = _agreeing(scene, placed, view, box)
    overlap, roll, zoom = None, 0.0, 0.0
    if mask is not None and mask.any():
        region = _Region.of(mask, box)
        zooms = photo.focal_px is None and not is_cut_off
        refined, overlap = _refined(scene, placed, view, region, refine or RefineLimits(), zooms=zooms)
        if overlap >= TRUSTED:
            view, roll, zoom = View(refined[0], refined[1]), refined[2], refined[3]
        else:
            overlap = region.iou(scene, placed(view))
    notes = [CUT_OFF] if is_cut_off else []
    if photo.focal_px is None:
        notes.append(GUESSED_FOCAL if zoom else NO_FOCAL)
    azimuth = (view.azimuth + math.pi) % (2 * math.pi) - math.pi
    return Pose(azimuth, view.elevation, placed(view, roll, zoom), overlap, tuple(notes))


def silhouette_iou(scene: RayScene, camera: Camera, mask: BoolArray, box: Box) -> float:
    """Intersection over union of the rendered silhouette and the object's (h, w) mask, around `box`."""
    return _Region.of(mask, box).iou(scene, camera)


class ModelPoseFitter:
    """Fits models by the directory they were onboarded to; keeps the last ones ready.

    Made once a process, not shared between threads.
    """

    def __init__(self, kept: int = 24, refine: RefineLimits | None = None) -> None:
        self._kept = kept
        self._refine = refine or RefineLimits()
        self._scenes: OrderedDict[Path, RayScene] = OrderedDict()

    def __call__(self, photo: Photo, box: Box, directory: Path, view: View) -> Pose:
        """The pose, refined by the object's outline where the photo shows it. Raises BadBox, BadMesh."""
        mask = estimate_mask(photo, box)
        return fit_pose(self.scene(directory), photo, box, view, mask=mask, refine=self._refine)

    def scene(self, directory: Path) -> RayScene:
        """The model's geometry, read once. Raises BadMesh, OSError where the directory has none."""
        scene = self._scenes.pop(directory, None) or scene_of(directory)
        self._scenes[directory] = scene
        while len(self._scenes) > self._kept:
            self._scenes.popitem(last=False)
        return scene


def scene_of(directory: Path) -> RayScene:
    """An onboarded model's geometry. Raises BadMesh, OSError where the directory has none."""
    return RayScene(load_mesh(directory / "mesh.npz"))


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """The part of the photo where outlines are compared, and the mask there at that size."""

    part: Box
    mask: BoolArray

    @classmethod
    def of(cls, mask: BoolArray, box: Box) -> _Region:
        height, width = mask.shape
        seen = mask_box(mask) or box
        outer = expand(box, _AROUND)
        union = Box(
            min(outer.x0, seen.x0), min(outer.y0, seen.y0), max(outer.x1, seen.x1), max(outer.y1, seen.y1)
        )
        inside = clip(union, width, height)
        x0, y0, x1, y1 = (
            math.floor(inside.x0),
            math.floor(inside.y0),
            math.ceil(inside.x1),
            math.ceil(inside.y1),
        )
        scale = min(1.0, _SIDE / max(x1 - x0, y1 - y0))
        size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
        small = cv2.resize(mask[y0:y1, x0:x1].astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return cls(Box(x0, y0, x1, y1), small >= 0.5)

    def iou(self, scene: RayScene, camera: Camera) -> float:
        height, width = self.mask.shape
        rendered = scene.mask(cropped(camera, self.part, width, height))
        union = np.count_nonzero(rendered | self.mask)
        return float(np.count_nonzero(rendered & self.mask) / union) if union else 0.0


def _agreeing(scene: RayScene, placed: Placed, start: View, box: Box) -> View:
    """The likeliest viewpoint near `start` given the box's aspect: Gauss-Newton on its logarithm."""

    def excess(angles: FloatArray) -> float:
        found = around(project(placed(View(float(angles[0]), float(angles[1]))), scene.points))
        return math.log(max(found.height, 1e-6) / max(found.width, 1e-6)) - math.log(box.aspect)

    origin = np.array([start.azimuth, start.elevation])
    angles, steps = origin.copy(), np.eye(2) * _DIFFERENCE
    for _ in range(_ROUNDS):
        off = excess(angles)
        slope = np.array(
            [(excess(angles + step) - excess(angles - step)) / (2 * _DIFFERENCE) for step in steps]
        )
        weighted = _VIEW_SPREAD**2 * slope
        gain = weighted / (slope @ weighted + _ASPECT_SPREAD**2)
        wanted = origin - gain * (off - slope @ (angles - origin))
        angles = np.clip(wanted, origin - 2 * _VIEW_SPREAD, origin + 2 * _VIEW_SPREAD)
    return View(float(angles[0]), float(angles[1]))


def _refined(
    scene: RayScene, placed: Placed, start: View, region: _Region, limits: RefineLimits, *, zooms: bool
) -> tuple[Stand, float]:
    """Azimuth, elevation, roll and zoom near `start` whose outline agrees best, and the IoU. The photo counts as
    turned in its plane, or taken from nearer or farther than usual (zooms: it doesn't tell), only where that says
    clearly more than without. The zoom is looked for last and alone: with the angles again it took as long as they."""
    until = time.monotonic() + limits.seconds
    first: Stand = (start.azimuth, start.elevation, 0.0, 0.0)

    @cache  # a climb comes back to where it was, and each begins where another has been
    def agreement(stand: Stand) -> float:
        return region.iou(scene, placed(View(stand[0], stand[1]), stand[2], stand[3]))

    best, overlap = _climbed(agreement, first, first, (0, 1), limits, until)
    turned, better = _climbed(agreement, first, first, (2, 0, 1), limits, until)
    if better >= overlap + ROLL_GAIN:
        best, overlap = turned, better
    if zooms:
        nearer, better = _climbed(agreement, best, first, (3,), limits, until)
        if better >= overlap + FOCAL_GAIN:
            best, overlap = nearer, better
    return best, overlap


def _climbed(
    agreement: Callable[[Stand], float],
    start: Stand,
    center: Stand,
    free: Sequence[int],
    limits: RefineLimits,
    until: float,
) -> tuple[Stand, float]:
    """Coordinate search over the free places, within reach of the center: one at a time, steps halved where none
    helps."""
    best, best_iou = start, agreement(start)
    step = limits.first
    while step >= limits.last:
        improved = False
        for which, sign in product(free, (1, -1)):
            candidate = _moved(best, which, sign * step)
            if time.monotonic() > until:
                return best, best_iou
            if _is_within(candidate, center, limits.reach):
                overlap = agreement(candidate)
                if overlap > best_iou:
                    best, best_iou, improved = candidate, overlap, True
        if not improved:
            step /= 2
    return best, best_iou


def _moved(stand: Stand, which: int, change: float) -> Stand:
    azimuth, elevation, roll, zoom = (
        value + change * unit * (at == which)
        for at, (value, unit) in enumerate(zip(stand, _UNITS, strict=True))
    )
    return azimuth, elevation, roll, zoom


def _is_within(stand: Stand, center: Stand, reach: float) -> bool:
    near = all(
        abs(value - middle) <= reach * unit + 1e-9
        for value, middle, unit in zip(stand, center, _UNITS, strict=True)
    )
    return near and abs(stand[1]) < math.pi / 2


def _is_cut_off(box: Box, photo: Photo) -> bool:
    near = box.x0 < _EDGE or box.y0 < _EDGE
    return near or box.x1 > photo.width - _EDGE or box.y1 > photo.height - _EDGE
