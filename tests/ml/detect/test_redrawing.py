from __future__ import annotations

import numpy as np
import pytest

from ml.detect.redrawing import redrawn
from ml.errors import BadBox
from ml.geometry.boxes import expand, iou
from ml.types import Box, Detection, Photo
from tests.ml.detect.test_tightening import shown


def test_what_a_box_holds_is_drawn_first_then_what_is_found_about_there() -> None:
    photo, true = shown("armchair", 0)
    given = Box(true.x0 - 20, true.y0 + 15, true.x1 - 12, true.y1 + 20)
    elsewhere = Box(0, 0, true.width / 3, true.height / 3)
    beside = Box(given.x0 + 0.1 * given.width, given.y0, given.x1, given.y1)
    other = Box(given.x0, given.y0 + 5, given.x1, given.y1)
    found = [Detection(box, score) for box, score in ((elsewhere, 0.9), (beside, 0.6), (other, 0.5))]
    drawn, detected = redrawn(photo, given, lambda _: found)
    assert iou(drawn, true) > iou(given, true)
    assert detected == beside
    assert [*redrawn(photo, given, lambda _: found[:1])] == [drawn]


def test_the_detector_is_asked_only_once_its_box_is() -> None:
    photo, true = shown("armchair", 0)

    def detect(_: Photo) -> list[Detection]:
        raise AssertionError("nobody asked for it")

    boxes = redrawn(photo, expand(true, 0.1), detect)
    assert iou(next(boxes), true) > 0.7
    with pytest.raises(AssertionError, match="nobody"):
        next(boxes)


def test_what_is_all_but_a_box_tried_already_is_left_out() -> None:
    photo, true = shown("armchair", 0)
    given = Box(true.x0 - 20, true.y0 + 15, true.x1 - 12, true.y1 + 20)
    [drawn] = redrawn(photo, given, lambda _: [])
    for tried in (given, drawn):
        nearly = Box(tried.x0 + 0.01 * tried.width, tried.y0, tried.x1, tried.y1)
        assert [*redrawn(photo, given, lambda _, nearly=nearly: [Detection(nearly, 0.9)])] == [drawn]
    again = [*redrawn(photo, drawn, lambda _: [])]
    assert all(iou(box, drawn) < 0.95 for box in again)


def test_what_is_about_something_else_is_left_out() -> None:
    """A part of the thing is its own: the whole thing is no better box of it. In plain gray there is nothing to draw."""
    photo, true = shown("armchair", 0)
    part = Box(true.x0, true.y0, true.x0 + 0.4 * true.width, true.y0 + 0.4 * true.height)
    assert true not in [*redrawn(photo, part, lambda _: [Detection(true, 0.9)])]
    gray = Photo(np.full((80, 90, 3), 128, np.uint8))
    assert all(
        iou(box, Box(20, 20, 60, 60)) >= 0.5 for box in redrawn(gray, Box(20, 20, 60, 60), lambda _: [])
    )
    with pytest.raises(BadBox):
        next(redrawn(gray, Box(100, 0, 120, 10), lambda _: []))
