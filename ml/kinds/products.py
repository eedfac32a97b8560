"""What kind of thing a product is, told by the vectors of its rendered views: no name or language is needed.

Learned from the names of what is trained on (`ml.train.kinds`), for each embedder whose vectors it reads.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from ml.kinds.vocabulary import KINDS, OTHER
from ml.types import FloatArray, IntArray
from ml.weights import load_weights

__all__ = ["ABSENT", "HIDDEN", "KindsOfViews", "kinds_elsewhere", "kinds_of_products", "kinds_of_views"]

HIDDEN = 64
ABSENT = "absent"  # in the weights' file: kinds of the photographs that the embedders bring as `absent`


class KindsOfViews(nn.Module):
    """Vectors (n, dim) of length 1 -> log-odds (n, OTHER + 1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = dim**0.5
        self.layers = nn.Sequential(nn.Linear(dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OTHER + 1))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(vectors * self.scale)
        return found

    def told(self, vectors: FloatArray) -> FloatArray:
        """(n, dim) -> (n, OTHER + 1), each summing up to 1."""
        with torch.inference_mode():
            return np.asarray(
                self(torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))).softmax(1).numpy()
            )


def kinds_of_views(fingerprint: str) -> KindsOfViews | None:
    """What reads the vectors of the embedder with this fingerprint; None where nothing was trained on them.

    Raises WeightsMissing.
    """
    tensors, facts, _ = load_weights("kinds")
    if facts["kinds"] != [kind.name for kind in KINDS]:
        return None
    for name, known in facts["embedders"].items():
        if known == fingerprint:
            own = {
                key.removeprefix(f"{name}."): tensor
                for key, tensor in tensors.items()
                if key.startswith(f"{name}.")
            }
            network = KindsOfViews(own["layers.0.weight"].shape[1])
            network.load_state_dict(own)
            return network.eval()
    return None


def kinds_of_products(
    network: KindsOfViews, blocks: Iterable[tuple[FloatArray, IntArray]], count: int
) -> FloatArray:
    """(count, OTHER + 1): of each product the mean over its views. blocks: vectors (n, dim) of views, and the products in
    [0, count) that they are of (n,). A product without views is of no kind: all 0."""
    total, views = np.zeros((count, OTHER + 1)), np.zeros(count, np.int64)
    for vectors, products in blocks:
        np.add.at(total, products, network.told(vectors))
        views += np.bincount(products, minlength=count)
    return np.asarray(total / np.maximum(views, 1)[:, None], np.float32)


def kinds_elsewhere() -> FloatArray:
    """(n, OTHER + 1): what is told of the photographs of other things that our embedders bring (`ml.protocols.KnowsAbsent`), in
    their order. Raises WeightsMissing."""
    tensors, _, _ = load_weights("kinds")
    return np.asarray(tensors[ABSENT].numpy())
