"""Many boxes of one photo, as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ml.geometry.crops import crop_photo
from ml.protocols import Embedder
from ml.types import Box, FloatArray, Photo

__all__ = ["embed_boxes"]

BATCH = 64  # crops a thread: 7 MB of 96 px


def embed_boxes(photo: Photo, boxes: Sequence[Box], embedder: Embedder) -> FloatArray:
    """(n, d) vectors of n boxes.

    Every core cuts and embeds batches of its own: all together on one batch, they wait for one another at each layer
    and for the one that cuts. Raises BadBox for a box that is empty or has no part inside the photo.
    """
    side, threads = embedder.info.input_size, torch.get_num_threads()

    def described(start: int) -> FloatArray:
        crops = [crop_photo(photo, box, side) for box in boxes[start : start + BATCH]]
        return embedder.embed(crops).vectors

    if len(boxes) <= BATCH or threads == 1:
        parts = [described(start) for start in range(0, len(boxes), BATCH)]
    else:
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                parts = list(pool.map(described, range(0, len(boxes), BATCH)))
        finally:
            torch.set_num_threads(threads)  # what a thread sets, later ones begin with
    return np.concatenate([np.empty((0, embedder.info.dim), np.float32), *parts])
