from __future__ import annotations

import math

import numpy as np
import pytest

from ml.errors import BadBox
from ml.geometry.boxes import around
from ml.geometry.cameras import angle_between, angles_from, camera_center, in_front, project
from ml.pose.placing import DEFAULT_FOCAL, focal_or_default, place
from ml.render.raycast import RayScene
from ml.types import Box, View

BOXES = [Box(350, 250, 650, 450), Box(20, 30, 320, 230), Box(700, 500, 990, 720), Box(480, 10, 560, 70)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (0.6, 0.3), (-2.4, 0.5), (3.0, 0.1)])
def test_the_outline_gets_the_boxs_center_and_area(
    desk: RayScene, box: Box, azimuth: float, elevation: float
) -> None:
    camera = place(desk.points, View(azimuth, elevation), box, 1000, 750, 1100.0)
    found = around(project(camera, desk.points))
    assert in_front(camera, desk.points).all()
    assert found.x0 + found.x1 == pytest.approx(box.x0 + box.x1, abs=0.1)
    assert found.y0 + found.y1 == pytest.approx(box.y0 + box.y1, abs=0.1)
    assert math.sqrt(found.area) == pytest.approx(math.sqrt(box.area), abs=0.1)


@pytest.mark.parametrize("box", BOXES)
def test_the_viewpoint_is_kept_wherever_the_box_lies(desk: RayScene, box: Box) -> None:
    camera = place(desk.points, View(0.6, 0.3), box, 1000, 750, 1100.0)
    found = angles_from(camera_center(camera))
    assert angle_between(found.azimuth, 0.6) < 1e-9
    assert found.elevation == pytest.approx(0.3)
    rotation = camera.camera_from_model[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert (camera.cx, camera.cy, camera.fx, camera.fy) == (500, 375, 1100, 1100)


def test_a_known_camera_is_found_again(desk: RayScene) -> None:
    truth = place(desk.points, View(0.8, 0.25), Box(120, 200, 420, 380), 1000, 750, 900.0)
    box = around(project(truth, desk.points))
    again = place(desk.points, View(0.8, 0.25), box, 1000, 750, 900.0)
    np.testing.assert_allclose(again.camera_from_model, truth.camera_from_model, atol=1e-3)


def test_a_box_that_fills_the_photo_keeps_the_camera_outside(desk: RayScene) -> None:
    camera = place(desk.points, View(0.3, 0.2), Box(0, 0, 1000, 750), 1000, 750, 200.0)
    assert in_front(camera, desk.points).all()
    assert np.isfinite(camera.camera_from_model).all()


def test_an_empty_box_is_refused(desk: RayScene) -> None:
    with pytest.raises(BadBox):
        place(desk.points, View(0, 0), Box(5, 5, 5, 9), 100, 100, 120.0)


def test_the_default_focal_length_follows_the_longer_side() -> None:
    assert focal_or_default(None, 640, 480) == DEFAULT_FOCAL * 640
    assert focal_or_default(512.0, 640, 480) == 512.0
