"""Photos to try the search with: our own renderings of sample products in a drawn room.

Unlike the index's views: daylight with soft shadows and light bounced by the room, other colors, a camera with
another lens at other angles, a floor, walls and noise. `python -m ml.pipelines.samples FOLDER` draws them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import around
from ml.geometry.cameras import camera_center, look_at, project
from ml.mesh.parametric.sample import sample_catalog
from ml.mesh.parametric.surfaces import fabric, paint, stone, wood
from ml.render.raycast import RayScene
from ml.types import Box, Camera, Material, Mesh

__all__ = ["SCENES", "Placed", "SampleScene", "draw_sample", "main"]

_WIDTH, _HEIGHT = 1024, 768
_SUN_RAYS, _SKY_RAYS = 8, 24  # a pixel: enough for soft shadows after the denoising
_ROOM = 3.2  # metres from the middle to the walls
_QUALITY = 82

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Placed:
    """A sample product in the room: moved (metres), turned (degrees), with other parameters than the catalog's."""

    key: str
    x: float = 0.0
    z: float = 0.0
    turn: float = 0.0
    lift: float = 0.0
    other: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class SampleScene:
    """What a photo shows. Angles in degrees; lens: horizontal field of view; sun: azimuth, elevation."""

    name: str
    title: str
    placed: tuple[Placed, ...]
    azimuth: float
    elevation: float
    fill: float = 0.6  # of the picture's shorter side the first product takes
    lens: float = 48.0
    sun: tuple[float, float] = (-50.0, 42.0)
    warmth: float = 0.0  # of the light, -1 blue to 1 orange
    floor: str = "oak"
    wall: str = "cream"
    exposure: float = 1.0
    seed: int = 0


SCENES = (
    SampleScene("wing-chair", "A checked wing chair", (Placed("wing-armchair", other=(("cloth", "check:red"),)),), 28, 11),
    SampleScene("corner-sofa", "A corner sofa by the window", (Placed("corner-sofa", other=(("cloth", "sand"),)),),
                -24, 17, 0.75, 62, (60.0, 35.0), 0.3, "pine", "light gray"),
    SampleScene("bistro-chair", "A cross-back chair", (Placed("bistro-chair", other=(("frame", "paint:teal"),)),),
                205, 20, 0.66, 40, (-120.0, 50.0), 0.0, "whitewash", "sage"),
    SampleScene("nightstand", "A nightstand in the evening", (Placed("nightstand", other=(("frame", "walnut"),)),),
                -33, 24, 0.5, 50, (40.0, 25.0), 0.8, "walnut", "terracotta", 0.85),
    SampleScene("bunk-bed", "A bunk bed", (Placed("bunk-bed", other=(("duvet", "red"), ("frame", "paint:white"))),),
                38, 12, 0.8, 66, (-30.0, 48.0), -0.2, "birch", "sky"),
    SampleScene("tripod-lamp", "A tripod lamp", (Placed("tripod-lamp", other=(("frame", "metal:black"), ("cloth", "mustard"))),),
                70, 6, 0.74, 44, (-60.0, 30.0), 0.4, "oak", "anthracite", 1.2),
    SampleScene("desk", "A desk with two sets of drawers", (Placed("pedestal-desk", other=(("frame", "wenge"), ("front", "paint:sage"))),),
                22, 19, 0.62, 55, (20.0, 40.0), 0.0, "pine", "white"),
    SampleScene("mug", "A mug on a table", (Placed("plain-mug", other=(("color", "red"),)),), 62, 33, 0.42, 42, (-70.0, 38.0), 0.2,
                "teak", "cream"),
    SampleScene("plant", "A fern", (Placed("fern-pot", other=(("body", "ceramic:navy"),)),), 110, 14, 0.6, 46, (-40.0, 50.0), 0.0,
                "whitewash", "blush"),
    SampleScene("two-things", "A sofa and a floor lamp",
                (Placed("loveseat", other=(("cloth", "navy"), ("pillow", "mustard"))),
                 Placed("arc-lamp", x=1.75, z=-0.1, turn=180, other=(("frame", "metal:brass"),))),
                -14, 9, 0.42, 60, (-35.0, 40.0), 0.2, "oak", "light gray"),
)  # fmt: skip


