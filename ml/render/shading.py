"""The index's fixed light: what turns a G-buffer into a picture to embed."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import MARGIN
from ml.geometry.cameras import VIEW_DISTANCE
from ml.render.raycast import GBuffer, Hits
from ml.types import Camera

__all__ = ["BACKGROUND", "RENDERER_FINGERPRINT", "RENDERER_VERSION", "shade", "shade_hits"]

RENDERER_VERSION = 1  # raised with every change that alters the pixels of a view
BACKGROUND = 128  # neutral gray
AMBIENT = 0.40
SKY = 0.14  # from straight above, fading to none from straight below
KEY = 0.52
KEY_DIRECTION = (-0.40, -0.62, -0.68)  # towards the light, camera frame: over the left shoulder
LIFT = 0.06  # so that black parts still show their shape


def _fingerprint() -> str:
    recipe = (RENDERER_VERSION, BACKGROUND, AMBIENT, SKY, KEY, KEY_DIRECTION, LIFT, MARGIN, VIEW_DISTANCE)
    return "ray-" + hashlib.sha256(repr(recipe).encode()).hexdigest()[:8]


RENDERER_FINGERPRINT = _fingerprint()
"""Names the renderer and everything that decides a view's pixels; part of every derived file."""


def shade(gbuffer: GBuffer, camera: Camera) -> npt.NDArray[np.uint8]:
    """(h, w, 3) sRGB: the fixed light, on the gray background."""
    picture = np.full((*gbuffer.alpha.shape, 3), BACKGROUND, np.uint8)
    seen = gbuffer.alpha
    picture[seen] = _lit(gbuffer.normal[seen], gbuffer.albedo[seen], camera)
    return picture


def shade_hits(hits: Hits, camera: Camera) -> npt.NDArray[np.uint8]:
    """(h, w, 3) sRGB, as `shade`, without filling a G-buffer."""
    picture = np.full((camera.height * camera.width, 3), BACKGROUND, np.uint8)
    picture[hits.pixel] = _lit(hits.normal, hits.albedo, camera)
    return picture.reshape(camera.height, camera.width, 3)


def _lit(
    normal: npt.NDArray[np.float32], albedo: npt.NDArray[np.uint8], camera: Camera
) -> npt.NDArray[np.uint8]:
    """(m, 3) sRGB. The key light moves with the camera, the sky stays above the model."""
    key = np.array(KEY_DIRECTION) / np.linalg.norm(KEY_DIRECTION)
    toward_light = (camera.camera_from_model[:3, :3].T @ key).astype(np.float32)
    light = np.maximum(normal @ toward_light, 0) * np.float32(KEY)
    light += (AMBIENT + SKY / 2) + np.float32(SKY / 2) * normal[:, 1]
    color = albedo * np.float32(1 - LIFT) + np.float32(LIFT * 255)
    color *= light[:, None]
    lit: npt.NDArray[np.uint8] = np.minimum(color, 255).astype(np.uint8)
    return lit
