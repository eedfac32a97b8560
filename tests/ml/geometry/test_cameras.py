from __future__ import annotations

import math

import numpy as np
import pytest

from ml.geometry.boxes import around
from ml.geometry.cameras import (
    angle_between,
    angles_from,
    camera_center,
    camera_for_view,
    cropped,
    depths,
    in_front,
    look_at,
    project,
)
from ml.types import Box, Camera, View

VIEWS = [(0.0, 0.0), (0.7, 0.2), (-2.5, 0.5), (3.0, -0.3), (1.2, 1.5)]


def camera(azimuth: float, elevation: float, distance: float = 5.0) -> Camera:
    return Camera(800, 700, 320, 240, 640, 480, look_at(azimuth, elevation, distance))


@pytest.mark.parametrize(("azimuth", "elevation"), VIEWS)
def test_look_at_is_rigid_and_stands_where_the_conventions_say(azimuth: float, elevation: float) -> None:
    made = camera(azimuth, elevation)
    rotation = made.camera_from_model[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    position = 5 * np.array(
        [
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ]
    )
    np.testing.assert_allclose(camera_center(made), position, atol=1e-12)
    found = angles_from(camera_center(made))
    assert angle_between(found.azimuth, azimuth) < 1e-9
    assert found.elevation == pytest.approx(elevation)


@pytest.mark.parametrize(("azimuth", "elevation"), VIEWS)
def test_the_origin_is_seen_at_the_center_and_up_is_up(azimuth: float, elevation: float) -> None:
    center, above = project(camera(azimuth, elevation), np.array([[0, 0, 0], [0, 0.1, 0]]))
    np.testing.assert_allclose(center, [320, 240], atol=1e-9)
    assert above[0] == pytest.approx(320)
    assert above[1] < 240


def test_from_the_front_the_models_left_is_at_the_right() -> None:
    (x, _), (behind, _) = project(camera(0, 0), np.array([[1.0, 0, 0], [1.0, 0, -3]]))
    assert x == pytest.approx(320 + 800 / 5)
    assert 320 < behind < x


def test_a_growing_azimuth_goes_to_the_models_left() -> None:
    assert camera_center(camera(math.radians(90), 0))[0] == pytest.approx(5)
    left, right = depths(camera(math.radians(90), 0), np.array([[1.0, 0, 0], [-1.0, 0, 0]]))
    assert (left, right) == (pytest.approx(4), pytest.approx(6))


def test_points_behind_the_camera_are_told() -> None:
    assert in_front(camera(0, 0), np.array([[0, 0, 4.9], [0, 0, 5.1]])).tolist() == [True, False]


def test_a_cropped_camera_sees_the_same_points_stretched() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    whole, box = camera(0.4, 0.2), Box(100, 50, 300, 450)
    part = cropped(whole, box, 96, 64)
    expected = (project(whole, points) - [box.x0, box.y0]) * [96 / box.width, 64 / box.height]
    np.testing.assert_allclose(project(part, points), expected, atol=1e-9)


@pytest.mark.parametrize(("azimuth", "elevation"), VIEWS)
def test_an_index_camera_is_tight_with_its_corner_at_zero(azimuth: float, elevation: float) -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (50, 3)) * [0.2, 1.0, 0.5]
    made = camera_for_view(points, View(azimuth, elevation), 224)
    box = around(project(made, points))
    assert (box.x0, box.y0) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    assert max(box.x1, box.y1) == pytest.approx(224)
    assert made.fx == made.fy
    radius = np.linalg.norm(points, axis=1).max()
    assert np.linalg.norm(camera_center(made)) == pytest.approx(4 * radius)
    assert (made.width, made.height) == (round(box.x1), round(box.y1))
