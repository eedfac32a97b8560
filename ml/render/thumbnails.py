"""A product's picture: the model from its front left, on light ground."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.cameras import camera_for_view, cropped, project
from ml.render.raycast import RayScene
from ml.render.shading import shade_hits
from ml.types import Box, Camera, View

__all__ = ["thumbnail"]

VIEW = View(azimuth=math.radians(30), elevation=math.radians(15))
GROUND = (246.0, 246.0, 244.0)  # sRGB
MARGIN = 0.08  # of the picture, on each side
SHADOW = 0.22  # of the light the ground under the model loses
_SAMPLES = 2  # rays a pixel, each way


def thumbnail(scene: RayScene, size: int = 320) -> npt.NDArray[np.uint8]:
    """(size, size, 3) sRGB, smooth edges, a soft shadow on the ground."""
    side = size * _SAMPLES
    camera = camera_for_view(scene.points, VIEW, round(side * (1 - 2 * MARGIN)))
    left, top = (side - camera.width) / 2, (side - camera.height) / 2
    camera = cropped(camera, Box(-left, -top, side - left, side - top), side, side)
    ground = np.empty((side, side, 3), np.float32)
    ground[:] = GROUND
    ground *= 1 - SHADOW * _footprint(scene, camera, side)[..., None]
    hits = scene.hits(camera)
    picture = shade_hits(hits, camera)
    is_ground = np.ones((side, side), np.bool_)
    is_ground.reshape(-1)[hits.pixel] = False
    picture[is_ground] = ground[is_ground].astype(np.uint8)
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _footprint(scene: RayScene, camera: Camera, side: int) -> npt.NDArray[np.float32]:
    """(side, side) in [0, 1]: the model's outline on its floor, blurred."""
    floor = scene.points.copy()
    floor[:, 1] = floor[:, 1].min()
    outline = cv2.convexHull(project(camera, floor).astype(np.float32))
    drawn = np.zeros((side, side), np.float32)
    cv2.fillConvexPoly(drawn, np.rint(outline).astype(np.int32), 1.0)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), side / 40), dtype=np.float32)
