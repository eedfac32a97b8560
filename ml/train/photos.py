"""Real photos to train with, as gray squares: furniture and Caltech-101 by category, backgrounds by themselves.

None of them goes into the repository. Photos named by a queries.jsonl are kept for evaluation and never read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ml.errors import BadSource
from ml.geometry.boxes import crop_matrix
from ml.geometry.crops import warp
from ml.types import Box

__all__ = [
    "CATEGORIES",
    "PHOTO_SIDE",
    "PhotoSet",
    "fits_category",
    "kept_back",
    "load_photos",
    "photo_paths",
    "trimmed_box",
    "whole_crop",
]

PHOTO_SIDE = 112  # stored crops leave room to be cropped anew to 96
CATEGORIES = {
    "bed": r"\bbed\b|futon|crib",
    "chair": r"chair|stool",
    "sofa": r"sofa|couch|armchair",
    "swivelchair": r"armchair|chair|office",
    "table": r"table|desk",
    # of Caltech-101, where a catalog of furniture and household things has them
    "Motorbikes": r"motorbike|yzr",
    "airplanes": r"biplane",
    "barrel": r"barrel",
    "bonsai": r"bonsai",
    "camera": r"reflex camera|^camera",
    "car_side": r"\bcar\b|sedan|suv|ford|seat leon|renault|peugeot|beetle|chevrolet",
    "ceiling_fan": r"ceiling fan",
    "cellphone": r"mobile phone|wireless phone|iphone",
    "chandelier": r"chandelier",
    "cup": r"\bcup\b|\bmug\b",
    "dalmatian": r"\bdog\b|bulldog",
    "dollar_bill": r"\bbill\b",
    "electric_guitar": r"guitar",
    "ewer": r"\bjar\b|creamer|teapot",
    "grand_piano": r"grand piano",
    "headphone": r"headphone",
    "lamp": r"lamp\b",
    "laptop": r"laptop|ibook",
    "menorah": r"candle",
    "scissors": r"scissors",
    "soccer_ball": r"soccer ball",
    "stapler": r"stapler",
    "umbrella": r"umbrella",
    "watch": r"watch|clock",
    "wheelchair": r"wheelchair",
    "windsor_chair": r"chair",
}
"""Photo category -> which product names fit it, lower case."""
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_FLAT = 24  # levels from the border's median that still count as background
_LEAST = 0.2  # of the photo's area a trimmed box must have


@dataclass(frozen=True, slots=True, eq=False)
class PhotoSet:
    """pixels (n, PHOTO_SIDE, PHOTO_SIDE) uint8 gray; label (n,) int64, row of `labels`."""

    pixels: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int64]
    labels: tuple[str, ...]


def load_photos(folder: Path, cache: Path, *, is_object: bool = True) -> PhotoSet:
    """All photos below the folder but those its queries.jsonl names; label = name of the folder they are in.

    is_object: trim an even background, as a shopper's box would; otherwise the whole photo is taken.
    Raises BadSource where there is none.
    """
    if cache.exists():
        with np.load(cache) as table:
            return PhotoSet(table["pixels"], table["label"], tuple(map(str, table["labels"])))
    paths = photo_paths(folder)
    labels = sorted({path.parent.name for path in paths})
    pixels, label = [], []
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            continue
        gray = np.asarray(picture, np.uint8)
        pixels.append(_cut(gray, trimmed_box(gray), 1 / 8) if is_object else whole_crop(gray))
        label.append(labels.index(path.parent.name))
    result = PhotoSet(np.stack(pixels), np.array(label), tuple(labels))
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, pixels=result.pixels, label=result.label, labels=np.array(result.labels))
    return result


def photo_paths(folder: Path) -> list[Path]:
    """All photos below the folder but those its queries.jsonl names, sorted. Raises BadSource where there is none."""
    held = kept_back(folder)
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and str(path.relative_to(folder)) not in held
    )
    if not paths:
        raise BadSource(f"there are no photos in {folder}; give the folder that holds the training photos")
    return paths


def whole_crop(gray: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(h, w) -> (PHOTO_SIDE, PHOTO_SIDE), stretched."""
    return _cut(gray, _whole(gray), 0)


def _cut(gray: npt.NDArray[np.uint8], box: Box, margin: float) -> npt.NDArray[np.uint8]:
    pixels = warp(gray[..., None], crop_matrix(box, PHOTO_SIDE, margin), PHOTO_SIDE)
    return pixels.reshape(PHOTO_SIDE, PHOTO_SIDE)


def trimmed_box(gray: npt.NDArray[np.uint8]) -> Box:
    """What differs from the border's median gray; the whole photo where that says little."""
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    other = np.abs(gray.astype(np.int16) - int(np.median(border))) > _FLAT
    columns = np.flatnonzero(other.mean(axis=0) > 0.01)
    rows = np.flatnonzero(other.mean(axis=1) > 0.01)
    if not len(columns) or not len(rows):
        return _whole(gray)
    box = Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    return box if box.area >= _LEAST * gray.size else _whole(gray)


def fits_category(names: Sequence[str], categories: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(names, categories): whether a product's name fits a photo category; never for an unknown category."""
    never = r"(?!)"
    patterns = [re.compile(CATEGORIES.get(category, never)) for category in categories]
    return np.array([[bool(p.search(name.lower())) for p in patterns] for name in names], np.bool_)


def _whole(gray: npt.NDArray[np.uint8]) -> Box:
    return Box(0.0, 0.0, float(gray.shape[1]), float(gray.shape[0]))


def kept_back(folder: Path) -> set[str]:
    """Photos below the folder that its queries.jsonl names, for evaluation: none where there is no such file."""
    path = folder / "queries.jsonl"
    if not path.exists():
        return set()
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return {str(name) for line in lines for name in np.atleast_1d(line["photo"])}
