"""When a catalog is said to have nothing alike."""

from __future__ import annotations

import numpy as np
import pytest

from ml.search import decision
from ml.search.aspect import aspect_slice
from ml.search.calibration import fit_calibration
from ml.search.decision import (
    FALSE_ACCEPTS,
    LEAST_PRODUCTS,
    NoMatchRule,
    draw_cohort,
    fit_no_match,
    level_of,
    standing_out,
)

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

    def kept(self, queries: np.ndarray, rule: NoMatchRule, likeliest: np.ndarray | None = None) -> float:
        """Share of queries that are said to have a match; likeliest: of each, None where no kinds are told."""
        cosines = queries @ self.views.T
        calibrated = cosines * self.lines[:, 0] + self.lines[:, 1]
        said = [
            rule.evidence(one, cosine, self.products, likeliest=kind) >= rule.threshold
            for one, cosine, kind in zip(
                calibrated, cosines, [None] * len(queries) if likeliest is None else likeliest, strict=True
            )
        ]
        return float(np.mean(said))

    def photos(self, noise: float) -> np.ndarray:
        rng = np.random.default_rng(7)
        shown = self.middles[rng.integers(len(self.middles), size=500)]
        return unit(shown + noise * rng.standard_normal(shown.shape))


@pytest.fixture(scope="module")
def shop() -> World:
    return World(60, 1.0)


def test_a_small_share_of_absent_queries_has_a_match(shop: World) -> None:
    assert shop.kept(shop.background(4000, 5), shop.rule) == pytest.approx(FALSE_ACCEPTS, abs=0.006)


def test_of_photographs_as_many_have_one_nearly_all_by_standing_out(shop: World) -> None:
    absent = shop.background(8000, 2)
    rule = fit_no_match(shop.views, shop.lines, shop.products, absent, are_photos=True)
    assert shop.kept(shop.background(4000, 5), rule) == pytest.approx(FALSE_ACCEPTS, abs=0.006)
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


def test_photos_of_a_kind_that_is_sold_need_less_evidence_than_others(shop: World) -> None:
    """Photos of other things have hardly a kind that is sold."""
    rng = np.random.default_rng(3)
    absent, faint = shop.background(8000, 2), rng.uniform(0, 0.05, 8000).astype(np.float32)
    rule = fit_no_match(shop.views, shop.lines, shop.products, absent, are_photos=True, likeliest=faint)
    plain = fit_no_match(shop.views, shop.lines, shop.products, absent, are_photos=True)
    assert (rule.slope, rule.offset, rule.kind) == (plain.slope, plain.offset, decision.KIND)
    photos, others = shop.photos(noise=2.2), shop.background(4000, 5)
    assert shop.kept(others, rule, rng.uniform(0, 0.05, len(others))) == pytest.approx(
        FALSE_ACCEPTS, abs=0.006
    )
    kept = shop.kept(photos, plain)
    assert shop.kept(photos, rule, np.full(len(photos), 0.8)) > kept + 0.1
    # of a kind that nobody tells a photo is kept by a fifth of the false accepts alone
    assert 0.5 * kept < shop.kept(photos, rule, np.zeros(len(photos))) < kept
    assert shop.kept(photos, rule) == shop.kept(photos, rule, np.zeros(len(photos)))


def test_a_kind_adds_up_to_the_lift_and_takes_nothing_away() -> None:
    rule = NoMatchRule(0.0, kind=0.2, lift=0.5)
    cosines, calibrated = np.full(3, 0.5), np.full(3, 0.4)

    def told(likeliest: float | None) -> float:
        return rule.evidence(calibrated, cosines, np.arange(3), likeliest=likeliest)

    assert told(None) == told(0.0) == told(0.01) == pytest.approx(0.4)
    assert told(1.0) == pytest.approx(0.9, abs=1e-4)
    assert told(0.3) == pytest.approx(0.9 + 0.2 * np.log(0.3), abs=1e-3)


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
    assert np.mean(said) == pytest.approx(FALSE_ACCEPTS, abs=0.006)


def test_the_best_is_held_against_the_cohort_and_not_against_other_candidates() -> None:
    best = np.array([0.9, 0.85, 0.8, 0.75, *np.linspace(0.1, 0.3, LEAST_PRODUCTS)], np.float32)
    products, cohort = np.arange(len(best)), np.arange(len(best) + 3) >= 4
    assert standing_out(best, products, cohort) == pytest.approx(0.9 - 0.2)
    few = np.arange(len(best)) >= 5  # one too few: then all that were compared
    assert standing_out(best, products, few) == standing_out(best, products)


