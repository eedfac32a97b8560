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

from ml.geometry.boxes import clip, expand, mask_box
from ml.geometry.cameras import cropped
from ml.mesh.storage import load_mesh
from ml.pose.placing import focal_or_default, place
from ml.render.raycast import RayScene
from ml.types import BoolArray, Box, Camera, Photo, Pose, View

__all__ = ["ModelPoseFitter", "RefineLimits", "fit_pose", "silhouette_iou"]

CUT_OFF = "the object reaches the photo's edge; its size and place are uncertain"
NO_FOCAL = "the photo doesn't tell its focal length; a usual one was taken"
_EDGE = 2.0  # pixels from the photo's border: a box this near is cut off
_AROUND = 0.25  # of the box, looked at on each side when outlines are compared
_SIDE = 112  # pixels, longer side of the compared outlines


@dataclass(frozen=True, slots=True)
class RefineLimits:
    """reach: how far azimuth and elevation may move, radians; first and last step; seconds it may take."""

    reach: float = math.radians(10)
    first: float = math.radians(5)
    last: float = math.radians(1)
    seconds: float = 0.6


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

    mask: (h, w) the object's pixels in the photo, where known; the viewpoint is then refined to agree
    with it and `silhouette_iou` says how well it does. Raises BadBox.
    """
    clip(box, photo.width, photo.height)
    focal = focal_or_default(photo.focal_px, photo.width, photo.height)

    def placed(candidate: View) -> Camera:
        return place(scene.points, candidate, box, photo.width, photo.height, focal)

    overlap = None
    if mask is not None and mask.any():
        view, overlap = _refined(scene, placed, view, _Region.of(mask, box), refine or RefineLimits())
    notes = [CUT_OFF] if _is_cut_off(box, photo) else []
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

    def __init__(self, kept: int = 24) -> None:
        self._kept = kept
        self._scenes: OrderedDict[Path, RayScene] = OrderedDict()

    def __call__(self, photo: Photo, box: Box, directory: Path, view: View) -> Pose:
        return fit_pose(self.scene(directory), photo, box, view)

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