def draw_sample(scene: SampleScene) -> tuple[npt.NDArray[np.uint8], list[tuple[str, Box]]]:
    """(h, w, 3) sRGB and, for each product, its key and tight box; the same every time."""
    meshes = [_standing(placed) for placed in scene.placed]
    size = float(meshes[0].extents.max())
    whole = RayScene(_joined([*meshes, *_room(scene, size)]))
    camera = _camera(scene, meshes[0])
    picture = _photographed(whole, camera, scene, size)
    boxes = [around(project(camera, mesh.vertices)) for mesh in meshes]
    keys = [placed.key for placed in scene.placed]
    return picture, [
        (key, Box(max(b.x0, 0), max(b.y0, 0), min(b.x1, _WIDTH), min(b.y1, _HEIGHT)))
        for key, b in zip(keys, boxes, strict=True)
    ]


# ---- the scene ------------------------------------------------------------------------------


def _standing(placed: Placed) -> Mesh:
    product = next(row for row in sample_catalog() if row.key == placed.key)
    changed: Any = dataclasses.replace(product.design, **dict(placed.other))  # type: ignore[type-var]
    mesh: Mesh = changed.build()
    angle = math.radians(placed.turn)
    turn = np.array(
        [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]]
    )
    vertices = mesh.vertices @ turn.T
    vertices = vertices + [placed.x, placed.lift - vertices[:, 1].min(), placed.z]
    return dataclasses.replace(mesh, vertices=vertices)


def _room(scene: SampleScene, size: float) -> list[Mesh]:
    """Floor (or table top) and the two walls behind, in the scale of what stands there."""
    scale = max(size / 2.0, 0.1)
    reach = _ROOM * scale
    back = math.radians(scene.azimuth)
    floor = _plane(wood(scene.floor, 2), reach * 6, 0.5 / scale, np.eye(3), np.zeros(3))
    walls = []
    for side in (-35, 55):
        angle = back + math.radians(side)
        normal = np.array([math.sin(angle), 0, math.cos(angle)])
        across = np.cross([0, 1, 0], normal)
        frame = np.stack([across, normal, np.cross(across, normal)], axis=1)
        walls.append(_plane(paint(scene.wall), reach * 6, 1.0, frame, -normal * reach))
    rug = stone("light gray") if scene.floor == "stone" else fabric("cream")
    tile = np.array([0.0, 0.004 * scale, 0.0])
    return (
        [floor, *walls, _plane(rug, size * 1.1, 1.0 / scale, np.eye(3), tile)]
        if size > 1
        else [floor, *walls]
    )


def _plane(
    material: Material, reach: float, repeats: float, frame: npt.NDArray[np.float64], center: Any
) -> Mesh:
    """A square of 2 x reach with the frame's second axis as its normal."""
    corners = np.array([[-1, 0, -1], [-1, 0, 1], [1, 0, 1], [1, 0, -1]], np.float64) * reach
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uv = (corners[:, [0, 2]] * repeats)[faces].astype(np.float32)
    vertices = corners @ frame.T + center
    return Mesh(vertices, faces, np.zeros(2, np.int32), (material,), uv)


def _joined(meshes: list[Mesh]) -> Mesh:
    offset, materials = 0, 0
    faces, face_material, uv, all_materials = [], [], [], []
    for mesh in meshes:
        faces.append(mesh.faces + offset)
        face_material.append(mesh.face_material + materials)
        uv.append(np.zeros((len(mesh.faces), 3, 2), np.float32) if mesh.uv is None else mesh.uv)
        all_materials += list(mesh.materials)
        offset += len(mesh.vertices)
        materials += len(mesh.materials)
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(face_material).astype(np.int32),
        tuple(all_materials),
        np.concatenate(uv),
    )


def _camera(scene: SampleScene, mesh: Mesh) -> Camera:
    """Looks at the first product so that it takes `fill` of the picture."""
    focal = _WIDTH / 2 / math.tan(math.radians(scene.lens) / 2)
    center = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    radius = float(np.linalg.norm(mesh.vertices - center, axis=1).max())
    move = np.eye(4)
    move[:3, 3] = -center
    distance = 2.4 * radius
    for _ in range(30):  # nearer or farther until it fits: the perspective changes with it
        pose = look_at(math.radians(scene.azimuth), math.radians(scene.elevation), distance) @ move
        camera = Camera(focal, focal, _WIDTH / 2, _HEIGHT * 0.52, _WIDTH, _HEIGHT, pose)
        box = around(project(camera, mesh.vertices))
        share = max(box.height / _HEIGHT, box.width / _WIDTH)
        distance = max(distance * share / (scene.fill * 1.12), 1.25 * radius)
    return camera


# ---- light ----------------------------------------------------------------------------------


