"""Photographs with full truth: products never trained on in lit, cluttered rooms, by another renderer.

Mitsuba 3 path-traces what our own ray caster only shades: soft shadows, light from wall to wall, gloss, sensor
noise. Masks, boxes and viewpoints come from our own cameras, so no eye has to mark them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ml.errors import BadSource, ShapelensError
from ml.geometry.boxes import mask_box
from ml.geometry.cameras import camera_center, look_at
from ml.geometry.normals import corner_normals
from ml.mesh.normalizing import combined, normalize
from ml.mesh.reading import read_mesh
from ml.mesh.sources import open_source
from ml.pipelines.progress import Progress
from ml.render.raycast import RayScene
from ml.types import BoolArray, Camera, Material, Mesh, ModelFile

__all__ = ["products_of", "render_rooms"]

WIDTH, HEIGHT = 320, 240
SAMPLES = 48  # paths a pixel: what noise is left is a phone's by lamplight
DEPTH = 5  # bounces, and the last
_FACES = 150_000  # of a product that stands in a room
_SEEN = 0.6  # share of the product that must not be hidden
_FILLS = (0.3, 0.75)  # of the photo's height or width, by the product
_SMALL = 0.6  # metres; what is smaller stands on a plinth
_TRIES = 30  # cameras tried before a product is given up
_HIDDEN = 0.1  # share of what our own cameras see that walls and lamps may hide
_LOOKED_AT = 400  # pixels of it that are looked at

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A product in the room: the room's frame is the target's, its box's center at 0."""

    mesh: Mesh
    scene: RayScene
    room_from_model: Vector


