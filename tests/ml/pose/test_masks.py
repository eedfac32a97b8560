from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml.errors import BadBox
from ml.pose.masks import estimate_mask
from ml.types import Box, Photo


def scene(seed: int = 0) -> tuple[Photo, Box, np.ndarray]:
    """A dark L on a light wall with grain, its box and its pixels."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((300, 400), np.uint8)
    cv2.rectangle(mask, (120, 60), (180, 250), 1, -1)
    cv2.rectangle(mask, (120, 200), (300, 250), 1, -1)
    colors = np.where(mask[..., None] > 0, (90, 50, 40), (200, 205, 195)) + rng.normal(0, 6, (300, 400, 3))
    photo = Photo(np.clip(colors, 0, 255).astype(np.uint8))
    return photo, Box(120, 60, 301, 251), mask.astype(bool)


def test_an_object_on_a_wall_is_cut_out() -> None:
    photo, box, truth = scene()
    found = estimate_mask(photo, box)
    assert found is not None
    assert found.shape == truth.shape
    assert (found & truth).sum() / (found | truth).sum() > 0.93


def test_the_same_photo_gives_the_same_mask() -> None:
    photo, box, _ = scene()
    np.testing.assert_array_equal(estimate_mask(photo, box), estimate_mask(photo, box))


def test_a_box_of_nothing_gives_no_mask() -> None:
    photo = Photo(np.random.default_rng(0).integers(190, 210, (300, 400, 3)).astype(np.uint8))
    found = estimate_mask(photo, Box(100, 100, 250, 200))
    assert found is None or not 0.2 < found[100:200, 100:250].mean() < 0.8


def test_a_box_that_is_the_whole_photo_leaves_no_background_to_learn_from() -> None:
    photo, _, _ = scene()
    assert estimate_mask(photo, photo.full_box) is None


def test_a_box_outside_is_refused() -> None:
    with pytest.raises(BadBox):
        estimate_mask(scene()[0], Box(500, 0, 600, 50))
