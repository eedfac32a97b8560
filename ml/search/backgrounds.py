"""Patches of anything but a product, which calibration measures a view's false alarms on.

They are drawn, so that they ship with the code: rooms, textures, noise, gradients and clutter. Real photos without
products give a better estimate: those of a folder that is named, else those whose vectors an embedder brings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.crops import crop_photo
from ml.types import Box, Crop, Photo

__all__ = ["SOURCE_DRAWN", "background_crops", "draw_scene", "photo_crops", "photos_in", "read_pixels"]

Image = npt.NDArray[np.uint8]

SOURCE_DRAWN = "drawn 1"  # changes with what is drawn
WIDTH, HEIGHT = 240, 180  # pixels of a drawn scene
PATCHES_A_SCENE = 16
SMALLEST = 0.15  # side of a patch, as a share of the scene's
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def background_crops(
    count: int, size: int, *, seed: int, folder: Path | None = None
) -> tuple[Iterator[Crop], str]:
    """`count` crops of side `size`, and the name of where they came from.

    folder: photos to cut them from, in an order the seed sets; None draws them. The name changes with
    the photos. Raises FileNotFoundError where the folder holds no picture.
    """
    rng = np.random.default_rng(seed)
    if folder is None:
        scenes: Iterator[Image] = (draw_scene(rng) for _ in iter(int, 1))
        name = SOURCE_DRAWN
    else:
        paths = photos_in(folder)
        listing = "\n".join(f"{path.name} {path.stat().st_size}" for path in paths)
        name = f"{folder.name} {len(paths)} {hashlib.sha256(listing.encode()).hexdigest()[:8]}"
        order = [paths[k] for k in rng.permutation(len(paths))]
        scenes = (image for path in cycle(order) if (image := read_pixels(path)) is not None)
    return islice(_cut(scenes, size, rng), count), name


def photo_crops(paths: Iterable[Path], each: int, size: int, *, seed: int) -> Iterator[Crop]:
    """`each` crops of side `size` of every photo that can be read."""
    scenes = (image for path in paths if (image := read_pixels(path)) is not None)
    return _cut(scenes, size, np.random.default_rng(seed), each)


def photos_in(folder: Path) -> list[Path]:
    """Pictures directly in a folder, by name. Raises FileNotFoundError where there is none."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"{folder} holds no picture to cut background patches from")
    return paths


