"""Cameras around a model. Frames and signs are those of docs/conventions.md."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import around
from ml.types import BoolArray, Box, Camera, FloatArray, View

__all__ = [
    "VIEW_DISTANCE",
    "angle_between",
    "angles_from",
    "camera_center",
    "camera_for_box",
    "camera_for_view",
    "cropped",
    "depths",
    "direction_to_camera",
    "in_front",
    "look_at",
    "project",
    "rotation_to_view",
]

VIEW_DISTANCE = 4.0  # of an index camera from the model's center, in bounding-sphere radii


def direction_to_camera(azimuth: float, elevation: float) -> npt.NDArray[np.float64]:
    """(3,) unit vector from the model's origin to a camera; radians."""
    return np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )


def rotation_to_view(azimuth: float, elevation: float) -> npt.NDArray[np.float64]:
    """(3, 3) rotation, model -> a camera that looks at the origin from there, upright; radians."""
    right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
    forward = -direction_to_camera(azimuth, elevation)
    return np.stack([right, np.cross(forward, right), forward])


def look_at(azimuth: float, elevation: float, distance: float) -> npt.NDArray[np.float64]:
    """(4, 4) camera_from_model of a camera that looks at the model's origin; radians, metres."""
    transform = np.eye(4)
    transform[:3, :3] = rotation_to_view(azimuth, elevation)
    transform[2, 3] = distance
    return transform


def camera_center(camera: Camera) -> npt.NDArray[np.float64]:
    """(3,) the camera's position in the model frame."""
    rotation, shift = camera.camera_from_model[:3, :3], camera.camera_from_model[:3, 3]
    center: npt.NDArray[np.float64] = -rotation.T @ shift
    return center


def angles_from(center: FloatArray) -> View:
    """From which azimuth in [-pi, pi] and elevation a camera at (3,) sees the model's origin."""
    x, y, z = (float(value) for value in center)
    return View(azimuth=math.atan2(x, z), elevation=math.atan2(y, math.hypot(x, z)))


def angle_between(a: float, b: float) -> float:
    """Smallest difference of two angles, in [0, pi]; radians."""
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def depths(camera: Camera, points: FloatArray) -> npt.NDArray[np.float64]:
    """(n,) z of (n, 3) model points in the camera frame."""
    row = camera.camera_from_model[2]
    result: npt.NDArray[np.float64] = np.asarray(points, dtype=np.float64) @ row[:3] + row[3]
    return result


def in_front(camera: Camera, points: FloatArray) -> BoolArray:
    """(n,) which of (n, 3) model points lie before the camera."""
    return depths(camera, points) > 1e-9


def project(camera: Camera, points: FloatArray) -> npt.NDArray[np.float64]:
    """(n, 3) model points -> (n, 2) pixels; meaningless for points behind the camera (`in_front`)."""
    rows = camera.matrix @ camera.camera_from_model[:3]
    homogeneous = rows[:, :3] @ np.asarray(points, dtype=np.float64).T + rows[:, 3:]
    result: npt.NDArray[np.float64] = (homogeneous[:2] / homogeneous[2]).T
    return result


def cropped(camera: Camera, box: Box, width: int, height: int) -> Camera:
    """The same camera's picture cut to `box` and stretched to width x height pixels."""
    sx, sy = width / box.width, height / box.height
    return replace(
        camera,
        fx=camera.fx * sx,
        fy=camera.fy * sy,
        cx=(camera.cx - box.x0) * sx,
        cy=(camera.cy - box.y0) * sy,
        width=width,
        height=height,
    )


def camera_for_box(camera: Camera, points: FloatArray, longest: int) -> Camera:
    """The same camera, zoomed and moved so that the tight box of the projected (n, 3) points has its
    corner at (0, 0) and its longer edge `longest` pixels long. The picture just holds the box."""
    box = around(project(camera, points))
    scale = longest / max(box.width, box.height)
    return replace(
        camera,
        fx=camera.fx * scale,
        fy=camera.fy * scale,
        cx=(camera.cx - box.x0) * scale,
        cy=(camera.cy - box.y0) * scale,
        width=max(1, round(box.width * scale)),
        height=max(1, round(box.height * scale)),
    )


def camera_for_view(points: FloatArray, view: View, longest: int) -> Camera:
    """The index's camera: VIEW_DISTANCE radii from the model, tight around its (n, 3) points."""
    radius = float(np.linalg.norm(points, axis=1).max())
    transform = look_at(view.azimuth, view.elevation, VIEW_DISTANCE * radius)
    return camera_for_box(Camera(1.0, 1.0, 0.0, 0.0, 1, 1, transform), points, longest)
