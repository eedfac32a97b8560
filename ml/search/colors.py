"""Colors as a shopper names them: the shares of the eleven basic color terms (Berlin and Kay 1969).

Shape is what the network compares; color is a term of its own, which may be turned up or left out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import clip
from ml.pose.masks import estimate_mask
from ml.types import BoolArray, Box, Crop, FloatArray, Photo, ViewSet

__all__ = [
    "COLOR_SCALE",
    "NAMES",
    "color_scores",
    "colors_of_crop",
    "colors_of_photo",
    "colors_of_thumbnail",
    "colors_of_views",
    "tell_apart",
]

# sRGB of typical surfaces in a room's light, several a name
_TYPICAL: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((18, 18, 20), (45, 45, 48)),
    "white": ((250, 250, 248), (225, 224, 220)),
    "gray": ((128, 128, 130), (170, 170, 170), (88, 88, 92)),
    "red": ((190, 30, 35), (130, 20, 25)),
    "orange": ((230, 120, 40), (205, 95, 55)),
    "yellow": ((235, 200, 50), (200, 165, 40)),
    "green": ((50, 130, 60), (35, 75, 45), (120, 150, 100)),
    "blue": ((40, 80, 170), (30, 45, 95), (110, 150, 200), (30, 130, 140)),
    "purple": ((120, 60, 150), (80, 40, 90)),
    "pink": ((235, 150, 175), (200, 145, 145)),
    "brown": ((100, 65, 40), (150, 105, 65), (190, 150, 105), (60, 42, 32)),
}
NAMES = tuple(_TYPICAL)
COLOR_SCALE = 255  # of a view's shares, as an index keeps them
SIDE = 64  # pixels, longer side of what is counted
_VIEW_SIDE, _CROP_SIDE = 16, 32  # pixels of a view and of a photo's crop that are counted
_SOFT = 10.0  # CIELAB: a name's share falls by e with each such distance, so that neighbors share a color
_LIGHTNESS = 0.3  # of its difference that counts between a photo and a view: another light fell on it
_TELLING = 16.0  # of COLOR_SCALE; 225 models without materials have 9, 783 with theirs 32
_LOOKED_AT = 4096  # views, evenly taken
_BESIDE = 0.02  # what a pixel weighs that is likelier not the object's
_GROUND_STEP = 3  # gray levels between neighbors by which a thumbnail's ground may change


def colors_of_photo(photo: Photo, box: Box) -> list[float]:
    """Shares of NAMES, summing to 1, in the object in the box; in the box's middle where its outline
    can't be told. Raises BadBox where the box has no part inside the photo."""
    inside = clip(box, photo.width, photo.height)
    x0, y0, x1, y1 = (round(edge) for edge in inside.as_tuple())
    pixels = photo.pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    mask = estimate_mask(photo, box)
    if mask is None:
        rows, columns = np.ogrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
        part: BoolArray = rows**2 + columns**2 < 0.5
    else:
        part = mask[y0 : y0 + pixels.shape[0], x0 : x0 + pixels.shape[1]]
    return _shares(pixels, part)


def colors_of_thumbnail(path: Path) -> list[float]:
    """Shares of NAMES of what stands on a thumbnail's light ground; all 0 where there is no picture."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        return [0.0] * len(NAMES)
    height, width = picture.shape[:2]
    seen = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | (255 << 8)
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        if not seen[corner[1] + 1, corner[0] + 1]:
            step = (_GROUND_STEP,) * 3
            cv2.floodFill(np.asarray(picture), seen, corner, 0, step, step, flags)
    return _shares(np.asarray(picture, np.uint8), seen[1:-1, 1:-1] == 0)


def colors_of_views(views: ViewSet) -> npt.NDArray[np.uint8]:
    """(n, 11) shares of NAMES in each view's object, times COLOR_SCALE."""
    size = (_VIEW_SIDE, _VIEW_SIDE)
    found = np.empty((len(views.grid), len(NAMES)), np.float32)
    for k, (pixels, mask) in enumerate(zip(views.pixels, views.masks, strict=True)):
        inside = mask.astype(np.float32)
        filled = cv2.resize(inside, size, interpolation=cv2.INTER_AREA)
        summed = cv2.resize(pixels * inside[..., None], size, interpolation=cv2.INTER_AREA)
        mean = np.clip(summed / np.maximum(filled, 1e-3)[..., None], 0, 255).astype(np.uint8)
        found[k] = _soft_shares(mean.reshape(-1, 3), filled.reshape(-1))
    return np.rint(found * COLOR_SCALE).astype(np.uint8)


