from __future__ import annotations

import numpy as np
import pytest

from ml.detect.tightening import tightened
from ml.errors import BadBox
from ml.geometry.boxes import iou, mask_box
from ml.geometry.cameras import camera_for_view
from ml.mesh.parametric.families import random_mesh
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.types import Box, Photo, View


def shown(family: str, seed: int) -> tuple[Photo, Box]:
    """A thing on a plain wall, and its box."""
    scene = RayScene(random_mesh(family, np.random.default_rng(seed)))
    camera = camera_for_view(scene.points, View(0.6, 0.25), 180)
    buffer = scene.cast(camera)
    pixels = np.full((300, 320, 3), (190, 185, 170), np.uint8)
    place = pixels[60 : 60 + camera.height, 70 : 70 + camera.width]
    place[buffer.alpha] = shade(buffer, camera)[buffer.alpha]
    box = mask_box(buffer.alpha)
    assert box is not None
    return Photo(pixels), Box(box.x0 + 70, box.y0 + 60, box.x1 + 70, box.y1 + 60)


@pytest.mark.parametrize("family", ["armchair", "cabinet", "office chair"])
def test_a_box_that_is_a_little_off_is_drawn_to_the_thing(family: str) -> None:
    before, after = [], []
    for seed in range(3):
        photo, true = shown(family, seed)
        rng = np.random.default_rng(seed)
        dx, dy = 0.12 * true.width * rng.uniform(-1, 1, 2), 0.12 * true.height * rng.uniform(-1, 1, 2)
        off = Box(true.x0 + dx[0], true.y0 + dy[0], true.x1 + dx[1], true.y1 + dy[1])
        [drawn] = tightened(photo, [off])
        before.append(iou(off, true))
        after.append(iou(drawn, true))
    assert np.mean(after) > max(0.85, np.mean(before))


def test_each_box_gets_its_own_answer_in_order_and_inside_the_photo() -> None:
    photo, true = shown("armchair", 0)
    beyond = Box(true.x0 - 8, true.y0 - 8, photo.width + 50, true.y1 + 8)
    together = tightened(photo, [true, beyond])
    assert together == [*tightened(photo, [true]), *tightened(photo, [beyond])]
    assert all(
        0 <= one.x0 < one.x1 <= photo.width and 0 <= one.y0 < one.y1 <= photo.height for one in together
    )
    assert tightened(photo, []) == []


def test_a_box_outside_is_refused() -> None:
    with pytest.raises(BadBox):
        tightened(Photo(np.zeros((40, 40, 3), np.uint8)), [Box(50, 0, 60, 10)])
