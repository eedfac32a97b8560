"""Objects pasted on photos, and the windows a detector would look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ml.errors import BadSource
from ml.geometry.boxes import crop_matrix, expand, iou
from ml.geometry.crops import warp
from ml.study.viewpoint.views import ViewTable
from ml.train.pairs import SIDE
from ml.train.relighting import Composer
from ml.types import Box

__all__ = ["CANVAS", "Montage", "Windows", "load_canvases", "make_montages", "windows_of"]

CANVAS = 224  # pixels a side
_OBJECTS = 2  # a montage, at most
_LEAST, _MOST = 64, 128  # pixels of an object's longer side
_APART = 0.15  # IoU up to which two objects may overlap
OBJECT, BACKGROUND = 0.5, 0.3  # IoU from which a window is an object, and below which it is none


@dataclass(frozen=True, slots=True, eq=False)
class Montage:
    """pixels (CANVAS, CANVAS) uint8 gray; boxes of its objects, and each one's row in the views."""

    pixels: npt.NDArray[np.uint8]
    boxes: tuple[Box, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """w windows of montages.

    crops    (w, SIDE, SIDE) uint8, as the shipped network takes boxes
    montage  (w,) int64
    boxes    w
    row      (w,) int64, row in the views of the object shown; -1 for background
    """

    crops: npt.NDArray[np.uint8]
    montage: npt.NDArray[np.int64]
    boxes: tuple[Box, ...]
    row: npt.NDArray[np.int64]


def load_canvases(folder: Path, *, is_test: bool) -> npt.NDArray[np.uint8]:
    """(p, CANVAS, CANVAS) gray photos; every fourth is kept for tests. Raises BadSource where there is none."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    paths = [path for place, path in enumerate(paths) if (place % 4 == 0) == is_test]
    pictures = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    fitting = [cv2.resize(picture, (CANVAS, CANVAS)) for picture in pictures if picture is not None]
    if not fitting:
        raise BadSource(f"there are too few photos in {folder}; give a folder of at least 8 backgrounds")
    return np.stack(fitting).astype(np.uint8)


def make_montages(
    views: ViewTable, rows: npt.NDArray[np.int64], canvases: npt.NDArray[np.uint8], seed: int
) -> list[Montage]:
    """Every one of the views once, in random light, one or two a montage, on photos drawn anew."""
    rng = np.random.default_rng(seed)
    composer = Composer(torch.from_numpy(canvases[:, :SIDE, :SIDE].copy()), seed)
    order = rng.permutation(rows)
    montages = []
    while len(order):
        count = min(int(rng.integers(1, _OBJECTS + 1)), len(order))
        chosen, order = order[:count], order[count:]
        lit, alpha = composer.light(
            torch.from_numpy(views.buffers[chosen]), torch.from_numpy(views.up[chosen])
        )
        picture = canvases[rng.integers(len(canvases))].astype(np.float32) / 255
        if rng.random() < 0.5:
            picture = picture[:, ::-1].copy()
        boxes: list[Box] = []
        for place, row in enumerate(chosen):
            box = _placed(float(views.aspect[row]), boxes, rng)
            _paste(picture, lit[place].numpy(), alpha[place].numpy(), expand(box))
            boxes.append(box)
        exposed = composer.exposed(torch.from_numpy(picture)[None, None])[0, 0]
        montages.append(Montage((exposed * 255).byte().numpy(), tuple(boxes), tuple(int(r) for r in chosen)))
    return montages


def windows_of(montages: list[Montage], *, near: int, far: int, seed: int) -> Windows:
    """Of each object `near` windows that overlap it by OBJECT or more, of each montage `far` that overlap every
    object by less than BACKGROUND, parts of objects among them."""
    rng = np.random.default_rng(seed)
    crops, boxes, montage, row = [], [], [], []
    for place, one in enumerate(montages):
        windows = [
            (_jittered(box, rng), view)
            for box, view in zip(one.boxes, one.rows, strict=True)
            for _ in range(near)
        ]
        windows += [(_elsewhere(one.boxes, rng), -1) for _ in range(far)]
        for box, view in windows:
            crops.append(warp(one.pixels[..., None], crop_matrix(box, SIDE), SIDE).reshape(SIDE, SIDE))
            boxes.append(box)
            montage.append(place)
            row.append(view)
    return Windows(np.stack(crops), np.array(montage), tuple(boxes), np.array(row))


def _placed(aspect: float, others: list[Box], rng: np.random.Generator) -> Box:
    """Somewhere on the canvas, away from the others where there is room."""
    best, least = Box(0, 0, 1, 1), 2.0
    for _ in range(20):
        longer = rng.uniform(_LEAST, _MOST)
        width, height = longer * min(1.0, 1 / aspect), longer * min(1.0, aspect)
        width, height = max(width, 8.0), max(height, 8.0)
        x, y = rng.uniform(2, CANVAS - 2 - width), rng.uniform(2, CANVAS - 2 - height)
        box = Box(x, y, x + width, y + height)
        overlap = max((iou(box, other) for other in others), default=0.0)
        if overlap < least:
            best, least = box, overlap
        if overlap <= _APART:
            break
    return best


def _paste(
    picture: npt.NDArray[np.float32],
    lit: npt.NDArray[np.float32],
    alpha: npt.NDArray[np.float32],
    outer: Box,
) -> None:
    """Lay a stretched crop over its place, premultiplied, so that edges mix."""
    source = np.stack([lit * alpha, alpha], axis=2)
    matrix = np.array(
        [[outer.width / SIDE, 0, outer.x0 - 0.5], [0, outer.height / SIDE, outer.y0 - 0.5]], np.float64
    )
    matrix[:, 2] += 0.5 * np.diag(matrix[:, :2])
    layer = cv2.warpAffine(source, matrix, (CANVAS, CANVAS), flags=cv2.INTER_AREA)
    picture *= 1 - layer[..., 1]
    picture += layer[..., 0]


def _jittered(box: Box, rng: np.random.Generator) -> Box:
    while True:
        dx, dy = rng.normal(0, 0.07, 2) * (box.width, box.height)
        sx, sy = np.exp(rng.normal(0, 0.1, 2))
        x, y = (box.x0 + box.x1) / 2 + dx, (box.y0 + box.y1) / 2 + dy
        moved = Box(
            x - sx * box.width / 2, y - sy * box.height / 2, x + sx * box.width / 2, y + sy * box.height / 2
        )
        if iou(moved, box) >= OBJECT + 0.05:
            return moved


def _elsewhere(objects: tuple[Box, ...], rng: np.random.Generator) -> Box:
    for _ in range(200):
        width, height = rng.uniform(30, 150, 2)
        if rng.random() < 0.5:  # a part of an object, or an object with much around it
            anchor = objects[rng.integers(len(objects))]
            scale = np.exp(rng.choice([-0.8, 0.8]) + rng.normal(0, 0.15))
            width, height = anchor.width * scale, anchor.height * scale
        x, y = rng.uniform(0, max(CANVAS - width, 1)), rng.uniform(0, max(CANVAS - height, 1))
        box = Box(x, y, min(x + width, CANVAS), min(y + height, CANVAS))
        if box.width >= 8 and box.height >= 8 and all(iou(box, other) < BACKGROUND for other in objects):
            return box
    return Box(0, 0, 20, 20)
