"""Colors by their names, of a photo's object and of a thumbnail."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml.search.colors import NAMES, colors_of_photo, colors_of_thumbnail
from ml.types import Box, Photo


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((150, 25, 28), "red"),
        ((40, 80, 50), "green"),
        ((30, 42, 90), "blue"),
        ((110, 70, 45), "brown"),
        ((20, 20, 22), "black"),
    ],
)
def test_a_thing_on_a_light_ground_has_its_color(rgb, name, tmp_path):
    picture = np.full((200, 200, 3), (246, 246, 244), np.uint8)
    picture[60:150, 50:140] = rgb
    shares = dict(zip(NAMES, colors_of_photo(Photo(picture), Box(50, 60, 140, 150)), strict=True))
    assert shares[name] > 0.9
    path = tmp_path / "thumbnail.jpg"
    cv2.imwrite(str(path), picture[..., ::-1])
    assert dict(zip(NAMES, colors_of_thumbnail(path), strict=True))[name] > 0.9


def test_no_picture_has_no_color(tmp_path):
    assert colors_of_thumbnail(tmp_path / "none.jpg") == [0.0] * len(NAMES)
