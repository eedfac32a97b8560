"""Descriptors of rendered pairs: of the plain views, and of composites of their queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ml.protocols import Embedder
from ml.train.pairs import PairSet
from ml.train.relighting import Composer
from ml.types import Crop

__all__ = ["composite_vectors", "plain_vectors"]

_BATCH = 96

Vectors = npt.NDArray[np.float32]


def plain_vectors(embedder: Embedder, pairs: PairSet) -> Vectors:
    """(n, dim) of all plain views."""
    return _embedded(embedder, (pairs.plain[k : k + _BATCH] for k in range(0, len(pairs.model), _BATCH)))


def composite_vectors(
    embedder: Embedder, pairs: PairSet, at: npt.NDArray[np.int64], backgrounds: torch.Tensor, *, seed: int
) -> Vectors:
    """(len(at), dim) of the queries in rows `at`, each under a light and on a background of its own.

    backgrounds: (b, S, S) uint8 gray.
    """
    return _embedded(embedder, _composites(pairs, at, backgrounds, seed))


def _composites(
    pairs: PairSet, at: npt.NDArray[np.int64], backgrounds: torch.Tensor, seed: int
) -> Iterator[npt.NDArray[np.uint8]]:
    composer = Composer(backgrounds, seed)
    for first in range(0, len(at), _BATCH):
        rows = at[first : first + _BATCH]
        pictures = composer.compose(torch.from_numpy(pairs.queries[rows]), torch.from_numpy(pairs.up[rows]))
        yield pictures.mul(255).round().byte()[:, 0].numpy()


def _embedded(embedder: Embedder, batches: Iterable[npt.NDArray[np.uint8]]) -> Vectors:
    """(n, side, side) uint8 gray pictures, batch by batch, as the embedder takes them."""
    size = embedder.info.input_size
    rows = []
    for batch in batches:
        crops = []
        for picture in batch:
            fitting = picture if picture.shape[0] == size else cv2.resize(picture, (size, size))
            plane = np.ascontiguousarray(fitting, np.float32) / 255
            crops.append(Crop(np.stack([plane] * 3), np.eye(3), 1.0))
        rows.append(embedder.embed(crops).vectors)
    return np.concatenate(rows)