def colors_of_crop(crop: Crop, share: FloatArray) -> npt.NDArray[np.float32]:
    """(11,) shares of NAMES in a photo's object. share (s, s) in [0, 1]: how likely each of its pixels is the object's."""
    size = (_CROP_SIDE, _CROP_SIDE)
    pixels = np.ascontiguousarray(crop.pixels.transpose(1, 2, 0))
    small = np.rint(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)
    is_object = cv2.resize(np.asarray(share, np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return _soft_shares(small.reshape(-1, 3), np.where(is_object.reshape(-1), 1.0, _BESIDE))


def color_scores(photo: FloatArray, views: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(11,) of a photo, (n, 11) of views times COLOR_SCALE -> (n,) in [0, 1], what they have in common.

    Histogram intersection (Swain and Ballard, Color indexing, 1991).
    """
    common = np.minimum(views.astype(np.float32) / COLOR_SCALE, photo)
    return np.asarray(common.sum(axis=1), np.float32)


def tell_apart(views: npt.NDArray[np.uint8]) -> bool:
    """Whether colors tell an index's views (n, 11) apart: some color's share strays enough over them. Those of
    models without materials differ by their shading alone."""
    sample = views[:: max(1, len(views) // _LOOKED_AT)]
    return len(sample) > 0 and bool(sample.astype(np.float32).std(axis=0).max() >= _TELLING)


def _soft_shares(pixels: npt.NDArray[np.uint8], weights: FloatArray) -> npt.NDArray[np.float32]:
    """(m, 3) sRGB, (m,) -> (11,) summing to 1: each pixel is shared among the names it is near to."""
    typical, owners = _named()
    off = (_lab(pixels)[:, None] - typical[None]) * np.array((_LIGHTNESS, 1.0, 1.0), np.float32)
    distances = np.sqrt((off**2).sum(axis=2))
    nearest = np.stack([distances[:, owners == name].min(axis=1) for name in range(len(NAMES))], axis=1)
    likely = np.exp(-(nearest - nearest.min(axis=1, keepdims=True)) / _SOFT)
    likely *= (weights / likely.sum(axis=1))[:, None]
    shares = likely.sum(axis=0)
    return np.asarray(shares / max(float(shares.sum()), 1e-6), np.float32)


@cache
def _named() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """CIELAB of the typical colors (t, 3), and whose each is (t,), of NAMES."""
    owners = np.repeat(np.arange(len(NAMES)), [len(rows) for rows in _TYPICAL.values()])
    return _lab(np.array([color for rows in _TYPICAL.values() for color in rows], np.uint8)), owners


def _shares(pixels: npt.NDArray[np.uint8], part: BoolArray) -> list[float]:
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.9
    found = _lab(small[inside].reshape(-1, 3))
    if not len(found):
        return [0.0] * len(NAMES)
    typical, owners = _named()
    off = (found[:, None] - typical[None]) * (0.6, 1.0, 1.0)  # light changes more than hue
    nearest = owners[np.argmin((off**2).sum(axis=2), axis=1)]
    counts = np.bincount(nearest, minlength=len(NAMES))
    return [round(float(share), 4) for share in counts / counts.sum()]


def _lab(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(n, 3) sRGB -> (n, 3) CIELAB."""
    if not len(colors):
        return np.empty((0, 3), np.float32)
    scaled = np.ascontiguousarray(colors[None], dtype=np.float32) / 255
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB)[0], np.float32)
