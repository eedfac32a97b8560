"""phi(x) = Ax + b, made length 1 again: from what a photo's descriptor is to what a render's would be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ml.types import FloatArray
from ml.weights import read_weights, save_weights

__all__ = ["MOST_DIMENSIONS", "LinearAdapter", "linear_fingerprint", "load_adapter", "save_adapter"]

MOST_DIMENSIONS = 5000  # of a full matrix: 100 MB
_SMALLEST = 1e-12  # length below which a descriptor is nothing


@dataclass(frozen=True, slots=True, eq=False)
class LinearAdapter:
    """Thesis eq. 4.2, ReLU(Ax + b), for a descriptor that is behind a ReLU itself; Ax + b for a signed one.

    matrix  (d, d) float32; bias (d,) float32
    is_rectified  whether the ReLU is taken
    fingerprint   of the file it was read from
    embedder      fingerprint of the one whose descriptors it was fitted to
    """

    matrix: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    is_rectified: bool
    fingerprint: str
    embedder: str

    def adapt(self, vectors: FloatArray) -> FloatArray:
        """(n, d) -> (n, d), rows of length 1; a row of which the ReLU leaves nothing stays as it was."""
        made = vectors.astype(np.float32) @ self.matrix.T + self.bias
        if self.is_rectified:
            np.maximum(made, 0.0, out=made)
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        return np.where(lengths > _SMALLEST, made / np.maximum(lengths, _SMALLEST), vectors)


def load_adapter(path: Path) -> LinearAdapter:
    """Raises WeightsMissing."""
    tensors, facts, digest = read_weights(path, "make it again with manage.py adapt_catalog")
    return LinearAdapter(
        tensors["matrix"].numpy(),
        tensors["bias"].numpy(),
        bool(facts["is_rectified"]),
        linear_fingerprint(digest),
        str(facts["embedder"]),
    )


def linear_fingerprint(digest: str) -> str:
    """Of an adapter, by its file's SHA-256."""
    return f"linear-{digest[:12]}"


def save_adapter(
    path: Path, matrix: FloatArray, bias: FloatArray, *, is_rectified: bool, embedder: str
) -> LinearAdapter:
    """Written as float16, beside first, then in place; what comes back is what was written."""
    tensors = {"matrix": torch.from_numpy(matrix), "bias": torch.from_numpy(bias)}
    save_weights(path, tensors, {"is_rectified": is_rectified, "embedder": embedder})
    return load_adapter(path)
