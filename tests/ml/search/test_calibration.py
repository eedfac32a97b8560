from __future__ import annotations

import numpy as np
import pytest

from ml.search.backgrounds import background_crops, draw_scene
from ml.search.calibration import fit_calibration


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def world():
    """Views and background in 48 dimensions; the background has a common direction, as real ones have."""
    rng = np.random.default_rng(0)
    center = rng.standard_normal(48)
    views = unit(rng.standard_normal((300, 48)) + rng.uniform(0, 1.5, (300, 1)) * center)

    def background(count, seed):
        return unit(np.random.default_rng(seed).standard_normal((count, 48)) + 0.7 * center)

    return views, background


def test_background_scores_minus_one_on_average_and_rarely_above_zero(world):
    views, background = world
    fitted = fit_calibration(views, background(4000, 1))
    # fresh patches, three million pairs
    scores = views @ background(10_000, 2).T * fitted.lines[:, :1] + fitted.lines[:, 1:]
    assert scores.mean(axis=1) == pytest.approx(np.full(300, -1.0), abs=0.05)
    assert (scores > 0).mean() == pytest.approx(1e-4, rel=0.5)


def test_the_fitted_patches_mean_is_exactly_minus_one(world):
    views, background = world
    patches = background(2000, 3)
    fitted = fit_calibration(views, patches)
    scores = views @ patches.T * fitted.lines[:, :1] + fitted.lines[:, 1:]
    assert scores.mean(axis=1) == pytest.approx(np.full(300, -1.0), abs=1e-4)
    assert (fitted.lines[:, 0] > 0).all()


def test_views_near_the_background_need_a_higher_cosine(world):
    views, background = world
    patches = background(2000, 3)
    fitted = fit_calibration(views, patches)
    zero = -fitted.lines[:, 1] / fitted.lines[:, 0]  # the cosine calibrated to 0
    assert np.corrcoef(zero, (views @ patches.T).mean(axis=1))[0, 1] > 0.95


def test_too_few_patches_are_refused(world):
    views, background = world
    with pytest.raises(ValueError, match="at least 200"):
        fit_calibration(views, background(100, 1))


def test_drawn_scenes_repeat_with_their_seed_and_differ_from_each_other():
    first, second = np.random.default_rng(3), np.random.default_rng(3)
    scenes = [draw_scene(first) for _ in range(8)]
    assert all(np.array_equal(scene, draw_scene(second)) for scene in scenes)
    assert all(scene.shape == (180, 240, 3) and scene.dtype == np.uint8 for scene in scenes)
    assert len({scene.tobytes() for scene in scenes}) == 8
    assert np.std([scene.mean() for scene in scenes]) > 10


def test_background_crops_are_as_many_and_as_large_as_asked():
    crops, name = background_crops(11, 32, seed=0)
    found = list(crops)
    assert len(found) == 11
    assert name.startswith("drawn")
    assert all(crop.pixels.shape == (3, 32, 32) for crop in found)
    assert all(1 / 3 - 1e-6 <= crop.aspect <= 3 + 1e-6 for crop in found)


def test_a_folder_of_photos_is_cut_instead(tmp_path):
    import cv2

    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((60, 80, 3), 40 * index + 10, np.uint8))
    crops, name = background_crops(48, 16, seed=0, folder=tmp_path)
    levels = {round(float(crop.pixels.mean() * 255)) for crop in crops}
    assert levels == {10, 50, 90}
    assert tmp_path.name in name


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no picture"):
        background_crops(1, 16, seed=0, folder=tmp_path)
