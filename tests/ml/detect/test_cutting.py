"""What the network takes for the object, on drawn photos whose every pixel is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml.detect.cutting import MARGIN, crop_shares, object_share
from ml.errors import BadBox
from ml.geometry.boxes import crop_matrix, mask_box
from ml.geometry.crops import uncrop
from ml.mesh.parametric.families import random_mesh
from ml.pose.masks import estimate_mask
from ml.pose.placing import place
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.types import BoolArray, Box, Photo, View

WIDTH, HEIGHT = 320, 240


def photograph(family: str, seed: int) -> tuple[Photo, Box, BoolArray]:
    """A product before a wall of the product's own color, a little lighter, over a floor a little darker."""
    rng = np.random.default_rng(seed)
    scene = RayScene(random_mesh(family, rng))
    wanted = Box(90, 40, 230, 200)
    view = View(rng.uniform(-1, 1), math.radians(15))
    camera = place(scene.points, view, wanted, WIDTH, HEIGHT, 1.2 * WIDTH)
    seen = scene.cast(camera)
    shown = shade(seen, camera)
    color = np.median(shown[seen.alpha], axis=0)
    wall = np.where(np.arange(HEIGHT)[:, None, None] < 150, color * 1.12 + 6, color * 0.85)
    wall = wall + rng.normal(0, 3, (HEIGHT, WIDTH, 3))
    box = mask_box(seen.alpha)
    assert box is not None
    return (
        Photo(np.clip(np.where(seen.alpha[..., None], shown, wall), 0, 255).astype(np.uint8)),
        box,
        seen.alpha,
    )


def overlap(found: BoolArray, truth: BoolArray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def test_the_network_says_more_of_the_object_than_its_box_does() -> None:
    overlaps, of_boxes = [], []
    for seed, family in enumerate(("armchair", "chair", "table", "sofa", "bookcase", "office chair")):
        photo, box, truth = photograph(family, seed)
        share = object_share(photo, box)
        spread = uncrop(share, crop_matrix(box, len(share), MARGIN), WIDTH, HEIGHT)
        overlaps.append(overlap(spread >= 0.5, truth))
        filled = np.zeros_like(truth)
        filled[round(box.y0) : round(box.y1), round(box.x0) : round(box.x1)] = True
        of_boxes.append(overlap(filled, truth))
    assert np.median(overlaps) > 0.7, overlaps
    assert np.mean(overlaps) > np.mean(of_boxes) + 0.05, (overlaps, of_boxes)


def test_the_outline_is_the_networks_where_color_tells_nothing() -> None:
    photo, box, truth = photograph("table", 2)
    mask = estimate_mask(photo, box)
    assert mask is not None
    assert overlap(mask, truth) > 0.7


def test_a_box_without_area_is_refused() -> None:
    photo, _, _ = photograph("chair", 0)
    with pytest.raises(BadBox):
        object_share(photo, Box(10, 10, 10, 20))


def test_a_crops_shares_lie_over_the_crop_an_embedder_sees() -> None:
    """Laid back over the photo, they are what the network says there."""
    photo, box, _ = photograph("chair", 3)
    coarse = crop_shares(photo, [box, box], 32)
    assert coarse.shape == (2, 32, 32)
    np.testing.assert_array_equal(coarse[0], coarse[1])
    fine = object_share(photo, box)
    over_crop = uncrop(coarse[0], crop_matrix(box, 32), WIDTH, HEIGHT)
    over_photo = uncrop(fine, crop_matrix(box, len(fine), MARGIN), WIDTH, HEIGHT)
    inside = (slice(45, 195), slice(95, 225))
    assert np.abs(over_crop - over_photo)[inside].mean() < 0.06
    shifted = uncrop(np.roll(coarse[0], 3, axis=1), crop_matrix(box, 32), WIDTH, HEIGHT)
    assert np.abs(shifted - over_photo)[inside].mean() > 0.1


def test_no_box_has_no_shares() -> None:
    assert crop_shares(photograph("chair", 3)[0], [], 32).shape == (0, 32, 32)
