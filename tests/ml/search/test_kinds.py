from __future__ import annotations

import math

import numpy as np
import pytest

from ml.search.kinds import kind_scores

SOFA, CHAIR, NEITHER = [0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]


def test_products_of_another_kind_score_less_and_those_of_it_alike() -> None:
    photo = np.array([0.7, 0.1, 0.2], np.float32)
    unsure = [0.5, 0.5, 0.0]
    scores = kind_scores(photo, np.array([SOFA, unsure, CHAIR, NEITHER], np.float32))
    assert scores[:2].tolist() == [0, 0], "which sofa it is, its looks say"
    chair = (0.1 * 0.7 + 0.8 * 0.1) / (0.9 * 0.7 + 0.1 * 0.1)
    assert scores[2] == pytest.approx(math.log((chair + 0.03) / 0.43), abs=1e-5)
    assert scores[3] == pytest.approx(math.log(0.03 / 0.43), abs=1e-5)


def test_the_likeliest_kind_of_the_catalog_counts_however_unlikely() -> None:
    """A photo's table may be hidden by what stands on it: of what the catalog has it is still the likeliest."""
    faint = np.array([0.02, 0.001, 0.979], np.float32)
    products = np.array([SOFA, CHAIR], np.float32)
    plain = faint / np.float32(10)
    np.testing.assert_allclose(kind_scores(faint, products), kind_scores(plain, products), atol=1e-5)
    assert kind_scores(faint, products)[0] == 0 > kind_scores(faint, products)[1]


def test_nothing_in_common_says_nothing() -> None:
    photo = np.array([0.0, 0.0, 1.0], np.float32)
    assert kind_scores(photo, np.array([SOFA, CHAIR, NEITHER], np.float32)).tolist() == [0, 0, 0]
    assert kind_scores(photo, np.empty((0, 3), np.float32)).shape == (0,)
