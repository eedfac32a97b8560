"""Which of several boxes about one thing stay."""

from __future__ import annotations

import pytest

from ml.detect.suppression import suppress, without_parts
from ml.types import Box, Detection

TABLE = Box(0, 0, 100, 100)
VASE = Box(40, 5, 60, 45)


def test_of_two_boxes_of_one_thing_the_better_one_stays() -> None:
    better, worse = Detection(Box(0, 0, 10, 10), 0.8), Detection(Box(0, 0, 10, 9), 0.7)
    elsewhere = Detection(Box(20, 0, 30, 10), 0.1)
    assert suppress([worse, elsewhere, better]) == [better, elsewhere]


@pytest.mark.parametrize(
    ("score", "clearly", "stays"),
    [(0.6, 0.0, False), (0.6, 1.5, True), (0.2, 1.5, False), (0.9, 0.0, True)],
    ids=["a part", "as sure: a thing of its own", "much less sure", "surer than what holds it"],
)
def test_what_lies_in_a_better_box_is_its_part_unless_it_is_about_as_sure(
    score: float, clearly: float, stays: bool
) -> None:
    table, vase = Detection(TABLE, 0.7), Detection(VASE, score)
    assert (vase in without_parts([table, vase], clearly=clearly)) == stays


def test_what_holds_two_better_ones_is_no_thing() -> None:
    vases = [Detection(VASE, 0.8), Detection(Box(70, 5, 90, 45), 0.75)]
    assert without_parts([Detection(TABLE, 0.5), *vases], clearly=1.5) == vases


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_a_score_at_its_end_is_compared_too(score: float) -> None:
    assert without_parts([Detection(TABLE, score), Detection(VASE, score)], clearly=1.5)
