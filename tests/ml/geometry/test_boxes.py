from __future__ import annotations

import math

import numpy as np
import pytest

from ml.errors import BadBox
from ml.geometry.boxes import (
    MARGIN,
    around,
    check_box,
    clip,
    crop_matrix,
    expand,
    iou,
    mask_box,
    with_neighbors,
)
from ml.types import Box


def test_iou_equals_counted_pixels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        masks, boxes = [], []
        for _ in range(2):
            x0, y0 = rng.integers(0, 20, 2)
            w, h = rng.integers(1, 20, 2)
            mask = np.zeros((40, 40), bool)
            mask[y0 : y0 + h, x0 : x0 + w] = True
            masks.append(mask)
            boxes.append(Box(float(x0), float(y0), float(x0 + w), float(y0 + h)))
        counted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        assert iou(*boxes) == pytest.approx(counted)
        assert iou(*boxes) == iou(*boxes[::-1])


def test_expand_grows_each_side_by_its_own_length() -> None:
    assert expand(Box(10, 20, 26, 52)) == Box(9, 18, 27, 54)


def test_crop_matrix_maps_the_margin_box_onto_the_square() -> None:
    box = Box(10.5, 20.25, 90.0, 40.0)
    outer = expand(box, MARGIN)
    corners = np.array([[outer.x0, outer.y0, 1], [outer.x1, outer.y1, 1]]).T
    mapped = crop_matrix(box, 96) @ corners
    np.testing.assert_allclose(mapped, [[0, 96], [0, 96], [1, 1]], atol=1e-12)


def test_mask_box_is_the_box_that_was_drawn() -> None:
    mask = np.zeros((30, 40), bool)
    mask[5:9, 7:20] = True
    assert mask_box(mask) == Box(7, 5, 20, 9)
    assert mask_box(np.zeros((3, 3), bool)) is None


def test_around_holds_every_point_and_touches_four() -> None:
    assert around(np.array([[3.0, 1.0], [2.0, 9.0], [5.0, 4.0]])) == Box(2, 1, 5, 9)


def test_neighbors_are_larger_smaller_wider_narrower_higher_lower() -> None:
    box = Box(0, 0, 100, 200)
    alone, larger, smaller, wider, narrower, higher, lower = with_neighbors(box, 0.1)
    assert alone == box
    assert [larger.width, smaller.width] == pytest.approx([110, 90])
    assert [wider.width, narrower.width] == pytest.approx([110, 90])
    assert [wider.height, narrower.height] == [200, 200]
    assert [higher.height, lower.height] == pytest.approx([220, 180])
    assert all((one.x0 + one.x1, one.y0 + one.y1) == pytest.approx((100, 200)) for one in (larger, lower))
    assert with_neighbors(box, 0) == [box]


def test_clip_keeps_the_part_inside() -> None:
    assert clip(Box(-5, -5, 50, 10), 40, 30) == Box(0, 0, 40, 10)


@pytest.mark.parametrize("box", [Box(50, 0, 60, 10), Box(0, -9, 10, 0), Box(5, 5, 5, 9)])
def test_a_box_outside_the_photo_is_refused(box: Box) -> None:
    with pytest.raises(BadBox, match="40 x 30"):
        clip(box, 40, 30)


@pytest.mark.parametrize(
    "box", [Box(5, 5, 5, 9), Box(9, 0, 3, 9), Box(0, 0, math.nan, 1), Box(0, 0, math.inf, 1)]
)
def test_an_empty_box_is_refused_with_its_edges(box: Box) -> None:
    with pytest.raises(BadBox, match="x0,y0,x1,y1"):
        check_box(box)
    with pytest.raises(BadBox):
        crop_matrix(box, 96)
