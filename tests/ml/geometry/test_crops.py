from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml.errors import BadBox
from ml.geometry.boxes import crop_matrix
from ml.geometry.cameras import look_at
from ml.geometry.crops import crop_of_view, crop_photo, uncrop, warp
from ml.types import Box, Camera, Photo, View, ViewSet

FULL = 16 / 18  # a box's share of its crop


def smooth_photo(width: int = 200, height: int = 150) -> Photo:
    """Red grows with x, green with y: any crop's pixels tell where they come from."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels = np.stack([x, y, np.full_like(x, 77)], axis=2)
    return Photo(np.rint(pixels).astype(np.uint8))


@pytest.mark.parametrize("box", [Box(40, 30, 112, 66), Box(50.3, 40.7, 70.9, 120.2), Box(20, 20, 180, 130)])
def test_every_crop_pixel_is_the_photo_where_the_matrix_says(box: Box) -> None:
    crop = crop_photo(smooth_photo(), box, 48)
    assert crop.pixels.shape == (3, 48, 48)
    assert crop.pixels.dtype == np.float32
    assert crop.aspect == box.height / box.width
    centers = np.stack([*np.meshgrid(np.arange(48) + 0.5, np.arange(48) + 0.5), np.ones((48, 48))])
    x, y, _ = np.einsum("ij,jkl->ikl", np.linalg.inv(crop.crop_from_photo), centers)
    np.testing.assert_allclose(crop.pixels[0] * 255, x, atol=1.1)
    np.testing.assert_allclose(crop.pixels[1] * 255, y, atol=1.1)
    np.testing.assert_allclose(crop.pixels[2] * 255, 77, atol=0.01)


def test_a_crop_at_full_scale_is_the_photos_own_pixels() -> None:
    photo = Photo(np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8))
    crop = crop_photo(photo, Box(20, 30, 52, 62), 36)  # with its margin 36 pixels wide
    expected = photo.pixels[28:64, 18:54].transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_allclose(crop.pixels, expected, atol=1e-6)


def test_outside_the_photo_its_edge_repeats() -> None:
    photo = smooth_photo()
    crop = crop_photo(photo, Box(0, 0, 160, 150), 90)
    np.testing.assert_allclose(crop.pixels[0, 45, :4] * 255, 0.5, atol=1)
    np.testing.assert_allclose(crop.pixels[1, :4, 45] * 255, 0.5, atol=1)
    np.testing.assert_allclose(crop.pixels[1, -4:, 45] * 255, 149.5, atol=1)


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crop_photo(Photo(stripes), Box(50, 50, 850, 850), 45)
    np.testing.assert_allclose(crop.pixels, 0.5, atol=0.06)


@pytest.mark.parametrize("box", [Box(10, 10, 10, 20), Box(300, 10, 320, 20)])
def test_a_useless_box_is_refused(box: Box) -> None:
    with pytest.raises(BadBox):
        crop_photo(smooth_photo(), box, 32)


def view_set(aspect: float, side: int = 64) -> ViewSet:
    pixels = np.full((1, side, side, 3), 128, np.uint8)
    masks = np.zeros((1, side, side), bool)
    inner = slice(side // 18 + 1, side - side // 18 - 1)
    masks[0, inner, inner] = True
    pixels[masks] = (200, 100, 50)
    camera = Camera(1, 1, 0, 0, 1, 1, look_at(0, 0, 1))
    return ViewSet((View(0, 0),), pixels, masks, np.array([aspect], np.float32), (camera,))


@pytest.mark.parametrize("size", [64, 32, 96])
def test_a_view_is_its_own_crop(size: int) -> None:
    crop = crop_of_view(view_set(0.5), 0, size)
    assert crop.pixels.shape == (3, size, size)
    assert crop.aspect == 0.5
    assert crop.mask is not None
    np.testing.assert_allclose(crop.pixels[:, size // 2, size // 2] * 255, [200, 100, 50], atol=0.5)
    assert crop.mask[size // 2, size // 2] == 1
    assert crop.mask[0, 0] == 0


@pytest.mark.parametrize("aspect", [0.5, 2.0])
def test_a_views_matrix_takes_its_tight_box_inside_the_margin(aspect: float) -> None:
    crop = crop_of_view(view_set(aspect), 0, 72)
    far = [64 * min(1, 1 / aspect), 64 * min(1, aspect), 1]
    np.testing.assert_allclose(crop.crop_from_photo @ [0, 0, 1], [4, 4, 1], atol=1e-9)
    np.testing.assert_allclose(crop.crop_from_photo @ far, [68, 68, 1], atol=1e-5)


def test_uncropping_puts_a_crop_back_where_it_was() -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.random((6, 8), dtype=np.float32), (200, 150), interpolation=cv2.INTER_CUBIC)
    image = np.clip(smooth * 255, 0, 255).astype(np.uint8)[..., None]
    box = Box(40, 30, 140, 110)
    matrix = crop_matrix(box, 96, 0.1)
    crop = warp(image, matrix, 96).reshape(96, 96).astype(np.float32)
    back = uncrop(crop, matrix, 200, 150)
    assert np.abs(back[40:100, 50:130] - image[40:100, 50:130, 0]).max() < 6
    assert back[:15].max() == 0
    assert back[:, 160:].max() == 0
