"""What a search is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ml.search.agreement import Agreement
from ml.search.config import Confidence
from ml.types import Box, Detection, Photo, Pose, View

__all__ = ["Match", "PhotoQuery", "PhotoView", "QueryInfo", "SearchAnswer"]

BoxSource = Literal["shopper", "found", "whole"]


@dataclass(frozen=True, slots=True, eq=False)
class PhotoQuery:
    """A photo and the object in it; box None: find it, and take the whole photo where nothing is found.

    turn: radians by which the camera has gone around the thing since the first photo, counter-clockwise seen
    from above; None where nobody knows.
    """

    photo: Photo
    box: Box | None = None
    turn: float | None = None


@dataclass(frozen=True, slots=True)
class QueryInfo:
    """box         what was searched with, clipped to the photo
    box_source  the shopper's, found by the detector, or the whole photo
    photo_size  (width, height)
    is_used     False where the box is cut off by the photo's border and another photo's is not
    """

    box: Box
    detections: tuple[Detection, ...]
    photo_size: tuple[int, int]
    box_source: BoxSource = "shopper"
    is_used: bool = True


@dataclass(frozen=True, slots=True)
class PhotoView:
    """One photo's best view of a product (thesis eq. 3.10); photo: index into the queries."""

    photo: int
    view_id: int
    view: View
    score: float
    calibrated: float


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """One product, by its best view in the first photo that was searched for it.

    score       cosine of that view
    calibrated  the same, calibrated: 0 is one false alarm in 10,000 background patches
    total       what products are ranked by: re-ranked, summed over the photos (eq. 3.9)
    recognized  log-odds of a last look at photo and view together, which the right product seldom has under 11; None
                where none was taken
    views       each photo's view of the product
    pose        in the photo of views[0]; None where it was not asked for or can't be fitted
    others      other viewpoints that score almost as well in that photo: the pose is uncertain
    agreement   where that view's cells agree with the photo's; None where the embedder keeps no cells
    """

    model_id: int
    view_id: int
    view: View
    score: float
    calibrated: float
    confidence: Confidence
    pose: Pose | None = None
    total: float = 0.0
    recognized: float | None = None
    views: tuple[PhotoView, ...] = ()
    others: tuple[PhotoView, ...] = ()
    agreement: Agreement | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SearchAnswer:
    """matches   best first, one a product; empty only where the index holds no live view
    tau_used  the widest factor any photo needed
    no_match  no photo's evidence reaches the index's threshold (`ml.search.decision`)
    best      the most evidence of a photo, in calibrated scores; None where no view was searched
    seconds   by stage: looking = detect + embed, matching = search + rerank, fitting
    """

    queries: tuple[QueryInfo, ...]
    matches: tuple[Match, ...]
    tau_used: float
    widened: bool
    no_match: bool
    seconds: dict[str, float] = field(default_factory=dict)
    best: float | None = None

    def fitted_in(self, photo: int) -> Match | None:
        """The first product, where it has a pose in that photo."""
        first = self.matches[0] if self.matches else None
        is_there = first is not None and first.pose is not None and first.views[0].photo == photo
        return first if is_there else None
