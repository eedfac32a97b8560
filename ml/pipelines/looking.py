"""A box of a photo, as it is searched with: a vector, cells, an outline, colors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml.geometry.boxes import with_neighbors
from ml.geometry.crops import crop_photo
from ml.pipelines.timing import Clock, timed
from ml.protocols import Adapter, Embedder
from ml.search.colors import colors_of_crop
from ml.search.generation import MASK_SIDE
from ml.search.rerank import Looks
from ml.types import Box, Crop, FloatArray, Photo

__all__ = ["Cut", "Kinds", "Looker", "Seen"]


class Cut(Protocol):
    def __call__(self, photo: Photo, boxes: Sequence[Box], side: int) -> FloatArray:
        """(n, side, side) in [0, 1] over each box's crop: how likely each pixel is the object's."""


class Kinds(Protocol):
    def __call__(self, photo: Photo, box: Box) -> FloatArray:
        """(k,): how likely the box shows a thing of each kind (`ml.kinds`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """vector (d,), adapted, of length 1; kinds (k,), None where nothing tells."""

    vector: FloatArray
    looks: Looks
    kinds: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Described:
    """A box of a photo: its crop, and of it and the boxes about it one vector (d,), adapted, and cells (c, r, k)."""

    crop: Crop
    vector: FloatArray
    cells: FloatArray | None


class Looker:
    """The networks that see photos. around: share by which a box is also seen larger and smaller
    (`SearchConfig.around`). cut: None draws no outlines. kinds: None tells none."""

    def __init__(
        self,
        embedder: Embedder,
        adapter: Adapter,
        *,
        around: float,
        cut: Cut | None,
        kinds: Kinds | None = None,
    ) -> None:
        self._embedder = embedder
        self._adapter = adapter
        self._around = around
        self._cut = cut
        self._kinds = kinds

    def __call__(self, photo: Photo, box: Box, clock: Clock) -> Seen:
        with timed(clock, "embed"):
            described = self._described(photo, box)
        with timed(clock, "outline"):
            share = None if self._cut is None else self._cut(photo, [box], MASK_SIDE)[0]
            colors = None if share is None else colors_of_crop(described.crop, share)
        with timed(clock, "kind"):
            kinds = None if self._kinds is None else self._kinds(photo, box)
        return Seen(described.vector, Looks(described.cells, share, colors), kinds)

    def _described(self, photo: Photo, box: Box) -> _Described:
        """A box and those about it, together: what one crop has by chance counts less."""
        size = self._embedder.info.input_size
        crops = [crop_photo(photo, one, size) for one in with_neighbors(box, self._around)]
        features = self._embedder.embed(crops)
        vector = _unit(self._adapter.adapt(features.vectors).mean(axis=0))
        cells = None if features.cells is None else _unit(features.cells.mean(axis=0))
        return _Described(crops[0], vector, cells)


def _unit(values: FloatArray) -> FloatArray:
    """Along the first axis of length 1; what is all zero stays so."""
    length = np.linalg.norm(values, axis=0, keepdims=True)
    result: FloatArray = values / np.maximum(length, np.finfo(np.float32).tiny)
    return result