def test_a_second_product_and_another_level_count_by_their_shares() -> None:
    best = np.array([0.9, 0.6, *np.linspace(0.1, 0.5, 7)], np.float32)
    median = float(np.median(best))
    out = standing_out(best, np.arange(9), second=0.25, level=(0.4, 0.2))
    assert out == pytest.approx(0.75 * 0.9 + 0.25 * 0.6 - 0.6 * median - 0.4 * 0.2)
    rule = NoMatchRule(0.0, slope=1.0, offset=0.0, second=0.25, level=0.4)
    assert rule.evidence(np.full(9, -1.0), best, np.arange(9), level=0.2) == pytest.approx(out)
    alone = standing_out(best, np.arange(9), second=0.25)
    assert rule.evidence(np.full(9, -1.0), best, np.arange(9)) == pytest.approx(alone), (
        "no photographs to ask"
    )


def test_the_level_is_of_the_nearest_others() -> None:
    rng = np.random.default_rng(1)
    others = unit(rng.standard_normal((80, 16)))
    [level] = level_of(others[:1], others, left_out=1)
    cosines = np.sort(others[1:] @ others[0])[::-1]
    assert level == pytest.approx(cosines[:30].mean(), abs=1e-6)
    assert level_of(others[:1], others[1:4])[0] == pytest.approx((others[1:4] @ others[0]).mean(), abs=1e-6)


def test_photographs_that_tell_the_level_help_where_some_queries_are_like_everything(shop: World) -> None:
    """As many are falsely accepted, and more of the shop's things are kept."""
    rng = np.random.default_rng(2)
    order = rng.permutation(len(shop.views))
    views, lines, products = shop.views[order], shop.lines[order], shop.products[order]
    log_aspects = np.sort(rng.uniform(-0.7, 0.7, len(views)))
    elsewhere = shop.background(600, 11)

    def accepted(rule: NoMatchRule, queries: np.ndarray) -> float:
        said = []
        for query, level in zip(queries, level_of(queries, elsewhere), strict=True):
            rows = aspect_slice(log_aspects, float(np.exp(rng.uniform(-0.5, 0.5))), decision.TAU)
            cosines = views[rows] @ query
            calibrated = cosines * lines[rows, 0] + lines[rows, 1]
            said.append(rule.evidence(calibrated, cosines, products[rows], level=level) >= rule.threshold)
        return float(np.mean(said))

    known = (views, lines, products, elsewhere)
    without = fit_no_match(*known, log_aspects=log_aspects, are_photos=True)
    rule = fit_no_match(*known, log_aspects=log_aspects, elsewhere=elsewhere, are_photos=True)
    assert (without.level, rule.level) == (0, decision.LEVEL)
    nothing, photos = shop.background(4000, 5), shop.photos(noise=1.4)
    assert accepted(rule, nothing) < 0.025
    assert accepted(rule, photos) > accepted(without, photos) > 0.2


def test_queries_are_compared_with_views_of_one_shape_where_those_are_enough() -> None:
    products = np.repeat(np.arange(20), 10)
    log_aspects = np.sort(np.tile(np.linspace(-0.6, 0.6, 10), 20))
    slices = decision._passing(log_aspects, products[np.argsort(np.tile(np.arange(10), 20))], 50)
    widths = {found.stop - found.start for found in slices}
    assert max(widths) < len(products)
    for found in slices:
        inside = log_aspects[found]
        assert inside[-1] - inside[0] < 2 * -np.log(decision.TAU)
    few = decision._passing(log_aspects, np.zeros(200, int), 5)
    assert few == [slice(0, 200)] * 5, "of one product nothing could stand out"


def test_a_tail_is_fitted_where_few_scores_lie_beyond() -> None:
    rng = np.random.default_rng(3)
    found = [decision._reached(rng.exponential(1.0, 900).astype(np.float32), 0.001) for _ in range(60)]
    assert np.mean(found) == pytest.approx(np.log(1000), rel=0.03)
    assert np.std(found) < 0.5 * np.std([rng.exponential(1.0, 900).max() for _ in range(60)])
    even = np.linspace(0, 1, 1001)
    assert decision._reached(even, 0.5) == pytest.approx(0.5)
