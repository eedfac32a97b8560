"""Average viewpoint precision and symmetry, on cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml.mesh.parametric.families import random_mesh
from ml.study.viewpoint.measures import Found, Truth, average_viewpoint_precision, bin_of
from ml.study.viewpoint.symmetry import CONTINUOUS, smallest_error, turns_of
from ml.types import Box, Material, Mesh

BOX, AWAY = Box(0, 0, 10, 10), Box(50, 50, 60, 60)


def _rad(degrees: float) -> float:
    return math.radians(degrees)


def test_bins_are_those_of_pascal3d() -> None:
    degrees = np.array([0, 44.9, 45.1, 134.9, 315.1, 359])
    assert bin_of(np.radians(degrees), 4).tolist() == [0, 0, 1, 1, 0, 0]


def test_recall_counts_boxes_and_precision_viewpoints() -> None:
    truths = [Truth(0, BOX, _rad(0)), Truth(1, BOX, _rad(90))]
    found = [
        Found(0, BOX, 0.9, _rad(3)),  # right
        Found(1, AWAY, 0.8, _rad(90)),  # no object there
        Found(1, BOX, 0.7, _rad(0)),  # box right, viewpoint wrong
    ]
    # recall 1/2, 1/2, 1; precision of viewpoints 1, 1/2, 1/3, of boxes 1, 1/2, 2/3
    assert average_viewpoint_precision(truths, found, 4) == pytest.approx(0.5 + 0.5 / 3)
    assert average_viewpoint_precision(truths, found, None) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_a_second_detection_of_an_object_is_wrong() -> None:
    truths = [Truth(0, BOX, 0.0)]
    found = [Found(0, BOX, 0.5, 0.0), Found(0, BOX, 0.9, _rad(180))]
    # the better scored one takes the object with a wrong viewpoint; the right one comes too late
    assert average_viewpoint_precision(truths, found, 8) == 0.0


@pytest.mark.parametrize(("turns", "expected"), [(1, 0.0), (2, 1.0), (CONTINUOUS, 1.0)])
def test_a_symmetric_object_is_right_from_each_side(turns: int, expected: float) -> None:
    truths = [Truth(0, BOX, _rad(10), turns)]
    assert average_viewpoint_precision(truths, [Found(0, BOX, 1.0, _rad(190))], 24) == expected


def test_errors_are_those_of_the_nearest_equivalent() -> None:
    found, true = np.radians([350.0, 100.0, 100.0, 10.0]), np.radians([10.0, 10.0, 10.0, 200.0])
    errors = np.degrees(smallest_error(found, true, [1, 1, 4, CONTINUOUS]))
    assert errors.tolist() == pytest.approx([20, 90, 0, 0])


@pytest.mark.parametrize(("family", "turns"), [("vase", CONTINUOUS), ("chair", 1), ("armchair", 1)])
def test_symmetry_is_found_in_the_surface(family: str, turns: int) -> None:
    assert turns_of(random_mesh(family, np.random.default_rng(3))) == turns


@pytest.mark.parametrize(("depth", "turns"), [(1.0, 4), (0.6, 2)])
def test_a_box_has_the_symmetry_of_its_footprint(depth: float, turns: int) -> None:
    corners = np.array([[x, y, z * depth] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)
    paint = Material("paint", np.ones(4, np.float32))
    assert turns_of(Mesh(corners, faces, np.zeros(12, np.int32), (paint,))) == turns
