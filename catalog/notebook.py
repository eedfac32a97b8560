"""Searches and products as pythreejs scenes, for Jupyter: the scene the web viewer draws, to be taken apart.

Needs the extra: pip install 'shapelens[notebook]'. See docs/notebooks/look.ipynb.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

from catalog import media, storage
from catalog.errors import NotPossible
from catalog.models import Asset, Product, Search

if TYPE_CHECKING:
    import numpy as np
    from pythreejs import Mesh, Renderer

__all__ = ["camera_fields", "show_match", "show_product"]

WIDTH_PX = 720


def show_product(product: Product) -> Renderer:
    """Its model, to be turned by hand. Raises NotPossible where it has none."""
    import pythreejs as three

    if product.asset is None or product.asset.status != Asset.Status.READY:
        raise NotPossible(f"{product} has no model that can be shown")
    mesh, points = _mesh(product.asset)
    distance = 2.4 * float((points.max(axis=0) - points.min(axis=0)).max())
    camera = three.PerspectiveCamera(
        position=[0.55 * distance, 0.35 * distance, 0.9 * distance],
        fov=35,
        aspect=4 / 3,
        near=distance / 50,
        far=4 * distance,
    )
    controls = three.OrbitControls(controlling=camera)
    return _renderer(
        three.Scene(children=[mesh, *_lights()], background="#f4f5f7"), camera, 3 / 4, [controls]
    )


def show_match(search: Search, rank: int = 1) -> Renderer:
    """An answer laid over the search's photo, as in the browser. Raises NotPossible without a fitted pose."""
    import pythreejs as three

    result = search.results.select_related("asset").filter(rank=rank).first()
    if result is None or not result.pose:
        raise NotPossible(f"answer {rank} of {search} has no fitted pose; show_product shows the model alone")
    pinhole = result.pose["camera"]
    fields = camera_fields(pinhole)
    mesh, _ = _mesh(result.asset)
    mesh.matrixAutoUpdate = False
    mesh.matrix = fields["matrix"]
    photo = search.photos.select_related("photo").get(position=result.photo_index).photo
    data = base64.b64encode(media.read_photo(storage.photo_picture(photo.uuid)).data).decode()
    depth = 0.9 * fields["far"]
    height = 2 * depth * math.tan(math.radians(fields["fov"]) / 2)
    plane = three.Mesh(
        three.PlaneBufferGeometry(width=height * fields["aspect"], height=height),
        three.MeshBasicMaterial(map=three.ImageTexture(imageUri=f"data:image/jpeg;base64,{data}")),
        position=[0, 0, -depth],
    )
    camera = three.PerspectiveCamera(**{name: fields[name] for name in ("fov", "aspect", "near", "far")})
    scene = three.Scene(children=[plane, mesh, *_lights()])
    return _renderer(scene, camera, pinhole["height"] / pinhole["width"], [])


def camera_fields(pinhole: dict[str, Any]) -> dict[str, Any]:
    """A pose's OpenCV camera for three.js: fov (vertical, degrees), aspect, near, far, and the model's matrix, by
    columns. Raises NotPossible where the picture is not centered on the optical axis."""
    import numpy as np

    off = max(abs(pinhole["cx"] - pinhole["width"] / 2), abs(pinhole["cy"] - pinhole["height"] / 2))
    if off > 0.5:
        raise NotPossible(
            f"the optical axis is {off:.1f} pixels off the picture's center; that can't be shown here"
        )
    three_from_opencv = np.diag([1.0, -1.0, -1.0, 1.0])
    placed = three_from_opencv @ np.reshape(pinhole["camera_from_model"], (4, 4))
    distance = abs(float(placed[2, 3]))
    return {
        "fov": math.degrees(2 * math.atan(pinhole["height"] / (2 * pinhole["fy"]))),
        "aspect": pinhole["width"] / pinhole["height"] * pinhole["fy"] / pinhole["fx"],
        "near": distance / 50,
        "far": distance * 20,
        "matrix": placed.T.ravel().tolist(),
    }


def _mesh(asset: Asset) -> tuple[Mesh, np.ndarray]:
    """The model with its faces' colors, and its vertices (n, 3) in metres."""
    import numpy as np
    import pythreejs as three
    import trimesh

    loaded = trimesh.load(media.asset_files(asset.hash, "model.glb") / "model.glb").to_geometry()
    points = np.asarray(loaded.vertices, np.float32)
    colors = np.asarray(loaded.visual.to_color().vertex_colors[:, :3], np.float32) / 255
    attributes = {
        "position": three.BufferAttribute(points),
        "normal": three.BufferAttribute(np.asarray(loaded.vertex_normals, np.float32)),
        "color": three.BufferAttribute(colors),
        "index": three.BufferAttribute(np.asarray(loaded.faces, np.uint32).ravel(), normalized=False),
    }
    material = three.MeshStandardMaterial(vertexColors="VertexColors", side="DoubleSide", roughness=0.8)
    return three.Mesh(three.BufferGeometry(attributes=attributes), material), points


def _lights() -> list[Any]:
    import pythreejs as three

    return [
        three.AmbientLight(intensity=0.6),
        three.DirectionalLight(position=[2, 4, 3], intensity=0.8),
    ]


def _renderer(scene: Any, camera: Any, shape: float, controls: list[Any]) -> Renderer:
    import pythreejs as three

    return three.Renderer(
        camera=camera,
        scene=scene,
        controls=controls,
        width=WIDTH_PX,
        height=round(WIDTH_PX * shape),
        antialias=True,
    )
