"""The network that ships, on pictures with known boxes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml.detect.finder import FinderDetector, _score_as_subject
from ml.geometry.boxes import iou, mask_box
from ml.geometry.cameras import camera_for_view
from ml.mesh.parametric.families import random_mesh
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.types import Box, Photo, View


@pytest.fixture(scope="module")
def detector() -> FinderDetector:
    return FinderDetector()


def _room(width: int, height: int) -> np.ndarray:
    """A grained floor below a wall: no even border."""
    rng = np.random.default_rng(1)
    photo = np.full((height, width, 3), (196, 180, 160), np.uint8)
    grain = cv2.resize(rng.integers(60, 140, (12, 40), dtype=np.uint8), (width, height - height // 2))
    photo[height // 2 :] = grain[..., None]
    return photo


def _put(photo: np.ndarray, family: str, seed: int, x: int, y: int, longest: int) -> Box:
    scene = RayScene(random_mesh(family, np.random.default_rng(seed)))
    camera = camera_for_view(scene.points, View(0.5, 0.2), longest)
    buffer = scene.cast(camera)
    photo[y : y + camera.height, x : x + camera.width][buffer.alpha] = shade(buffer, camera)[buffer.alpha]
    box = mask_box(buffer.alpha)
    assert box is not None
    return Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y)


def test_two_things_in_a_room_are_two_boxes(detector: FinderDetector) -> None:
    photo = _room(480, 320)
    boxes = [_put(photo, "office chair", 3, 40, 70, 210), _put(photo, "cabinet", 5, 290, 130, 150)]
    found = detector.detect(Photo(photo))
    assert all(max(iou(box, one.box) for one in found) > 0.6 for box in boxes)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("families", [("office chair", "cabinet"), ("cabinet", "office chair")])
def test_first_is_what_the_photo_is_of(detector: FinderDetector, families: tuple[str, str]) -> None:
    photo = _room(480, 320)
    _put(photo, families[1], 3, 390, 110, 80)
    large = _put(photo, families[0], 5, 150, 60, 220)
    found = detector.detect(Photo(photo))
    assert iou(large, found[0].box) > 0.6


def test_of_two_as_sure_the_larger_and_the_one_in_the_middle_come_first() -> None:
    photo = Photo(np.zeros((100, 200, 3), np.uint8))
    middle, small = Box(60, 20, 140, 80), Box(80, 35, 120, 65)
    assert _score_as_subject(0.5, middle, photo) > _score_as_subject(0.5, small, photo)
    for aside in (Box(0, 20, 80, 80), Box(60, 40, 140, 100)):
        assert _score_as_subject(0.5, middle, photo) > _score_as_subject(0.5, aside, photo)
    assert _score_as_subject(0.99, small, photo) > _score_as_subject(0.3, middle, photo)  # none alone decides
    assert _score_as_subject(1.0, middle, photo) <= 1.0


@pytest.mark.parametrize("size", [(640, 200), (260, 520)])
def test_boxes_are_in_the_photos_own_pixels(detector: FinderDetector, size: tuple[int, int]) -> None:
    photo = _room(*size)
    longest = min(size) - 20
    true = _put(photo, "armchair", 2, (size[0] - longest) // 2, (size[1] - longest) // 2, longest)
    found = detector.detect(Photo(photo))
    assert max(iou(true, one.box) for one in found) > 0.5
    assert all(0 <= one.box.x0 < one.box.x1 <= size[0] for one in found)
    assert all(0 <= one.box.y0 < one.box.y1 <= size[1] for one in found)


def test_on_an_even_ground_the_whole_object_comes_first(detector: FinderDetector) -> None:
    photo = np.full((300, 300, 3), 246, np.uint8)
    true = _put(photo, "office chair", 8, 60, 50, 200)
    first = detector.detect(Photo(photo))[0]
    assert iou(true, first.box) > 0.85


def test_nothing_is_found_in_nothing(detector: FinderDetector) -> None:
    assert detector.detect(Photo(np.full((120, 160, 3), 128, np.uint8))) == []
