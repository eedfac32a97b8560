"""The slice gives exactly what a filter over every view gives."""

from __future__ import annotations

import numpy as np
import pytest

from ml.search.aspect import aspect_slice, widen


def brute_force(aspects, query, tau):
    ratios = query / aspects
    return np.flatnonzero((tau < ratios) & (ratios < 1 / tau))


def test_slice_is_the_brute_force_filter_for_a_thousand_random_queries():
    rng = np.random.default_rng(0)
    empty = 0
    for trial in range(1000):
        # few aspects, from coarse to fine: many ties, many queries that are exactly on a boundary
        count = int(rng.integers(0, 60))
        aspects = np.sort(np.exp(rng.normal(0, 0.8, count)).astype(np.float32)).astype(np.float64)
        tau = float(rng.choice([0.5, 0.75, 0.9, 0.99, rng.uniform(0.05, 1)]))
        query = float(np.exp(rng.normal(0, 1.0)))
        if count and trial % 2:
            other = float(rng.choice(aspects))
            query = other * tau if trial % 4 == 1 else other / tau
        rows = aspect_slice(np.log(aspects), query, tau, aspects=aspects)
        expected = brute_force(aspects, query, tau)
        assert np.array_equal(np.arange(len(aspects))[rows], expected)
        empty += len(expected) == 0
    assert empty > 50


@pytest.mark.parametrize("tau", [0.5, 0.75, 0.9])
def test_a_view_exactly_a_factor_tau_away_is_out_on_both_sides(tau):
    aspects = np.array([tau, np.nextafter(1.0, 2), 1 / tau])
    rows = aspect_slice(np.log(aspects), 1.0, tau, aspects=aspects)
    assert rows == slice(1, 2)


def test_without_aspects_it_is_the_filter_on_logarithms():
    rng = np.random.default_rng(1)
    logs = np.sort(rng.normal(0, 1, 500))
    for query, tau in zip(np.exp(rng.normal(0, 1, 200)), rng.uniform(0.1, 1, 200), strict=True):
        rows = aspect_slice(logs, float(query), float(tau))
        low, high = np.log(query) + np.log(tau), np.log(query) - np.log(tau)
        assert np.array_equal(np.arange(500)[rows], np.flatnonzero((logs > low) & (logs < high)))


def test_on_logarithms_too_the_boundary_is_out():
    logs = np.array([np.log(0.5), 0.0, -np.log(0.5)])
    assert aspect_slice(logs, 1.0, 0.5) == slice(1, 2)


def test_tau_one_lets_nothing_pass():
    aspects = np.ones(4)
    rows = aspect_slice(np.log(aspects), 1.0, 1.0, aspects=aspects)
    assert rows.start == rows.stop


@pytest.mark.parametrize(("query", "tau"), [(0.0, 0.9), (-1.0, 0.9), (np.inf, 0.9), (1.0, 0.0), (1.0, 1.1)])
def test_values_outside_their_range_are_refused(query, tau):
    with pytest.raises(ValueError, match=r"aspect|tau"):
        aspect_slice(np.zeros(3), query, tau)


def test_widening_takes_the_first_tau_of_its_sequence_that_holds_a_view():
    aspects = np.array([0.5, 4.0])
    rows, tau = widen(np.log(aspects), 1.0, 0.9, aspects=aspects)
    assert tau == pytest.approx(0.9**8)
    assert rows == slice(0, 1)


def test_widening_leaves_a_tau_that_suffices_and_never_ends_empty():
    rng = np.random.default_rng(2)
    for _ in range(200):
        aspects = np.sort(np.exp(rng.normal(0, 1, int(rng.integers(1, 6)))))
        query, tau = float(np.exp(rng.normal(0, 2))), float(rng.uniform(0.5, 1.0))
        rows, used = widen(np.log(aspects), query, tau, aspects=aspects)
        assert rows.stop > rows.start
        assert (used == tau) == (len(brute_force(aspects, query, tau)) > 0)


def test_widening_without_views_is_an_error():
    with pytest.raises(ValueError, match="no view"):
        widen(np.zeros(0), 1.0, 0.9)
