from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml.detect.saliency import SaliencyDetector
from ml.detect.suppression import suppress
from ml.geometry.boxes import iou
from ml.types import Box, Detection, Photo


def photo_with(*boxes, background=(225, 220, 210), noise=3.0, size=(480, 360)):
    """Two-colored things in boxes on a softly lit plain background."""
    width, height = size
    rng = np.random.default_rng(0)
    pixels = (
        np.full((height, width, 3), background, np.float32) * np.linspace(0.9, 1.05, width)[None, :, None]
    )
    for box in boxes:
        x0, y0, x1, y1 = map(int, box.as_tuple())
        cv2.rectangle(pixels, (x0, y0), (x1 - 1, y1 - 1), (140, 60, 50), -1)
        cv2.ellipse(
            pixels,
            ((x0 + x1) // 2, (y0 + y1) // 2),
            ((x1 - x0) // 3, (y1 - y0) // 3),
            0,
            0,
            360,
            (60, 70, 90),
            -1,
        )
    pixels += rng.normal(0, noise, pixels.shape)
    return Photo(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def detector():
    return SaliencyDetector()


def test_one_object_is_found_tightly(detector):
    true = Box(150, 90, 320, 300)
    found = detector.detect(photo_with(true))
    assert iou(found[0].box, true) > 0.85
    assert len(found) == 1


def test_two_objects_give_two_detections(detector):
    left, right = Box(40, 120, 180, 320), Box(280, 60, 430, 250)
    found = detector.detect(photo_with(left, right))
    assert len(found) == 2
    best = [max(iou(one.box, true) for one in found) for true in (left, right)]
    assert min(best) > 0.85


def test_a_plain_photo_has_no_object(detector):
    assert detector.detect(photo_with()) == []


def test_detections_are_ordered_bounded_and_apart(detector):
    rng = np.random.default_rng(5)
    for _ in range(5):
        pixels = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (320, 240))
        found = detector.detect(Photo(pixels))
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        for index, one in enumerate(found):
            assert one.box.x0 >= 0
            assert one.box.x1 <= 320
            assert one.box.y1 <= 240
            assert all(iou(one.box, other.box) <= 0.5 for other in found[index + 1 :])


def test_a_tiny_photo_does_not_break_it(detector):
    assert isinstance(detector.detect(Photo(np.zeros((1, 3, 3), np.uint8))), list)


def test_of_two_boxes_that_overlap_by_more_than_half_the_better_stays():
    first = Detection(Box(0, 0, 100, 100), 0.4)
    better = Detection(Box(0, 0, 100, 90), 0.9)
    apart = Detection(Box(0, 0, 100, 45), 0.1)  # IoU with `better` exactly 0.5
    assert suppress([first, better, apart]) == [better, apart]
