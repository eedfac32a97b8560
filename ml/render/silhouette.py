"""Outlines of a model."""

from __future__ import annotations

from ml.geometry.boxes import mask_box
from ml.geometry.cameras import cropped
from ml.render.raycast import RayScene
from ml.types import BoolArray, Box, Camera, Mesh

__all__ = ["silhouette", "tight_box"]


def silhouette(model: Mesh | RayScene, camera: Camera, longest: int | None = None) -> BoolArray:
    """(h, w) bool: the camera's pixels that see the model.

    longest: cast a picture of that longer side instead, smaller or larger than the camera's own.
    """
    scene = model if isinstance(model, RayScene) else RayScene(model)
    if longest is not None:
        scale = longest / max(camera.width, camera.height)
        width, height = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
        camera = cropped(camera, Box(0, 0, camera.width, camera.height), width, height)
    return scene.mask(camera)


def tight_box(mask: BoolArray) -> Box | None:
    """The smallest box around the set pixels; None where none is set."""
    return mask_box(mask)
