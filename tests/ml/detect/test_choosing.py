"""Which of several found boxes a photo is searched by."""

from __future__ import annotations

import math

import pytest

from ml.detect.choosing import likeliest_first, log_odds
from ml.types import Box, Detection

ONES = [Detection(Box(k, 0, k + 1, 1), score) for k, score in enumerate((0.6, 0.5, 0.4, 0.35, 0.05))]


def worth_of(*known: int):
    """1 for the boxes named, else 0; and the list of boxes asked about."""
    asked: list[Box] = []

    def worth(box: Box) -> float:
        asked.append(box)
        return float(box in [ONES[k].box for k in known])

    return worth, asked


def test_what_the_catalog_knows_comes_first_where_the_detector_is_not_sure() -> None:
    worth, asked = worth_of(2)
    assert likeliest_first(ONES, worth, weight=5, most=3) == [ONES[k] for k in (2, 0, 1, 3, 4)]
    assert asked == [one.box for one in ONES[:3]], "each is asked about once, and no more than `most`"


def test_what_the_detector_is_clearly_less_sure_of_stays_behind_unasked() -> None:
    worth, asked = worth_of(1)
    clear = [Detection(ONES[0].box, 0.9), ONES[1], ONES[2]]
    assert likeliest_first(clear, worth, weight=5, most=3) == clear
    assert not asked


def test_the_weight_decides_between_the_two_words() -> None:
    worth, _ = worth_of(2)
    apart = log_odds(0.6) - log_odds(0.4)
    assert likeliest_first(ONES, worth, weight=apart + 0.01, most=3)[0] == ONES[2]
    assert likeliest_first(ONES, worth, weight=apart - 0.01, most=3)[0] == ONES[0]


@pytest.mark.parametrize("detections", [[], ONES[:1], ONES])
def test_no_weight_leaves_the_detectors_order_and_asks_nothing(detections: list[Detection]) -> None:
    worth, asked = worth_of(1)
    assert likeliest_first(detections, worth, weight=0, most=3) == detections
    assert not asked


def test_log_odds_are_finite_at_the_ends() -> None:
    assert log_odds(0.5) == pytest.approx(0)
    assert log_odds(0.9) == pytest.approx(math.log(9))
    assert math.isfinite(log_odds(0.0))
    assert math.isfinite(log_odds(1.0))
