"""What an embedder's layers say of crops, before anything is brought to length 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ml.protocols import Embedder
from ml.types import Crop

__all__ = ["describe", "layers_of"]

CELLS = 6  # a side: larger maps are averaged down to it
_OWN: dict[str, dict[str, str]] = {
    "viewnet": {
        "stage 2": "network.members.0.trunk.4",
        "stage 3": "network.members.0.trunk.6",
        "stage 4": "network.members.0.trunk.8",
        "cells": "network.members.0.to_cells",
        "vector": "network.members.0.to_vector",
    },
    "hog": {"votes": "votes", "blocks": "blocks"},
}


def layers_of(spec: str) -> dict[str, str]:
    """Layers studied of an embedder -> the module in its `network`: those known of our own, else the layer that
    the spec names ("resnet18:layer2"), which is the network's result."""
    name, _, options = spec.partition(":")
    asked = [part for part in options.split(",") if part and not part.startswith("weights=")]
    return _OWN.get(name) or {asked[0].removeprefix("layer=") if asked else "default": ""}


def describe(
    embedder: Embedder, layers: Mapping[str, str], batches: Iterable[Sequence[Crop]]
) -> dict[str, npt.NDArray[np.float32]]:
    """For each layer (n, d) float32: its values for all crops, cell by cell where it is spatial.

    Each row is the layer's own output (of the networks whose `network` normalizes, what comes before that).
    """
    seen: dict[str, Tensor] = {}
    modules = dict(embedder.network.named_modules())
    handles = [modules[path].register_forward_hook(_keeping(seen, name)) for name, path in layers.items()]
    rows: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in layers}
    try:
        with torch.inference_mode():
            for batch in batches:
                embedder.network(torch.from_numpy(np.stack([crop.pixels for crop in batch])))
                for name in layers:
                    rows[name].append(_flat(seen[name]))
    finally:
        for handle in handles:
            handle.remove()
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def _keeping(seen: dict[str, Tensor], name: str) -> Any:
    def keep(_module: Any, _given: Any, result: Tensor) -> None:
        seen[name] = result

    return keep


def _flat(found: Tensor) -> npt.NDArray[np.float32]:
    if found.ndim == 4 and found.shape[2] > CELLS and found.shape[2] % CELLS == 0:
        found = functional.adaptive_avg_pool2d(found, CELLS)
    return np.array(found.float().flatten(1).numpy())
