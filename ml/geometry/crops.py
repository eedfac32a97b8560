"""Crops: a box and its margin, stretched to a square (docs/adr/0003-stretched-crops.md)."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from ml.geometry.boxes import clip, crop_matrix
from ml.types import Box, Crop, Photo, ViewSet

__all__ = ["LUMA", "crop_of_view", "crop_photo", "uncrop", "warp"]

LUMA = (0.299, 0.587, 0.114)
"""Shares of R, G and B in gray (ITU-R BT.601, luma): every network of ours is trained on pictures turned gray by these."""
_REACH = 2  # pixels of the photo kept around a region, so that interpolation has its neighbors


def crop_photo(photo: Photo, box: Box, size: int) -> Crop:
    """The box and its margin as a size x size crop; outside the photo its edge pixels repeat.

    Raises BadBox where the box is empty or has no part inside the photo.
    """
    matrix = crop_matrix(box, size)
    clip(box, photo.width, photo.height)
    pixels = warp(photo.pixels, matrix, size)
    return Crop(_as_planes(pixels), matrix, box.aspect)


def crop_of_view(views: ViewSet, k: int, size: int) -> Crop:
    """View k as a crop. Its crop_from_photo starts from the pixels of the view's own camera."""
    pixels, mask = views.pixels[k], views.masks[k].astype(np.float32)
    if pixels.shape[0] != size:
        filtering = cv2.INTER_AREA if size < pixels.shape[0] else cv2.INTER_LINEAR
        pixels = cv2.resize(pixels, (size, size), interpolation=filtering)
        mask = cv2.resize(mask, (size, size), interpolation=filtering)
    longest, aspect = views.pixels.shape[1], float(views.aspects[k])
    box = Box(0.0, 0.0, longest * min(1.0, 1 / aspect), longest * min(1.0, aspect))
    return Crop(_as_planes(pixels), crop_matrix(box, size), aspect, mask)


def warp(image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8]:
    """(h, w, c) -> (size, size, c) by an axis-aligned (3, 3) crop_from_image, without aliasing.

    A region larger than the crop is first averaged down to between one and two times its size.
    """
    corners = np.linalg.inv(matrix) @ np.array([[0, size], [0, size], [1, 1]], dtype=np.float64)
    (left, right), (top, bottom) = corners[0], corners[1]
    height, width = image.shape[:2]
    x0, x1 = _span(left, right, width)
    y0, y1 = _span(top, bottom, height)
    region = image[y0:y1, x0:x1]
    columns = max(1, math.ceil((x1 - x0) / max(1, math.floor((right - left) / size))))
    rows = max(1, math.ceil((y1 - y0) / max(1, math.floor((bottom - top) / size))))
    if (rows, columns) != region.shape[:2]:
        shrunk = cv2.resize(region, (columns, rows), interpolation=cv2.INTER_AREA)
    else:
        shrunk = region
    image_from_shrunk = np.array(
        [[(x1 - x0) / columns, 0, x0], [0, (y1 - y0) / rows, y0], [0, 0, 1]], dtype=np.float64
    )
    to_crop = _between_pixel_centers(matrix @ image_from_shrunk)
    result = cv2.warpAffine(
        np.ascontiguousarray(shrunk),
        to_crop[:2],
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(result, dtype=np.uint8)


def uncrop(
    values: npt.NDArray[np.float32], matrix: npt.NDArray[np.float64], width: int, height: int
) -> npt.NDArray[np.float32]:
    """(size, size) over a crop -> (height, width) over the image, by crop_from_image; 0 outside the crop."""
    result = cv2.warpAffine(
        np.ascontiguousarray(values),
        _between_pixel_centers(matrix)[:2],
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=0,
    )
    return np.asarray(result, dtype=np.float32)


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    """Whole pixels that hold [low, high] and its neighbors, at least one, inside the image."""
    first = min(max(math.floor(low) - _REACH, 0), length - 1)
    last = max(min(math.ceil(high) + _REACH, length), first + 1)
    return first, last


def _between_pixel_centers(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """OpenCV puts a pixel's center at whole numbers, we at a half."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], dtype=np.float64)
    result: npt.NDArray[np.float64] = np.linalg.inv(shift) @ matrix @ shift
    return result


def _as_planes(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(S, S, 3) uint8 -> (3, S, S) float32 in [0, 1]."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
