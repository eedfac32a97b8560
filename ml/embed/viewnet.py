"""Our own network as an embedder; weights and model card are in ml/weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ml.embed.devices import answers_in_bfloat16, device
from ml.embed.fusing import fused
from ml.embed.networks import ViewNet, ViewNets, ViewNetShape, ViewNetsShape
from ml.geometry.crops import LUMA
from ml.protocols import EmbedderInfo, Features
from ml.types import Crop, FloatArray
from ml.weights import load_weights

__all__ = [
    "ViewNetEmbedder",
    "load_viewnet",
    "load_viewnet_lite",
    "load_viewnet_open",
    "networks_of",
    "shape_of",
]

BATCH = 64  # crops at a time: bounds the memory to about 60 MB
_VERSION = "viewnet 2: gray, crop with margin 1/16 stretched to the square, [0, 1]"


class ViewNetEmbedder:
    """Vectors of 128 values and 6 x 6 cells of 32; elsewhere: vectors (n, 128) of photographs of anything but
    furniture and household things, and (m, 128) of parts of them (docs: ml/weights/viewnet.md)."""

    def __init__(
        self,
        network: ViewNets,
        fingerprint: str,
        name: str = "viewnet",
        *,
        elsewhere: tuple[FloatArray, FloatArray] | None = None,
    ) -> None:
        shape, member = network.shape, network.nets[0].shape
        self.network = _OnColors(fused(network.eval()))
        self.network.to(device())
        if elsewhere is not None:
            self.absent, self.patches = elsewhere
        cells = (shape.cell, member.rows, member.rows)
        self.info = EmbedderInfo(name, shape.compact, member.side, cells, fingerprint)

    def embed(self, crops: Sequence[Crop]) -> Features:
        """n crops of 96 px -> vectors (n, 128) and cells (n, 32, 6, 6). Raises ValueError for other sizes."""
        side = self.info.input_size
        for crop in crops:
            if crop.pixels.shape != (3, side, side):
                raise ValueError(f"{self.info.name} takes crops of {side} px, not {crop.pixels.shape}")
        assert self.info.cells is not None
        vectors = np.empty((len(crops), self.info.dim), np.float32)
        cells = np.empty((len(crops), *self.info.cells), np.float32)
        with torch.inference_mode():
            for start in range(0, len(crops), BATCH):
                batch = torch.from_numpy(np.stack([crop.pixels for crop in crops[start : start + BATCH]]))
                found = self.network(batch.to(device()))
                vectors[start : start + BATCH] = found[0].cpu().numpy()
                cells[start : start + BATCH] = found[1].cpu().numpy()
        return Features(vectors, cells)


class _OnColors(nn.Module):
    """The networks behind what turns colors gray.

    Convolutions are computed in bfloat16 where the processor does that faster, what follows in float32: of real
    crops the vectors stay alike by a cosine of 0.9999 (the least 0.9994).
    """

    gray: torch.Tensor

    def __init__(self, network: ViewNets) -> None:
        super().__init__()
        self.network = network
        self.is_halved = answers_in_bfloat16()
        self.register_buffer("gray", torch.tensor(LUMA).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 3, side, side) in [0, 1] -> vectors and cells."""
        crops = (pixels * self.gray).sum(1, keepdim=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_halved):
            vectors, cells = self.network.seen(crops)
        return self.network.whitened(vectors.float(), cells.float())


def load_viewnet() -> ViewNetEmbedder:
    """The shipped network. Raises WeightsMissing."""
    return _load("viewnet")


def load_viewnet_lite() -> ViewNetEmbedder:
    """The one that goes on from ImageNet's weights. Raises WeightsMissing."""
    return _load("viewnet_lite")


def load_viewnet_open() -> ViewNetEmbedder:
    """The one trained without photos whose license is not stated. Raises WeightsMissing."""
    return _load("viewnet_open")


def _load(name: str) -> ViewNetEmbedder:
    tensors, facts, digest = load_weights(name)
    elsewhere = tensors["absent"].numpy(), tensors["patches"].numpy()
    return ViewNetEmbedder(
        networks_of(tensors, facts), f"{name}-{_digest(digest)}", name, elsewhere=elsewhere
    )


def networks_of(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> ViewNets:
    """The networks of a weights' file; the vectors of other things it has beside them are left out."""
    joined = ViewNetsShape(**facts["joined"])
    shapes = facts["shapes"] if "shapes" in facts else [facts["shape"]] * joined.members  # all alike
    networks = ViewNets([ViewNet(shape_of(values)) for values in shapes], joined)
    others = {"absent", "patches"}
    networks.load_state_dict({name: tensor for name, tensor in tensors.items() if name not in others})
    return networks


def shape_of(values: Mapping[str, Any]) -> ViewNetShape:
    """A shape as a weights' file states it."""
    return ViewNetShape(**{**values, "widths": tuple(values["widths"]), "blocks": tuple(values["blocks"])})


def _digest(weights: str) -> str:
    return hashlib.sha256(f"{_VERSION} {weights}".encode()).hexdigest()[:12]
