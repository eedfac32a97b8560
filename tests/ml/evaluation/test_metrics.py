from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.metrics import Scores, bootstrap, macro, mean_of, score_ranking


@pytest.mark.parametrize(
    ("is_right", "expected"),
    [
        ([True, False, False, False, False, False], Scores(1, 1, 1, 0.2, 1)),
        ([False, True, True, False, True, True], Scores(0, 1, 1, 0.6, 1 / 2)),
        ([False] * 7 + [True], Scores(0, 0, 1, 0, 1 / 8)),
        ([False] * 11 + [True], Scores(0, 0, 0, 0, 1 / 12)),
        ([False] * 5, Scores(0, 0, 0, 0, 0)),
        ([True, True], Scores(1, 1, 1, 0.4, 1)),
        ([], Scores(0, 0, 0, 0, 0)),
    ],
)
def test_scores_of_a_ranking_by_hand(is_right, expected):
    assert score_ranking(is_right) == expected


def test_mean_over_queries():
    assert mean_of([Scores(1, 1, 1, 0.2, 1), Scores(0, 1, 1, 0.6, 0.5)]) == pytest.approx(
        {"top1": 0.5, "top5": 1, "top10": 1, "precision5": 0.4, "mrr": 0.75}
    )
    assert mean_of([])["top1"] == 0


def test_macro_counts_every_group_the_same():
    value, groups = macro([1, 1, 1, 0], ["chair", "chair", "chair", "bed"])
    assert value == 0.5
    assert groups == {"bed": 0, "chair": 1}


def test_bootstrap_interval_of_a_share_is_that_of_the_normal_distribution():
    values = np.repeat([1.0, 0.0], [120, 280])
    interval = bootstrap(values)
    deviation = np.sqrt(0.3 * 0.7 / 400)
    assert interval.mean == pytest.approx(0.3)
    assert interval.low == pytest.approx(0.3 - 1.96 * deviation, abs=0.005)
    assert interval.high == pytest.approx(0.3 + 1.96 * deviation, abs=0.005)
    assert bootstrap(values) == interval


def test_no_value_has_no_width():
    assert bootstrap([]) == bootstrap([0.0])
