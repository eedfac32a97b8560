"""Which way models face, from the pictures a catalog came with.

Catalog pictures are taken from before the thing, a little to one side and from above. One picture may fit
another side as well (a stool, a table), so the pictures of a whole catalog vote: its models were drawn with
one convention.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.types import FloatArray

__all__ = ["FrontProposal", "proposed_front", "quarter_scores"]

TAKEN_FROM = math.radians(37)  # azimuth; most of Sweet Home 3D's 783 icons lie within 20 and 50 degrees
WITHIN = math.radians(25)
MARGIN = 0.06  # of cosine, by which a side must beat the others for a picture to vote
LEAST_VOTES = 5
LEAST_SHARE = 0.6  # of the votes, for one side to be proposed


@dataclass(frozen=True, slots=True)
class FrontProposal:
    """quarter: turns by 90 degrees from the present front to the proposed one, None where the pictures do not
    agree; votes: for each of the four sides; pictures: how many were looked at."""

    quarter: int | None
    votes: tuple[int, int, int, int]
    pictures: int


def quarter_scores(picture: FloatArray, views: FloatArray, azimuths: FloatArray) -> FloatArray:
    """How well a picture (d,) fits the views (n, d) if the front were at each of four quarter turns: (4,).

    Rows of length 1; azimuths (n,) in radians, 0 the present front. -inf where there is no such view.
    """
    cosines = views @ picture
    result = np.full(4, -np.inf)
    for quarter in range(4):
        away = (azimuths - TAKEN_FROM - quarter * math.pi / 2 + math.pi) % (2 * math.pi) - math.pi
        near = np.abs(away) <= WITHIN
        if near.any():
            result[quarter] = cosines[near].max()
    return result


def proposed_front(scores: Sequence[FloatArray]) -> FrontProposal:
    """The side most pictures vote for. scores: of each picture, from `quarter_scores`."""
    votes = [0, 0, 0, 0]
    for row in scores:
        best = int(np.argmax(row))
        if row[best] - np.delete(row, best).max() > MARGIN:
            votes[best] += 1
    winner = int(np.argmax(votes))
    agrees = sum(votes) >= LEAST_VOTES and votes[winner] >= LEAST_SHARE * sum(votes)
    return FrontProposal(winner if agrees else None, (votes[0], votes[1], votes[2], votes[3]), len(scores))
