from __future__ import annotations

import numpy as np
import pytest

from ml.search.ranking import (
    LACKING,
    ProductRanking,
    best_views,
    fuse_photos,
    is_truncated,
    usable_photos,
)
from ml.types import Box


def test_best_view_of_each_product_is_the_brute_force_maximum():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 20, 400).astype(np.float32)  # with ties
    products = rng.integers(0, 30, 400)
    rows = np.arange(400) + 1000
    best = best_views(scores, products, rows, 32)
    for product in range(32):
        own = np.flatnonzero(products == product)
        if len(own) == 0:
            assert best.scores[product] == -np.inf
            assert best.rows[product] == -1
        else:
            assert best.scores[product] == scores[own].max()
            assert best.rows[product] == rows[own[np.argmax(scores[own])]]


def test_several_photos_sum_each_ones_best_view():
    # given two photos of three products with two views each; rows are 10, 11 | 20, 21 | 30, 31
    products, rows = np.array([0, 0, 1, 1, 2, 2]), np.array([10, 11, 20, 21, 30, 31])
    first = best_views(np.array([0.9, 0.1, 0.5, 0.7, 0.2, 0.3], np.float32), products, rows, 3)
    second = best_views(np.array([0.0, 0.2, 0.8, 0.1, 0.3, 0.4], np.float32), products, rows, 3)
    # when they are fused (eq. 3.9)
    ranking = fuse_photos([first, second])
    # then by hand: 0.9 + 0.2, 0.7 + 0.8, 0.3 + 0.4; and each photo has its own view (eq. 3.10)
    assert ranking.products.tolist() == [1, 0, 2]
    assert ranking.scores == pytest.approx([1.5, 1.1, 0.7])
    assert ranking.rows.tolist() == [[21, 20], [10, 11], [31, 31]]


def test_a_product_not_searched_in_one_photo_scores_background_there():
    products, rows = np.array([0, 1]), np.array([5, 6])
    first = best_views(np.array([0.5, 0.4], np.float32), products, rows, 3)
    second = best_views(np.array([0.3], np.float32), products[1:], rows[1:], 3)
    ranking = fuse_photos([first, second])
    assert ranking.products.tolist() == [1, 0]  # product 2 was searched nowhere
    assert ranking.scores == pytest.approx([0.7, -0.5])
    assert ranking.rows.tolist() == [[6, 6], [5, -1]]


def test_minus_infinity_is_not_a_view():
    best = best_views(np.array([-np.inf, 0.1], np.float32), np.array([0, 1]), np.array([0, 1]), 2)
    assert best.rows.tolist() == [-1, 1]
    assert fuse_photos([best]).products.tolist() == [1]


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        (Box(5, 5, 50, 50), False),
        (Box(0, 5, 50, 50), True),
        (Box(5, 0.5, 50, 50), True),
        (Box(5, 5, 99.5, 50), True),
        (Box(5, 5, 50, 80), True),
    ],
)
def test_a_box_at_the_border_is_truncated(box, cut):
    assert is_truncated(box, 100, 80) is cut


def test_truncated_photos_are_left_out_only_if_another_remains():
    assert usable_photos([True, False, True, False]) == [1, 3]
    assert usable_photos([True, True]) == [0, 1]


def test_a_product_is_ranked_by_the_mean_of_its_best_views():
    rng = np.random.default_rng(1)
    scores = rng.random(200).astype(np.float32)
    products, rows = rng.integers(0, 90, 200), rng.permutation(500)[:200]

    best = best_views(scores, products, rows, 100, mean_of=3)

    for product in range(100):
        own = np.flatnonzero(products == product)
        if not len(own):
            assert best.scores[product] == -np.inf
            assert best.rows[product] == -1
            continue
        top = np.sort(scores[own])[::-1][:3]
        assert best.scores[product] == pytest.approx(top.mean() - LACKING * (3 - len(top)), abs=1e-6)
        assert best.rows[product] == rows[own[np.argmax(scores[own])]]


def test_the_first_products_are_put_in_another_order_and_the_rest_stays_behind() -> None:
    rows = np.arange(8).reshape(4, 2)
    ranking = ProductRanking(
        np.array([5, 3, 9, 1]), np.float32([0.9, 0.8, 0.7, 0.6]), rows, np.full(4, np.nan)
    )
    other = ranking.reordered(np.array([-0.5, 0.05]), np.array([[10, 11], [12, 13]]), np.array([3.0, 9.0]))
    assert other.products.tolist() == [3, 5, 9, 1]
    assert other.scores == pytest.approx(
        [0.85, 0.4, 0.7, 0.6]
    )  # the first two before the rest, whatever they score
    assert other.rows.tolist() == [[12, 13], [10, 11], [4, 5], [6, 7]]
    np.testing.assert_array_equal(other.odds, [9, 3, np.nan, np.nan])
    assert (other.first(1).products.tolist(), other.first(1).odds.tolist()) == ([3], [9])
    assert other.first(None).products.tolist() == [3, 5, 9, 1]
    assert ranking.products.tolist() == [5, 3, 9, 1]
