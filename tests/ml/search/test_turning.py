from __future__ import annotations

import numpy as np
import pytest

from ml.search.ranking import best_views, fuse_photos
from ml.search.turning import BINS, TURNED_WEIGHT, PhotoViews, turned_best

RIGHT, WRONG, GONE = 0, 1, 2


def photo(cosines: dict[tuple[int, int], float], turn_deg: float) -> PhotoViews:
    """(product, azimuth in degrees) -> cosine; a view's row is 100 * product + azimuth / 10. Product 2 has none."""
    keys = sorted(cosines)
    products = np.array([product for product, _ in keys])
    azimuths = np.radians([azimuth for _, azimuth in keys])
    rows = np.array([100 * product + azimuth // 10 for product, azimuth in keys])
    values = np.array([cosines[key] for key in keys], np.float32)
    best = best_views(values, products, rows, 3)
    return PhotoViews(values, products, rows, azimuths, np.radians(turn_deg), best)


def views(right: int, wrong: int, by: float, wrong_by: float) -> dict[tuple[int, int], float]:
    """36 views of two products: each looks like the photo from one azimuth and from no other."""
    cosines = {(product, 10 * k): 0.1 for product in (RIGHT, WRONG) for k in range(BINS)}
    return cosines | {(RIGHT, right): by, (WRONG, wrong): wrong_by}


def test_a_product_seen_from_the_same_side_twice_loses_where_the_camera_went_around() -> None:
    first, second = views(40, 200, 0.80, 0.85), views(130, 200, 0.80, 0.85)
    blind = [photo(first, 0), photo(second, 0)]
    assert fuse_photos([one.best for one in blind]).products.tolist() == [WRONG, RIGHT]
    told = turned_best([photo(first, 0), photo(second, 90)])
    ranking = fuse_photos(told)
    assert ranking.products.tolist() == [RIGHT, WRONG]
    assert ranking.rows[0].tolist() == [4, 13]
    assert told[0].scores[RIGHT] == pytest.approx(0.8, abs=1e-6)
    # of the wrong one, one photo's view fits a heading and the other's does not
    together = float(told[0].scores[WRONG] + told[1].scores[WRONG])
    assert together == pytest.approx((1 - TURNED_WEIGHT) * 1.7 + TURNED_WEIGHT * 0.95, abs=1e-6)


def test_the_angle_may_be_off_by_twenty_degrees_and_no_more() -> None:
    first, second = views(0, 0, 0.8, 0.1), views(350, 0, 0.8, 0.1)
    for turn, is_near in ((-10, True), (350, True), (10, True), (-30, True), (20, False), (-40, False)):
        told = turned_best([photo(first, 0), photo(second, turn)])
        total = float(told[0].scores[RIGHT] + told[1].scores[RIGHT])
        assert (total == pytest.approx(1.6, abs=1e-6)) is is_near, turn


def test_a_product_that_was_not_searched_stays_out_and_a_heading_without_views_is_not_preferred() -> None:
    first = {(RIGHT, 0): 0.8, (RIGHT, 180): 0.7, (WRONG, 0): 0.5}
    second = {(RIGHT, 180): 0.6, (WRONG, 90): 0.9}
    told = turned_best([photo(first, 0), photo(second, 180)])
    assert told[0].scores[GONE] == -np.inf
    assert told[0].rows[GONE] == -1
    assert [one.rows[RIGHT] for one in told] == [0, 18]
    assert [one.rows[WRONG] for one in told] == [100, 109]  # no common heading: each photo's own best
