from __future__ import annotations

import math

import numpy as np
import pytest

from ml.search.kinds import kind_scores, likeliest

SOFA, CHAIR, NEITHER = [0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]


def test_products_of_another_kind_score_less_and_those_of_it_alike() -> None:
    photo = np.array([0.7, 0.1, 0.2], np.float32)
    unsure = [0.5, 0.5, 0.0]
    scores = kind_scores(photo, np.array([SOFA, unsure, CHAIR, NEITHER], np.float32))
    assert scores[:2].tolist() == [0, 0], "which sofa it is, its looks say"
    chair = (0.1 * 0.7 + 0.8 * 0.1) / (0.9 * 0.7 + 0.1 * 0.1)
    assert scores[2] == pytest.approx(0.8 * math.log((chair + 0.03) / 0.43), abs=1e-5)
    assert scores[3] == pytest.approx(0.8 * math.log(0.03 / 0.43), abs=1e-5)


def test_the_less_a_photo_is_of_any_kind_the_less_it_counts() -> None:
    """A thing that the kinds don't know is a little of all of them: that is noise."""
    products = np.array([SOFA, CHAIR], np.float32)
    sure, faint = (kind_scores(np.array([0.9 * x, 0.1 * x, 1 - x], np.float32), products) for x in (1.0, 0.1))
    assert sure[0] == faint[0] == 0 > sure[1]
    assert faint[1] == pytest.approx(0.1 * sure[1], rel=1e-3)


def test_what_the_catalog_has_is_compared_among_itself() -> None:
    """A photo's table may be hidden by a laptop on it: where no laptop is sold it is still the likeliest."""
    laptop, table, chair = [1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]
    photo = np.array([0.8, 0.15, 0.01, 0.04], np.float32)
    scores = kind_scores(photo, np.array([table, chair], np.float32))
    assert scores[0] == 0 > scores[1]
    assert kind_scores(photo, np.array([laptop, table, chair], np.float32))[0] == 0


def test_nothing_in_common_says_nothing() -> None:
    photo = np.array([0.0, 0.0, 1.0], np.float32)
    assert kind_scores(photo, np.array([SOFA, CHAIR, NEITHER], np.float32)).tolist() == [0, 0, 0]
    assert kind_scores(photo, np.empty((0, 3), np.float32)).shape == (0,)


def test_the_product_that_fits_best_says_how_likely_any_is_of_the_photos_kind() -> None:
    photos = np.array([[0.7, 0.1, 0.2], [0.0, 0.0, 1.0]], np.float32)
    products = np.array([SOFA, CHAIR, NEITHER], np.float32)
    np.testing.assert_allclose(likeliest(photos, products), [0.9 * 0.7 + 0.1 * 0.1, 0], atol=1e-6)
    assert likeliest(photos, products[:0]).tolist() == [0, 0]
