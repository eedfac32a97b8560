"""Place a model so that, seen from a given viewpoint, its outline fills a box of a photo."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import around, check_box
from ml.geometry.cameras import project, rotation_to_view
from ml.types import Box, Camera, FloatArray, View

__all__ = ["DEFAULT_FOCAL", "focal_or_default", "place"]

DEFAULT_FOCAL = 1.2  # focal length / longer side of a photo that doesn't tell: 45 degrees, a phone held back
NEAREST = 1.15  # distance of the camera / bounding radius: it never enters the model
_ROUNDS = 30
_CLOSE = 0.01  # pixels: boxes this alike are equal


def focal_or_default(focal_px: float | None, width: int, height: int) -> float:
    """Focal length in pixels of a width x height photo."""
    return focal_px or DEFAULT_FOCAL * max(width, height)


def place(
    points: FloatArray,
    view: View,
    box: Box,
    width: int,
    height: int,
    focal_px: float,
    *,
    roll: float = 0.0,
) -> Camera:
    """The camera of a width x height photo in which the (n, 3) points' tight box has the center and the
    area of `box`. roll: the model's turn in the picture, radians, clockwise. Raises BadBox.

    The viewpoint is kept as it appears: the ray to the model's origin meets the model at the view's
    azimuth and elevation, wherever in the photo the box lies. The optical axis stays the photo's center.
    """
    check_box(box)
    radius = float(np.linalg.norm(points, axis=1).max())
    upright = _rolled(roll) @ rotation_to_view(view.azimuth, view.elevation)
    aim = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    target, distance = aim.copy(), radius * focal_px / max(box.width, box.height) * 2
    camera = _aimed(upright, aim, max(distance, NEAREST * radius), width, height, focal_px)
    for _ in range(_ROUNDS):
        found = around(project(camera, points))
        off = target - ((found.x0 + found.x1) / 2, (found.y0 + found.y1) / 2)
        ratio = math.sqrt(max(found.area, 1e-12) / box.area)
        if np.abs(off).max() < _CLOSE and abs(ratio - 1) * max(box.width, box.height) < _CLOSE:
            break
        aim = aim + off
        distance = max(distance * ratio, NEAREST * radius)
        camera = _aimed(upright, aim, distance, width, height, focal_px)
    return camera


def _aimed(
    upright: npt.NDArray[np.float64],
    aim: FloatArray,
    distance: float,
    width: int,
    height: int,
    focal_px: float,
) -> Camera:
    """The camera that sees the model's origin at pixel `aim`, turned by as little as that takes."""
    center = np.array([width / 2, height / 2])
    ray = np.array([*((aim - center) / focal_px), 1.0])
    ray /= np.linalg.norm(ray)
    transform = np.eye(4)
    transform[:3, :3] = _turn_forward_to(ray) @ upright
    transform[:3, 3] = distance * ray
    return Camera(focal_px, focal_px, float(center[0]), float(center[1]), width, height, transform)


def _rolled(angle: float) -> npt.NDArray[np.float64]:
    """(3, 3) turn about the optical axis; x goes right and y down, so a positive angle is clockwise."""
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _turn_forward_to(ray: FloatArray) -> npt.NDArray[np.float64]:
    """(3, 3) least rotation that takes (0, 0, 1) to the unit vector `ray`, ray z > -1 (Rodrigues)."""
    x, y, z = (float(value) for value in ray)
    cross = np.array([[0, 0, x], [0, 0, y], [-x, -y, 0]])
    result: npt.NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1 + z)
    return result
