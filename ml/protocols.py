"""What a stage promises. Implementations are named in `ml.registry`; each owns its preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ml.types import Crop, Detection, FloatArray, Photo

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Adapter", "Detector", "Embedder", "EmbedderInfo", "Features", "KnowsAbsent"]


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """name; dim of the compact vector; crop side in pixels; cells (channels, rows, columns)
    or None; fingerprint: SHA-256 prefix over weights and preprocessing."""

    name: str
    dim: int
    input_size: int
    cells: tuple[int, int, int] | None
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """vectors (n, dim) float32, rows of length 1; cells (n, c, r, k) float32, each cell of
    length 1 over c, or None where the embedder keeps no cells."""

    vectors: FloatArray
    cells: FloatArray | None = None


class Embedder(Protocol):
    """network: what `embed` runs on (n, 3, side, side) pixels in [0, 1], for planning its memory."""

    info: EmbedderInfo
    network: nn.Module

    def embed(self, crops: Sequence[Crop]) -> Features:
        """n crops of side info.input_size; n may be 0."""


@runtime_checkable
class KnowsAbsent(Protocol):
    """An embedder that brings what photographs of things no catalog has look like to it.

    absent   (n, dim) whole ones and their middles
    patches  (m, dim) parts of any place, size and proportions
    """

    absent: FloatArray
    patches: FloatArray


class Adapter(Protocol):
    """Real -> rendered domain, on vectors of length 1 (thesis eq. 4.2).

    embedder: fingerprint of the one whose vectors it was fitted to; "" where it fits any.
    """

    fingerprint: str
    embedder: str

    def adapt(self, vectors: FloatArray) -> FloatArray:
        """(n, d) -> (n, d), rows of length 1."""


class Detector(Protocol):
    def detect(self, photo: Photo) -> list[Detection]:
        """Best first; no two overlap by an IoU above 0.5; may be empty."""
