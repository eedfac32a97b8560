"""Other boxes about the thing that a box was drawn around by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ml.detect.tightening import tightened
from ml.geometry.boxes import iou
from ml.types import Box, Detection, Photo

__all__ = ["SAME", "redrawn"]

SAME = 0.5  # IoU from which two boxes are taken to be about one thing, and not about a part of it


def redrawn(photo: Photo, box: Box, detect: Callable[[Photo], Sequence[Detection]]) -> Iterator[Box]:
    """First the box drawn to the edges of what it holds, then what a detector is surest of about there. Each is made
    only once it is asked for, and left out where it is about something else.

    Raises BadBox for a box with no part inside the photo, WeightsMissing.
    """
    drawn = tightened(photo, [box])[0]
    if drawn != box and iou(drawn, box) >= SAME:
        yield drawn
    about = (found.box for found in detect(photo) if iou(found.box, box) >= SAME)
    found = next(about, None)
    if found is not None:
        yield found