def render_rooms(
    products: Sequence[ModelFile],
    others: Sequence[ModelFile],
    folder: Path,
    *,
    each: int,
    seed: int,
    tell: Progress,
) -> list[str]:
    """`each` photographs a product into `folder`: photos/, masks/, queries.jsonl (boxes given) and found.jsonl
    (boxes to be found). others: what may stand around. Returns why products were left out, a line each.

    What is there already is kept: the same call goes on after a stop. Raises ImportError without mitsuba.
    """
    for name in ("photos", "masks", "lines"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    reasons = []
    for at, product in enumerate(products):
        for number in range(each):
            tell(product.name, at * each + number, len(products) * each)
            stem = f"{at:03d}-{number}"
            line = folder / "lines" / f"{stem}.json"
            if line.exists():
                continue
            try:
                truth = _photograph(product, others, folder, stem, np.random.default_rng([seed, at, number]))
            except (ShapelensError, ValueError) as error:
                reasons.append(f"{product.key}: {error}")
                break
            line.write_text(json.dumps(truth))
    lines = [json.loads(path.read_text()) for path in sorted((folder / "lines").glob("*.json"))]
    for name, hidden in (("queries", False), ("found", True)):
        rows = [{**line, "box": None} if hidden else line for line in lines]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return reasons


def products_of(
    libraries: Sequence[Path], listed: Path, workdir: Path, *, exclude_category: str = "Characters"
) -> tuple[list[ModelFile], list[ModelFile]]:
    """Products in the list of those a training left out (`held_out.tsv`), and all of the libraries.

    Raises BadSource for a library that can't be opened, or where none of the listed is in them.
    """
    rows = [line.split("\t") for line in listed.read_text(encoding="utf-8").splitlines() if "\t" in line]
    kept = {(row[0], row[1]) for row in rows}
    unseen, every = [], []
    for path in libraries:
        folder = workdir / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        for model in open_source(path, workdir=folder).models:
            if model.category != exclude_category:
                every.append(model)
                if (path.stem, model.key) in kept:
                    unseen.append(model)
    if not unseen:
        raise BadSource(f"none of the products listed in {listed} is in {', '.join(map(str, libraries))}")
    return unseen, every


def _photograph(
    product: ModelFile, others: Sequence[ModelFile], folder: Path, stem: str, rng: np.random.Generator
) -> dict[str, Any]:
    target = _Placed(*_loaded(product), np.eye(4))
    room = _furnished(target, others, rng)
    camera, mask = _camera(target, room, rng)
    picture = _traced(target, room, camera, mask, rng)
    cv2.imwrite(str(folder / "photos" / f"{stem}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    cv2.imwrite(str(folder / "masks" / f"{stem}.png"), mask.astype(np.uint8) * 255)
    box = mask_box(mask)
    assert box is not None  # _camera saw to it
    x, y, z = camera_center(camera)
    return {
        "photo": f"photos/{stem}.jpg",
        "box": list(box.as_tuple()),
        "true_box": list(box.as_tuple()),
        "mask": f"masks/{stem}.png",
        "relevant": [product.key],
        "category": product.category,
        "azimuth_deg": math.degrees(math.atan2(x, z)),
        "elevation_deg": math.degrees(math.atan2(y, math.hypot(x, z))),
        "focal_px": camera.fx,
        "distance": math.sqrt(x * x + y * y + z * z),
    }


# ---- what stands where ----------------------------------------------------------------------


def _loaded(model: ModelFile) -> tuple[Mesh, RayScene]:
    mesh, frame, _ = read_mesh(model.path)
    if len(mesh.faces) > _FACES:
        raise ValueError(f"{len(mesh.faces)} faces are more than a room is built with")
    mesh = normalize(mesh, combined(model.frame, frame))[0]
    return mesh, RayScene(mesh)


def _furnished(target: _Placed, others: Sequence[ModelFile], rng: np.random.Generator) -> list[_Placed]:
    """Up to six other products on the floor around the target, none inside another."""
    room = [target]
    floor = _floor(target)
    for _ in range(int(rng.integers(2, 7))):
        try:
            mesh, scene = _loaded(others[int(rng.integers(len(others)))])
        except (ShapelensError, ValueError):
            continue
        if mesh.extents.max() > 3.5 or mesh.extents.max() < 0.15:
            continue
        turn = rng.uniform(0, 2 * math.pi)
        reach = 0.5 * float(np.hypot(mesh.extents[0], mesh.extents[2]))
        away = 0.5 * float(np.hypot(target.mesh.extents[0], target.mesh.extents[2])) + reach
        away += rng.uniform(0.05, 1.0)
        angle = rng.uniform(0, 2 * math.pi)
        place = np.eye(4)
        place[:3, :3] = Rotation.from_euler("y", turn).as_matrix()
        place[:3, 3] = [away * math.sin(angle), floor + mesh.extents[1] / 2, away * math.cos(angle)]
        one = _Placed(mesh, scene, place)
        if all(_apart(one, other) for other in room[1:]):
            room.append(one)
    return room


def _floor(target: _Placed) -> float:
    """Height of the floor; a small product stands on a plinth."""
    extents = target.mesh.extents
    return float(-extents[1] / 2 - (0.75 if extents.max() < _SMALL else 0.0))


def _apart(one: _Placed, other: _Placed) -> bool:
    between = one.room_from_model[[0, 2], 3] - other.room_from_model[[0, 2], 3]
    reach = sum(0.5 * float(np.hypot(p.mesh.extents[0], p.mesh.extents[2])) for p in (one, other))
    return bool(np.hypot(*between) > reach)


def _camera(target: _Placed, room: Sequence[_Placed], rng: np.random.Generator) -> tuple[Camera, BoolArray]:
    """One that shows enough of the product, and its visible pixels."""
    radius = float(np.linalg.norm(target.mesh.extents) / 2)
    for _ in range(_TRIES):
        azimuth, elevation = rng.uniform(-math.pi / 2, math.pi / 2), math.radians(rng.uniform(2, 35))
        focal = WIDTH / (2 * math.tan(math.radians(rng.uniform(38, 68)) / 2))
        distance = radius * rng.uniform(2.2, 6.0) * focal / WIDTH
        transform = np.eye(4)
        aside = Rotation.from_euler("yx", [rng.uniform(-0.2, 0.2), rng.uniform(-0.12, 0.12)])
        transform[:3, :3] = aside.as_matrix()
        transform = transform @ look_at(azimuth, elevation, max(distance, 1.3 * radius))
        camera = Camera(focal, focal, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT, transform)
        depths = [_depth(placed, camera) for placed in room]
        alone = depths[0] < np.inf
        seen = alone & (depths[0] <= np.min(depths, axis=0))
        box = mask_box(seen)
        if box is None or seen.sum() < _SEEN * alone.sum():
            continue
        share = max(box.width / WIDTH, box.height / HEIGHT)
        at_border = alone[[0, -1]].any() or alone[:, [0, -1]].any()
        if _FILLS[0] <= share <= _FILLS[1] and not at_border:
            return camera, seen
    raise ValueError("no camera shows enough of it")


def _depth(placed: _Placed, camera: Camera) -> npt.NDArray[np.float32]:
    """(h, w) of one product alone, infinite where it is not."""
    buffer = placed.scene.cast(
        replace(camera, camera_from_model=camera.camera_from_model @ placed.room_from_model)
    )
    return np.where(buffer.alpha, buffer.depth, np.float32(np.inf))


# ---- the path tracer ------------------------------------------------------------------------


def _traced(
    target: _Placed, room: Sequence[_Placed], camera: Camera, seen: BoolArray, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """(h, w, 3) sRGB, with a phone's exposure and noise. Raises ValueError where walls and lamps keep hiding what
    is seen (h, w) of the target."""
    try:
        import mitsuba as mi
    except ImportError as error:
        raise ImportError("Mitsuba is not installed: pip install 'shapelens[rooms]'") from error
    if mi.variant() is None:
        mi.set_variant("scalar_rgb")
    sensor = _sensor(camera, int(rng.integers(2**31)))
    for _ in range(_TRIES):
        description: dict[str, Any] = {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": DEPTH},
            "sensor": sensor,
            **_shell(target, room, camera, rng),
        }
        for number, placed in enumerate(room):
            for part, shape in enumerate(_shapes(placed, rng)):
                description[f"product_{number}_{part}"] = shape
        scene = mi.load_dict(description)
        if _hidden(scene, target, camera, seen) <= _HIDDEN:
            break
    else:
        raise ValueError("walls or lamps hide it, wherever they are put")
    # a face without an area has no normal, and what it reflects is no number
    linear = np.nan_to_num(np.array(mi.render(scene), np.float32)[..., :3], posinf=0.0, neginf=0.0)
    linear *= rng.uniform(0.38, 0.62) / max(float(np.quantile(linear, 0.7)), 1e-4)
    linear += rng.normal(0, 0.004, linear.shape) + rng.normal(0, 0.006, linear.shape) * np.sqrt(linear)
    linear *= np.exp(rng.normal(0, 0.04, 3))  # white balance, a little off
    shown = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-6) ** (1 / 2.4) - 0.055
    )
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), np.uint8)


