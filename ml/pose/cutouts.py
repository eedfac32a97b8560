"""The object's pixels once a model is fitted to it: what the photo shows and where the model's edges are, together."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ml.detect.cutting import MARGIN, object_share
from ml.geometry.boxes import clip, crop_matrix
from ml.geometry.cameras import cropped
from ml.geometry.crops import uncrop
from ml.pose.masks import Part, estimate_mask
from ml.render.raycast import RayScene
from ml.search.config import RECOGNIZED
from ml.types import BoolArray, Box, Photo, Pose

__all__ = ["cut_out"]

AGREED = 0.7  # IoU that its silhouette must reach with what the photo alone shows
FINE = 400  # pixels, longer side of the part that is cut: thin bars stay apart
MODEL = 0.6  # of the word that counts, the silhouette's share: inside it and outside, away from its edge, it decides
SOFT = 0.005  # of the box's longer side: the silhouette's edge is blurred by, as far as a pose may be off


def cut_out(
    photo: Photo, box: Box, scene: Callable[[], RayScene], pose: Pose, recognized: float | None
) -> BoolArray | None:
    """(h, w) the object's pixels, or None where they can't be told from what is around them.

    scene: reads the model, which is asked for only where it has a say. recognized: as `ml.search.answers.Match` has it.
    Where the model is the thing itself, a pixel is the object's by the weighed mean of its silhouette's word and the
    network's (`ml.detect.cutting`): through a railing the wall is seen, which the photo alone doesn't tell. Elsewhere
    the photo alone decides (`estimate_mask`). Read-only.
    Raises BadBox where the box has no part inside the photo.
    """
    mask = estimate_mask(photo, box)
    if recognized is None or recognized < RECOGNIZED:
        return mask
    if mask is not None and (pose.silhouette_iou or 0.0) < AGREED:
        return mask
    inside = clip(box, photo.width, photo.height)
    part = Part.about(photo, inside, FINE)
    small, (width, height) = part.within(inside), part.size
    silhouette = scene().mask(cropped(pose.camera, Box(*map(float, part.edges)), width, height))
    softness = SOFT * max(small.width, small.height)
    soft = cv2.GaussianBlur(silhouette.astype(np.float32), (0, 0), softness)
    share = object_share(photo, inside)
    share = uncrop(share, crop_matrix(small, len(share), MARGIN), width, height)
    return part.whole(MODEL * soft + (1 - MODEL) * share >= 0.5, photo)
