"""What a photo shows: pictures of catalog models, lit and in color, are all that is at hand of what ImageNet's classes show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml.errors import BadBox
from ml.kinds.photos import SIDE, _squared, kinds_of_photo
from ml.kinds.vocabulary import KINDS, OTHER
from ml.mesh.parametric.families import random_mesh
from ml.render.raycast import RayScene
from ml.render.views import ViewGrid, render_views
from ml.types import Box, Photo

PLACES = {kind.name: place for place, kind in enumerate(KINDS)}
GRID = ViewGrid(azimuths=8, elevations_deg=(15.0,))


def pictures(family: str, models: int = 4) -> list[Photo]:
    """Views from the front and its sides, unstretched."""
    found = []
    for seed in range(models):
        views = render_views(RayScene(random_mesh(family, np.random.default_rng(seed))), GRID)
        for k in (0, 1, 7):
            side, aspect = views.pixels.shape[1], float(views.aspects[k])
            size = (round(side * min(1, 1 / aspect)), round(side * min(1, aspect)))
            found.append(Photo(cv2.resize(views.pixels[k], size, interpolation=cv2.INTER_AREA)))
    return found


def test_a_bookcase_and_a_chair_are_told_apart() -> None:
    mean = {
        family: np.mean([kinds_of_photo(photo, photo.full_box) for photo in pictures(family)], axis=0)
        for family in ("bookcase", "chair", "floor lamp")
    }
    for family, kind in (("bookcase", "bookcase"), ("chair", "chair"), ("floor lamp", "lamp")):
        others = [mean[other][PLACES[kind]] for other in mean if other != family]
        assert mean[family][PLACES[kind]] > 2 * max(others), family


def test_it_sums_up_to_one_and_sees_the_box_alone() -> None:
    chair = pictures("chair", 1)[0]
    found = kinds_of_photo(chair, chair.full_box)
    assert found.shape == (OTHER + 1,)
    assert found.sum() == pytest.approx(1, abs=1e-3)
    noise = np.random.default_rng(0).integers(0, 255, (chair.height, 3 * chair.width, 3), dtype=np.uint8)
    noise[:, : chair.width] = chair.pixels
    beside = Photo(noise)
    np.testing.assert_allclose(kinds_of_photo(beside, chair.full_box), found, atol=1e-6)


def test_proportions_stay_as_they_are() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, :150] = (200, 100, 50)
    square = _squared(Photo(pixels), Box(0, 0, 300, 100))
    assert square.shape == (SIDE, SIDE, 3)
    rows = np.flatnonzero((square[:, 10] == (200, 100, 50)).all(axis=1))
    assert len(rows) == pytest.approx(SIDE / 3, abs=1)
    assert square[0, 0].tolist() == [100, 50, 25], "the mean color around it"


def test_a_box_outside_is_refused_and_a_narrow_one_is_not() -> None:
    photo = Photo(np.zeros((50, 50, 3), np.uint8))
    with pytest.raises(BadBox):
        kinds_of_photo(photo, Box(60, 60, 70, 70))
    assert kinds_of_photo(photo, Box(49.2, 0, 49.8, 50)).sum() == pytest.approx(1, abs=1e-3)