def _hidden(scene: Any, target: _Placed, camera: Camera, seen: BoolArray) -> float:
    """Share of the pixels seen (h, w) before which the tracer's scene has something nearer than the target."""
    import mitsuba as mi

    rows, columns = np.nonzero(seen)
    step = max(1, len(rows) // _LOOKED_AT)
    depth = _depth(target, camera)
    to_room = np.linalg.inv(camera.camera_from_model)
    hidden = []
    for y, x in zip(rows[::step], columns[::step], strict=True):
        ray = to_room[:3, :3] @ [(x + 0.5 - camera.cx) / camera.fx, (y + 0.5 - camera.cy) / camera.fy, 1.0]
        found = scene.ray_intersect(mi.Ray3f(mi.Point3f(list(to_room[:3, 3])), mi.Vector3f(list(ray))))
        hidden.append(found.t < 0.98 * depth[y, x])  # the ray's third coordinate is 1, so t is the depth
    return float(np.mean(hidden))


def _sensor(camera: Camera, seed: int) -> dict[str, Any]:
    import mitsuba as mi

    # Mitsuba's camera looks along +z too, but with x to the left and y up
    to_room = np.linalg.inv(camera.camera_from_model) @ np.diag([-1.0, -1.0, 1.0, 1.0])
    return {
        "type": "perspective",
        "fov": math.degrees(2 * math.atan(camera.width / (2 * camera.fx))),
        "to_world": mi.ScalarTransform4f(to_room),
        "film": {
            "type": "hdrfilm",
            "width": camera.width,
            "height": camera.height,
            "rfilter": {"type": "gaussian"},
        },
        "sampler": {"type": "independent", "sample_count": SAMPLES, "seed": seed},
    }


def _shell(
    target: _Placed, room: Sequence[_Placed], camera: Camera, rng: np.random.Generator
) -> dict[str, Any]:
    """Floor, two walls, a plinth where one is needed, a window and what comes from all sides."""
    import mitsuba as mi

    move = mi.ScalarTransform4f
    floor = _floor(target)
    center = camera_center(camera)
    back = math.atan2(-center[0], -center[2]) + rng.uniform(
        -0.5, 0.5
    )  # the way to the wall behind the product
    far = max(
        float(np.hypot(*p.room_from_model[[0, 2], 3])) + 0.5 * float(p.mesh.extents.max()) for p in room
    )
    behind = far + rng.uniform(0.1, 1.2)
    size = 4.0 + 2 * behind + float(np.linalg.norm(center))
    turned = move().rotate([0, 1, 0], math.degrees(back))
    side = 1.0 if rng.random() < 0.5 else -1.0
    beside = far + rng.uniform(0.4, 2.0)
    shell: dict[str, Any] = {
        "floor": {
            "type": "rectangle",
            "to_world": move().translate([0, floor, 0]).rotate([1, 0, 0], -90).scale([size, size, 1]),
            "bsdf": _surface(rng, size),
        },
        "wall": {
            "type": "rectangle",
            "to_world": turned
            @ move().translate([0, 0, behind]).rotate([0, 1, 0], 180).scale([size, size, 1]),
            "bsdf": _surface(rng, size),
        },
        "side": {
            "type": "rectangle",
            "to_world": turned
            @ move().translate([side * beside, 0, 0]).rotate([0, 1, 0], -90 * side).scale([size, size, 1]),
            "bsdf": _surface(rng, size),
        },
        "around": {"type": "constant", "radiance": _rgb(rng.uniform(0.15, 0.5) * _tint(rng))},
    }
    for number in range(int(rng.integers(1, 3))):
        angle = rng.uniform(0, 2 * math.pi)
        lamp = np.array([math.sin(angle), rng.uniform(0.4, 1.6), math.cos(angle)]) * rng.uniform(2.0, 4.0)
        wide = rng.uniform(0.2, 1.0)
        shell[f"lamp_{number}"] = {
            "type": "rectangle",
            "to_world": move()
            .look_at(origin=list(lamp), target=[0, 0, 0], up=[0.1, 1, 0.05])
            .scale([wide, wide, 1]),
            "emitter": {"type": "area", "radiance": _rgb(rng.uniform(4, 14) / wide**2 * _tint(rng))},
        }
    if target.mesh.extents.max() < _SMALL:
        half = 0.5 * target.mesh.extents[[0, 2]] + rng.uniform(0.05, 0.4, 2)
        top = -target.mesh.extents[1] / 2
        shell["plinth"] = {
            "type": "cube",
            "to_world": move()
            .translate([0, (top + floor) / 2, 0])
            .scale([half[0], (top - floor) / 2, half[1]]),
            "bsdf": _surface(rng, 1.0),
        }
    return shell


def _surface(rng: np.random.Generator, size: float) -> dict[str, Any]:
    """Paint, tiles or a stained, grained something."""
    one, two = (rng.uniform(0.08, 0.85) * _tint(rng, 0.25) for _ in range(2))
    kind = rng.random()
    if kind < 0.4:
        color: dict[str, Any] = _rgb(one)
    elif kind < 0.6:
        tiles = size / rng.uniform(0.1, 0.6)
        color = {
            "type": "checkerboard",
            "color0": _rgb(one),
            "color1": _rgb(0.5 * (one + two)),
            "to_uv": _uv_scale(tiles, tiles * rng.uniform(0.2, 1.0)),
        }
    else:
        grain = rng.random((int(rng.integers(16, 128)), int(rng.integers(16, 128)), 1))
        picture = cv2.resize(np.asarray(grain * one + (1 - grain) * two, np.float32), (256, 256))
        color = {**_bitmap(picture), "to_uv": _uv_scale(size / 2, size / 2)}
    return {
        "type": "twosided",
        "bsdf": {"type": "principled", "base_color": color, "roughness": rng.uniform(0.3, 1)},
    }


def _shapes(placed: _Placed, rng: np.random.Generator) -> list[Any]:
    """One Mitsuba mesh a material, in the room's frame."""
    import mitsuba as mi

    mesh = placed.mesh
    corners = mesh.vertices[mesh.faces] @ placed.room_from_model[:3, :3].T + placed.room_from_model[:3, 3]
    normals = corner_normals(mesh.vertices, mesh.faces) @ placed.room_from_model[:3, :3].T
    shapes = []
    for number, material in enumerate(mesh.materials):
        faces = np.flatnonzero(mesh.face_material == number)
        if not len(faces) or material.base_color[3] < 0.1:
            continue
        properties = mi.Properties()
        properties["bsdf"] = mi.load_dict(_bsdf(material, mesh.uv is not None, rng))
        shape = mi.Mesh(
            material.name or "part",
            3 * len(faces),
            len(faces),
            has_vertex_normals=True,
            has_vertex_texcoords=True,
            props=properties,
        )
        parameters = mi.traverse(shape)
        parameters["vertex_positions"] = corners[faces].reshape(-1).astype(np.float32)
        parameters["vertex_normals"] = normals[faces].reshape(-1).astype(np.float32)
        parameters["faces"] = np.arange(3 * len(faces), dtype=np.uint32)
        uv = np.zeros((len(faces), 3, 2), np.float32) if mesh.uv is None else mesh.uv[faces].copy()
        uv[..., 1] = 1 - uv[..., 1]  # ours has v = 1 in the picture's first row, Mitsuba's v = 0
        parameters["vertex_texcoords"] = uv.reshape(-1)
        parameters.update()
        shapes.append(shape)
    return shapes


def _bsdf(material: Material, has_uv: bool, rng: np.random.Generator) -> dict[str, Any]:
    color = _linear(material.base_color[:3])
    shown: dict[str, Any] = _rgb(color)
    opacity: npt.NDArray[np.float32] | None = None
    if has_uv and material.texture is not None and material.texture.size:
        shown = _bitmap((_linear(material.texture[..., :3] / 255) * color).astype(np.float32))
        if material.texture[..., 3].min() < 128:
            opacity = np.asarray(material.texture[..., 3:] >= 128, np.float32)
    surface: dict[str, Any] = {
        "type": "twosided",
        "bsdf": {
            "type": "principled",
            "base_color": shown,
            "roughness": rng.uniform(0.15, 0.9),
            "specular": rng.uniform(0.2, 0.6),
        },
    }
    return surface if opacity is None else {"type": "mask", "opacity": _bitmap(opacity), "bsdf": surface}


def _bitmap(picture: npt.NDArray[np.float32]) -> dict[str, Any]:
    import mitsuba as mi

    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(picture, np.float32)), "raw": True}


def _uv_scale(x: float, y: float) -> Any:
    import mitsuba as mi

    return mi.ScalarTransform3f().scale([x, y])


def _rgb(color: npt.NDArray[Any]) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(value) for value in color]}


def _tint(rng: np.random.Generator, spread: float = 0.12) -> Vector:
    return np.clip(1 + rng.normal(0, spread, 3), 0.3, 1.15)


def _linear(srgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.asarray(srgb, np.float64) + 0.055) / 1.055) ** 2.4)
