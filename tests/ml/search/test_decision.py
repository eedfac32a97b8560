"""When a catalog is said to have nothing alike."""

from __future__ import annotations

import numpy as np
import pytest

from ml.search import decision
from ml.search.calibration import fit_calibration
from ml.search.decision import LEAST_PRODUCTS, NoMatchRule, draw_cohort, fit_no_match, standing_out

VIEWS = 6  # a product


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class World:
    """Products in 48 dimensions, some of them nearer to the background's common direction than others."""

    def __init__(self, products: int, spread: float) -> None:
        rng = np.random.default_rng(0)
        self.center = rng.standard_normal(48)
        middles = (
            spread * rng.standard_normal((products, 48)) + rng.uniform(0, 1.5, (products, 1)) * self.center
        )
        self.middles = middles + (0 if spread > 0.5 else 3 * rng.standard_normal(48))
        self.products = np.repeat(np.arange(products), VIEWS)
        self.views = unit(self.middles[self.products] + 0.3 * rng.standard_normal((products * VIEWS, 48)))
        self.lines = fit_calibration(self.views, self.background(2000, 1)).lines
        self.rule = fit_no_match(self.views, self.lines, self.products, self.background(8000, 2))

    def background(self, count: int, seed: int) -> np.ndarray:
        """Each drawn to the common direction more or less, as photos are a little like everything or nothing."""
        rng = np.random.default_rng(seed)
        pull = rng.uniform(0.2, 2.5, (count, 1))
        return unit(rng.standard_normal((count, 48)) + pull * self.center)

    def kept(self, queries: np.ndarray, rule: NoMatchRule) -> float:
        """Share of queries that are said to have a match."""
        cosines = queries @ self.views.T
        calibrated = cosines * self.lines[:, 0] + self.lines[:, 1]
        said = [
            rule.evidence(one, cosine, self.products) >= rule.threshold
            for one, cosine in zip(calibrated, cosines, strict=True)
        ]
        return float(np.mean(said))

    def photos(self, noise: float) -> np.ndarray:
        rng = np.random.default_rng(7)
        shown = self.middles[rng.integers(len(self.middles), size=500)]
        return unit(shown + noise * rng.standard_normal(shown.shape))


@pytest.fixture(scope="module")
def shop() -> World:
    return World(60, 1.0)


def test_one_percent_of_absent_queries_have_a_match(shop: World) -> None:
    assert shop.kept(shop.background(4000, 5), shop.rule) == pytest.approx(0.01, abs=0.006)


def test_of_photographs_one_percent_has_one_nearly_all_by_standing_out(shop: World) -> None:
    absent = shop.background(8000, 2)
    rule = fit_no_match(shop.views, shop.lines, shop.products, absent, are_photos=True)
    assert shop.kept(shop.background(4000, 5), rule) == pytest.approx(0.01, abs=0.006)
    assert shop.kept(shop.background(4000, 5), NoMatchRule(rule.threshold)) < 0.004


def test_what_stands_out_is_kept_where_its_calibrated_score_alone_is_not_enough(shop: World) -> None:
    alone = NoMatchRule(shop.rule.threshold)
    photos = shop.photos(noise=1.8)
    assert shop.kept(photos, shop.rule) > 1.3 * shop.kept(photos, alone) > 0


def test_among_products_all_alike_the_calibrated_score_decides() -> None:
    shop = World(60, 0.1)
    alone = NoMatchRule(shop.rule.threshold)
    photos = shop.photos(noise=0.8)
    assert shop.kept(photos, shop.rule) >= shop.kept(photos, alone) > 0.9


def test_the_line_goes_through_the_threshold(shop: World) -> None:
    rule = NoMatchRule(0.2, slope=2.0, offset=-0.4)
    cosines = np.array([0.9] + [0.5] * 9)
    low = np.full(10, -1.0)
    assert rule.evidence(low, cosines, np.arange(10)) == pytest.approx(2 * 0.4 - 0.4)
    assert rule.evidence(np.full(10, 0.7), cosines, np.arange(10)) == pytest.approx(0.7)


def test_how_far_the_best_stands_out_counts_each_product_once() -> None:
    cosines = np.array([0.9, 0.8, 0.85, *np.linspace(0.1, 0.7, LEAST_PRODUCTS - 1)], np.float32)
    products = np.array([0, 0, 0, *range(1, LEAST_PRODUCTS)])
    assert standing_out(cosines, products) == pytest.approx(0.9 - np.median([0.9, *np.linspace(0.1, 0.7, 7)]))
    assert standing_out(cosines[:4], products[:4]) is None


def test_a_shop_of_few_products_and_an_index_of_before_have_a_threshold_alone() -> None:
    few = World(LEAST_PRODUCTS - 1, 1.0)
    assert few.rule.slope == 0
    assert few.kept(few.background(2000, 5), few.rule) == pytest.approx(0.01, abs=0.01)
    assert NoMatchRule.from_json({"threshold": 0.3, "patches": 9}) == NoMatchRule(0.3)
    assert NoMatchRule.from_json(few.rule.to_json()) == few.rule


def test_the_rule_holds_for_candidates_beside_a_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "COMPARED", 20)
    monkeypatch.setattr(decision, "COHORT", 40)
    shop = World(200, 1.0)
    cohort = draw_cohort(shop.products)
    is_drawn = np.isin(np.arange(200), cohort)
    rule = fit_no_match(shop.views, shop.lines, shop.products, shop.background(8000, 2), cohort)
    said = []
    for cosines in shop.background(4000, 5) @ shop.views.T:
        best = cosines.reshape(200, VIEWS).max(axis=1)
        seen = (is_drawn | (best >= np.sort(best)[-20]))[shop.products]
        calibrated = cosines[seen] * shop.lines[seen, 0] + shop.lines[seen, 1]
        said.append(rule.evidence(calibrated, cosines[seen], shop.products[seen], is_drawn) >= rule.threshold)
    assert len(cohort) == 40
    assert np.mean(said) == pytest.approx(0.01, abs=0.006)


def test_the_best_is_held_against_the_cohort_and_not_against_other_candidates() -> None:
    best = np.array([0.9, 0.85, 0.8, 0.75, *np.linspace(0.1, 0.3, LEAST_PRODUCTS)], np.float32)
    products, cohort = np.arange(len(best)), np.arange(len(best) + 3) >= 4
    assert standing_out(best, products, cohort) == pytest.approx(0.9 - 0.2)
    few = np.arange(len(best)) >= 5  # one too few: then all that were compared
    assert standing_out(best, products, few) == standing_out(best, products)
