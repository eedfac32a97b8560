"""Colors by their names, of a photo's object and of a thumbnail."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml.render.views import ViewGrid, render_views
from ml.search.colors import (
    COLOR_SCALE,
    NAMES,
    color_scores,
    colors_of_crop,
    colors_of_photo,
    colors_of_thumbnail,
    colors_of_views,
    tell_apart,
)
from ml.types import Box, Crop, Material, Mesh, Photo


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


def cube(*rgb):
    """One of an even color."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([(a, b, c) for q in quads for a, b, c in (q[:3], (q[0], *q[2:]))], np.int32)
    paint = Material("paint", np.array([*np.array(rgb) / 255, 1], np.float32))
    return Mesh(corners, faces, np.zeros(len(faces), np.int32), (paint,))


def crop_of(*rgb):
    """A thing of that color in the left half, before grass; and where it is."""
    pixels = np.full((96, 96, 3), (60, 140, 70), np.uint8)
    pixels[:, :48] = rgb
    share = np.zeros((32, 32), np.float32)
    share[:, :16] = 1
    return Crop(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / 255, np.eye(3), 1.0), share


def test_every_view_tells_its_shares():
    shares = colors_of_views(render_views(cube(190, 30, 35), ViewGrid(4, (15.0,)), 64))
    assert shares.shape == (4, len(NAMES))
    assert np.abs(shares.astype(int).sum(axis=1) - COLOR_SCALE).max() <= len(NAMES)
    assert {NAMES[at] for at in shares.argmax(axis=1)} == {"red"}


@pytest.mark.parametrize("dimmed", [1.0, 0.6])
def test_a_photo_has_more_in_common_with_views_of_its_things_color(dimmed):
    """Under another light, too; what is around the thing has no say."""
    colors = {"red": (190, 30, 35), "blue": (40, 80, 170), "yellow": (235, 200, 50), "white": (235, 235, 232)}
    views = np.concatenate(
        [colors_of_views(render_views(cube(*rgb), ViewGrid(1, (15.0,)), 64)) for rgb in colors.values()]
    )
    for place, rgb in enumerate(colors.values()):
        photo = colors_of_crop(*crop_of(*(int(dimmed * value) for value in rgb)))
        assert photo.sum() == pytest.approx(1, abs=1e-4)
        scores = color_scores(photo, views)
        assert scores.argmax() == place
        assert scores[place] > np.delete(scores, place).max() + 0.1


def test_paints_tell_products_apart_and_shading_does_not():
    grid = ViewGrid(6, (0.0, 30.0))
    clay = colors_of_views(render_views(cube(160, 160, 160), grid, 64))
    red = colors_of_views(render_views(cube(190, 30, 35), grid, 64))
    assert not tell_apart(clay)
    assert tell_apart(np.concatenate([clay, red]))
    assert not tell_apart(clay[:0])
