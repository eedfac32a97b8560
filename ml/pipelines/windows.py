"""Many boxes of one photo, as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.geometry.crops import crop_photo
from ml.pipelines.cores import on_every_core
from ml.protocols import Embedder
from ml.types import Box, FloatArray, Photo

__all__ = ["embed_boxes"]

BATCH = 64  # crops a thread: 7 MB of 96 px


def embed_boxes(photo: Photo, boxes: Sequence[Box], embedder: Embedder) -> FloatArray:
    """(n, d) vectors of n boxes.

    Every core cuts and embeds batches of its own. Raises BadBox for a box that is empty or has no part inside the photo.
    """
    side = embedder.info.input_size

    def described(start: int) -> FloatArray:
        crops = [crop_photo(photo, box, side) for box in boxes[start : start + BATCH]]
        return embedder.embed(crops).vectors

    parts = on_every_core(described, range(0, len(boxes), BATCH))
    return np.concatenate([np.empty((0, embedder.info.dim), np.float32), *parts])