def _photographed(whole: RayScene, camera: Camera, scene: SampleScene, size: float) -> npt.NDArray[np.uint8]:
    buffer = whole.cast(camera)
    rng = np.random.default_rng(scene.seed + 11)
    rotation, center = camera.camera_from_model[:3, :3], camera_center(camera)
    columns, rows = np.meshgrid(np.arange(_WIDTH) + 0.5, np.arange(_HEIGHT) + 0.5)
    rays = np.stack(
        [(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones_like(rows)], -1
    )
    points = (center + (rays * buffer.depth[..., None]) @ rotation).astype(np.float32)
    seen = buffer.alpha
    normals = buffer.normal[seen]
    start = points[seen] + normals * np.float32(2e-3 * size)
    sun = np.zeros(seen.shape, np.float32)
    sky = np.zeros(seen.shape, np.float32)
    sun[seen] = _sunlight(whole, start, normals, scene, rng)
    sky[seen] = _skylight(whole, start, normals, rng)
    sun, sky = _denoised(sun), _denoised(sky)
    tint = np.array([1 + 0.22 * scene.warmth, 1.0, 1 - 0.3 * scene.warmth], np.float32)
    light = sun[..., None] * tint * 1.35 + sky[..., None] * np.array([0.62, 0.66, 0.72], np.float32)
    albedo = (buffer.albedo.astype(np.float32) / 255) ** 2.2
    linear = albedo * light * scene.exposure * np.float32(1.15)
    return _developed(linear.astype(np.float32), rng)


def _sunlight(
    whole: RayScene, start: Floats, normals: Floats, scene: SampleScene, rng: np.random.Generator
) -> Floats:
    """Through a wide window: soft-edged shadows."""
    azimuth, elevation = math.radians(scene.azimuth + scene.sun[0]), math.radians(scene.sun[1])
    toward = np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )
    total = np.zeros(len(start), np.float32)
    for _ in range(_SUN_RAYS):
        direction = toward + rng.normal(0, 0.07, (len(start), 3))
        direction = (direction / np.linalg.norm(direction, axis=1, keepdims=True)).astype(np.float32)
        facing = np.maximum((normals * direction).sum(axis=1), 0)
        total += facing * ~whole.is_blocked(start, direction)
    return total / np.float32(_SUN_RAYS)


def _skylight(whole: RayScene, start: Floats, normals: Floats, rng: np.random.Generator) -> Floats:
    """Share of the room's light that reaches a point: corners and undersides are darker."""
    total = np.zeros(len(start), np.float32)
    for _ in range(_SKY_RAYS):
        direction = rng.normal(0, 1, (len(start), 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        leaning = direction + normals * 1.001  # towards the normal: as a matte surface gathers light
        leaning /= np.linalg.norm(leaning, axis=1, keepdims=True)
        # a wall far away still gives light back: what is blocked counts a third
        total += np.where(whole.is_blocked(start, leaning.astype(np.float32)), 0.34, 1.0)
    return total / np.float32(_SKY_RAYS)


def _denoised(light: Floats) -> Floats:
    result: Floats = cv2.bilateralFilter(light, 7, 0.25, 3.0)
    return result


def _developed(linear: Floats, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """As a phone does: a soft shoulder for the highlights, vignette, a little blur and noise."""
    mapped = linear / (1 + 0.25 * linear)
    across = np.linspace(-1, 1, _WIDTH)[None, :] ** 2 + np.linspace(-1, 1, _HEIGHT)[:, None] ** 2
    mapped = mapped * (1 - 0.09 * across[..., None])
    encoded = np.clip(mapped, 0, 1) ** (1 / 2.2)
    encoded = cv2.GaussianBlur(encoded, (0, 0), 0.7)
    encoded = encoded + rng.normal(0, 0.008, encoded.shape)
    return np.asarray(np.rint(np.clip(encoded, 0, 1) * 255), np.uint8)


# ---- files ----------------------------------------------------------------------------------


def main(folder: Path) -> None:
    """Draw every scene into the folder: photos/*.jpg and photos.json, which says what is in them."""
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    names = {product.key: product.name for product in sample_catalog()}
    rows = []
    for scene in SCENES:
        picture, truth = draw_sample(scene)
        data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        (folder / "photos" / f"{scene.name}.jpg").write_bytes(bytes(data))
        rows.append(
            {
                "name": scene.name,
                "title": scene.title,
                "note": f"{scene.title}: our own rendering",
                "file": f"{scene.name}.jpg",
                "width": _WIDTH,
                "height": _HEIGHT,
                "truth": [
                    {"key": key, "product": names[key], "box": [round(edge, 1) for edge in box.as_tuple()]}
                    for key, box in truth
                ],
            }
        )
    (folder / "photos.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
