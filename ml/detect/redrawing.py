"""Other boxes about the thing that a box was drawn around by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ml.detect.tightening import tightened
from ml.geometry.boxes import iou
from ml.types import Box, Detection, Photo

__all__ = ["ALIKE", "SAME", "redrawn"]

SAME = 0.5  # IoU from which two boxes are taken to be about one thing, and not about a part of it
ALIKE = 0.95  # and from which they are one box: a search with the other finds the same


def redrawn(photo: Photo, box: Box, detect: Callable[[Photo], Sequence[Detection]]) -> Iterator[Box]:
    """First the box drawn to the edges of what it holds, then what a detector is surest of about there. Each is made
    only once it is asked for, and left out where it is about something else, or one of those before it.

    Raises BadBox for a box with no part inside the photo, WeightsMissing.
    """
    drawn = tightened(photo, [box])[0]
    if SAME <= iou(drawn, box) < ALIKE:
        yield drawn
    found = next((found.box for found in detect(photo) if iou(found.box, box) >= SAME), None)
    if found is not None and max(iou(found, box), iou(found, drawn)) < ALIKE:
        yield found
