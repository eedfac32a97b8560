"""How a search ranks what it finds. Chosen on a development split, stored with the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

__all__ = ["RECOGNIZED", "Confidence", "SearchConfig"]

RECOGNIZED = 12.0
"""Log-odds of a last look from which a product is taken for the thing itself, not a likeness (ADR 19)."""

Confidence = Literal["very likely", "likely", "similar shape", "weak"]


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """rank_by        what a view is ranked by: its cosine, or the cosine calibrated per view
    around         share by which a box is also seen larger and smaller, wider, narrower, higher and lower: what is
                   searched with is the mean; 0 takes the box alone, in a seventh of the network's time
    shortlist      views, best first, that are compared one by one
    cell_weight    share of the cell-by-cell cosine in the re-ranked score, in [0, 1]; 0 switches it off
    cell_shift     cells a view may be shifted by against the photo, in each direction
    color_weight   share of the likeness of colors, of that score and it, where colors tell the views apart; 0 switches
                   it off
    outline_weight where they don't: share of how well the view covers the photo's object; 0 switches it off
    verified       best products whose views are held against the photo by a network that sees both; 0 leaves it out, as
                   does a search that isn't told where the models' views lie
    verified_views views of each, best first
    verify_weight  of the best view's log-odds beside the product's score; shape_verify_weight the same where colors
                   don't tell the views apart
    views_mean     best views of a product whose mean it is ranked by: one lucky view counts less
    expansion      best products whose views the photo's vector is drawn toward for a second look
    expansion_weight  share of the second look in the score, in [0, 1]; 0 switches it off
    kind_weight    of the logarithm of how likely photo and product are of one kind (`ml.search.kinds`), beside the
                   product's score; 0 leaves the order alone
    found_boxes    boxes found in a photo, where none was given, that are searched with before one is chosen: those of
                   which the detector is about as sure as of the first
    found_weight   of the best product's score then, beside the detector's log-odds; 0 takes the detector's first
    recognized     log-odds of a last look from which the first product is taken for the thing itself; below them a
                   shopper's box is drawn anew, and searched with beside it; 0 takes it as it was drawn
    redrawn_margin by how much more a box drawn anew must score
    found_tau      factor aspects may differ by, at least, where a photo's box was found and not given: its edges are
                   a little off
    second_view    re-ranked score within which another viewpoint is a close second
    very_likely    calibrated score from which a match is called very likely
    likely         ... likely; between 0 and this it has a similar shape; below 0 it is weak
    """

    rank_by: Literal["cosine", "calibrated"] = "cosine"
    around: float = 0.05
    shortlist: int = 200
    cell_weight: float = 0.5
    cell_shift: int = 1
    color_weight: float = 0.12
    outline_weight: float = 0.13
    verified: int = 10
    verified_views: int = 3
    verify_weight: float = 0.03
    shape_verify_weight: float = 0.02
    views_mean: int = 3
    expansion: int = 10
    expansion_weight: float = 0.2
    kind_weight: float = 0.08
    found_boxes: int = 3
    found_weight: float = 5.0
    recognized: float = RECOGNIZED
    redrawn_margin: float = 0.04
    found_tau: float = 0.75
    second_view: float = 0.03
    very_likely: float = 0.5
    likely: float = 0.2

    def word(self, calibrated: float) -> Confidence:
        """The word for a calibrated score (thesis 4.3.1: 0 is one false alarm in 10,000)."""
        if calibrated >= self.very_likely:
            return "very likely"
        if calibrated >= self.likely:
            return "likely"
        return "similar shape" if calibrated >= 0 else "weak"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SearchConfig:
        """Values a release does not know are left out, those it misses are its defaults."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
