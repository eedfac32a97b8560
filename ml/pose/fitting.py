"""From the best view to where the model stands in the photo."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ml.geometry.boxes import around, clip, expand, mask_box
from ml.geometry.cameras import cropped, project
from ml.mesh.storage import load_mesh
from ml.pose.masks import estimate_mask
from ml.pose.placing import focal_or_default, place
from ml.render.raycast import RayScene
from ml.types import BoolArray, Box, Camera, FloatArray, Photo, Pose, View

__all__ = ["ModelPoseFitter", "RefineLimits", "fit_pose", "silhouette_iou"]

TRUSTED = 0.6  # IoU a mask must reach with some viewpoint before it may move the viewpoint
CUT_OFF = "the object reaches the photo's edge; its size and place are uncertain"
NO_FOCAL = "the photo doesn't tell its focal length; a usual one was taken"
_VIEW_SPREAD = np.radians([3.0, 4.5])  # of azimuth and elevation about the nearest view of the grid
_ASPECT_SPREAD = 0.04  # of a drawn box's log aspect about the true one
_DIFFERENCE = math.radians(1)
_ROUNDS = 3
_EDGE = 2.0  # pixels from the photo's border: a box this near is cut off
_AROUND = 0.25  # of the box, looked at on each side when outlines are compared
_SIDE = 112  # pixels, longer side of the compared outlines


@dataclass(frozen=True, slots=True)
class RefineLimits:
    """reach: how far azimuth and elevation may move, radians; first and last step; seconds it may take."""

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

    def placed(candidate: View) -> Camera:
        return place(scene.points, candidate, box, photo.width, photo.height, focal)

    is_cut_off = _is_cut_off(box, photo)
    if not is_cut_off:
        view = _agreeing(scene, placed, view, box)
    overlap = None
    if mask is not None and mask.any():
        region = _Region.of(mask, box)
        refined, overlap = _refined(scene, placed, view, region, refine or RefineLimits())
        if overlap >= TRUSTED:
            view = refined
        else:
            overlap = region.iou(scene, placed(view))
    notes = [CUT_OFF] if is_cut_off else []
    notes += [NO_FOCAL] if photo.focal_px is None else []
    azimuth = (view.azimuth + math.pi) % (2 * math.pi) - math.pi
    return Pose(azimuth, view.elevation, placed(view), overlap, tuple(notes))


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
        scene = self._scenes.pop(directory, None) or RayScene(load_mesh(directory / "mesh.npz"))
        self._scenes[directory] = scene
        while len(self._scenes) > self._kept:
            self._scenes.popitem(last=False)
        return scene


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


def _agreeing(scene: RayScene, placed: Callable[[View], Camera], start: View, box: Box) -> View:
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
    scene: RayScene, placed: Callable[[View], Camera], start: View, region: _Region, limits: RefineLimits
) -> tuple[View, float]:
    """Coordinate search: one angle at a time, steps halved where none helps."""
    until = time.monotonic() + limits.seconds
    best, best_iou = start, region.iou(scene, placed(start))
    step = limits.first
    while step >= limits.last:
        improved = False
        for change in ((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)):
            candidate = replace(best, azimuth=best.azimuth + change[0], elevation=best.elevation + change[1])
            if time.monotonic() > until:
                return best, best_iou
            if _is_within(candidate, start, limits.reach):
                overlap = region.iou(scene, placed(candidate))
                if overlap > best_iou:
                    best, best_iou, improved = candidate, overlap, True
        if not improved:
            step /= 2
    return best, best_iou


def _is_within(view: View, start: View, reach: float) -> bool:
    slack = reach + 1e-9
    return (
        abs(view.azimuth - start.azimuth) <= slack
        and abs(view.elevation - start.elevation) <= slack
        and abs(view.elevation) < math.pi / 2
    )


def _is_cut_off(box: Box, photo: Photo) -> bool:
    near = box.x0 < _EDGE or box.y0 < _EDGE
    return near or box.x1 > photo.width - _EDGE or box.y1 > photo.height - _EDGE