def read_pixels(path: Path) -> Image | None:
    """(h, w, 3) RGB, None for what is no picture."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if image is None else np.ascontiguousarray(image[:, :, ::-1])


def _cut(
    scenes: Iterator[Image], size: int, rng: np.random.Generator, each: int = PATCHES_A_SCENE
) -> Iterator[Crop]:
    for scene in scenes:
        photo = Photo(scene)
        for _ in range(each):
            yield crop_photo(photo, _random_box(photo, rng), size)


def _random_box(photo: Photo, rng: np.random.Generator) -> Box:
    """Any place, size log-uniform, aspect between 1 : 3 and 3 : 1, inside the photo."""
    longest = min(photo.width, photo.height) * float(np.exp(rng.uniform(np.log(SMALLEST), 0.0)))
    aspect = float(np.exp(rng.uniform(-np.log(3), np.log(3))))
    width, height = longest * min(1.0, 1 / aspect), longest * min(1.0, aspect)
    x0, y0 = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
    return Box(x0, y0, x0 + width, y0 + height)


def draw_scene(rng: np.random.Generator) -> Image:
    """(180, 240, 3) uint8: a place with no product in it."""
    kinds: Sequence[Callable[[np.random.Generator], npt.NDArray[np.float32]]]
    kinds = (_room, _room, _texture, _noise, _clutter, _clutter)
    scene = kinds[int(rng.integers(len(kinds)))](rng)
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    light = 1 + 0.3 * (rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y)
    scene = scene * light[:, :, None]
    if rng.random() < 0.5:
        scene = cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.5, 3.0)))
    scene = scene + rng.uniform(0, 6) * rng.standard_normal(scene.shape, dtype=np.float32)
    return np.asarray(np.clip(scene, 0, 255), dtype=np.uint8)


def _color(rng: np.random.Generator) -> tuple[float, float, float]:
    gray, spread = rng.uniform(20, 240), rng.uniform(0, 50)
    r, g, b = np.clip(gray + rng.uniform(-spread, spread, 3), 0, 255)
    return float(r), float(g), float(b)


def _plain(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    return np.full((HEIGHT, WIDTH, 3), _color(rng), dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, cells: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(180, 240) in about [-1, 1], with that many blobs across and down."""
    small = rng.uniform(-1, 1, (max(cells[1], 2), max(cells[0], 2))).astype(np.float32)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _noise(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Octaves of smooth noise: foliage, clouds, carpet."""
    slope = rng.uniform(0.4, 0.9)
    total = sum(slope**k * _smooth_noise(rng, (4 * 2**k, 3 * 2**k)) for k in range(6))
    tint = rng.uniform(0.5, 1.0, 3).astype(np.float32)
    return _plain(rng) + rng.uniform(20, 60) * np.asarray(total, dtype=np.float32)[:, :, None] * tint


def _texture(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Boards, tiles, stripes or a weave, at an angle and a scale, bent a little."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), float(np.exp(rng.uniform(np.log(6), np.log(80))))
    bend = rng.uniform(0, 0.3) * period * _smooth_noise(rng, (6, 5))
    u = (x * np.cos(angle) + y * np.sin(angle) + bend) / period
    v = (-x * np.sin(angle) + y * np.cos(angle) + bend) / (period * rng.uniform(0.5, 4))
    kind = rng.integers(4)
    if kind == 0:
        wave = np.sin(2 * np.pi * u)
    elif kind == 1:
        wave = np.sign(np.sin(2 * np.pi * u)) * np.sign(np.sin(2 * np.pi * v))
    elif kind == 2:  # joints between tiles
        wave = -2.0 * ((np.mod(u, 1) < 0.08) | (np.mod(v, 1) < 0.08))
    else:
        wave = np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v) + 0.5 * _smooth_noise(rng, (80, 60))
    return _plain(rng) + rng.uniform(10, 70) * np.asarray(wave, dtype=np.float32)[:, :, None]


def _room(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A corner: walls, floor, baseboard, and now and then a window, a frame or a curtain."""
    scene = _plain(rng) if rng.random() < 0.7 else _texture(rng)
    corner_x, corner_y = rng.uniform(0, WIDTH), rng.uniform(0.4, 0.95) * HEIGHT
    left, right = corner_y + rng.uniform(0, 90), corner_y + rng.uniform(0, 90)
    side = np.array([[corner_x, 0], [WIDTH, 0], [WIDTH, right], [corner_x, corner_y]])
    floor = np.array([[0, left], [corner_x, corner_y], [WIDTH, right], [WIDTH, 2 * HEIGHT], [0, 2 * HEIGHT]])
    _fill(scene, side, _color(rng))
    patterned = _texture(rng) if rng.random() < 0.5 else _plain(rng)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [floor.astype(np.int32)], (1,))
    scene[mask > 0] = patterned[mask > 0]
    board = np.array([[0, left], [corner_x, corner_y], [WIDTH, right]]).astype(np.int32)
    cv2.polylines(scene, [board], False, _color(rng), int(rng.integers(1, 9)), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(-40, WIDTH), rng.uniform(-40, 0.6 * HEIGHT)
        w, h = rng.uniform(20, 140, 2)
        corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        _fill(scene, corners, _color(rng))
        cv2.polylines(scene, [corners.astype(np.int32)], True, _color(rng), int(rng.integers(1, 7)))
    return scene


def _clutter(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Shapes and lines with no order: shelves of things, branches, crowds."""
    scene = _noise(rng) if rng.random() < 0.5 else _room(rng)
    for _ in range(int(rng.integers(5, 60))):
        center, size = rng.uniform(0, (WIDTH, HEIGHT)), float(np.exp(rng.uniform(1, 4.5)))
        if rng.random() < 0.4:
            ends = (center + rng.uniform(-2, 2, (2, 2)) * size).astype(np.int32)
            start, stop = tuple(ends[0].tolist()), tuple(ends[1].tolist())
            cv2.line(scene, start, stop, _color(rng), int(rng.integers(1, 6)), cv2.LINE_AA)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 12))))
            radii = size * rng.uniform(0.4, 1.0, len(angles))
            points = center + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
            _fill(scene, points, _color(rng))
    return scene


def _fill(scene: npt.NDArray[np.float32], points: npt.NDArray[np.float64], color: Sequence[float]) -> None:
    cv2.fillPoly(scene, [points.astype(np.int32)], tuple(float(value) for value in color), cv2.LINE_AA)
