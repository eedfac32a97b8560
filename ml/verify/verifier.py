"""The shipped network that holds crops against views; weights and model card are in ml/weights."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ml.embed.devices import answers_in_bfloat16, device
from ml.embed.fusing import fused
from ml.embed.viewnet import shape_of
from ml.geometry.crops import LUMA
from ml.types import Crop, FloatArray
from ml.verify.networks import Verifier, VerifierShape
from ml.weights import load_weights

__all__ = ["ViewVerifier", "facts_of", "load_verifier", "network_of"]

BATCH = 64  # views at a time: bounds the memory to about 60 MB


class ViewVerifier:
    """Log-odds that views show what a crop shows, from the same viewpoint; alike in photos and renders by training."""

    def __init__(self, network: Verifier) -> None:
        self.side = network.shape.eyes[0].side
        self._network = fused(network.eval()).to(device())
        self._is_halved = answers_in_bfloat16()

    def __call__(self, crop: Crop, views: npt.NDArray[np.uint8]) -> FloatArray:
        """A crop of `side` px and views (n, side, side) gray, rendered, cut alike (`ml.geometry.boxes.MARGIN`)
        -> (n,) float32, comparable within one crop. Raises ValueError for other sizes."""
        if crop.pixels.shape[1:] != (self.side, self.side) or views.shape[1:] != (self.side, self.side):
            raise ValueError(
                f"pictures of {self.side} px are compared, not {crop.pixels.shape} and {views.shape}"
            )
        gray = np.tensordot(np.array(LUMA, np.float32), crop.pixels, 1)[None, None]
        found = np.empty(len(views), np.float32)
        kind = device().type
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=self._is_halved):
            photo = self._network.seen(torch.from_numpy(gray).to(kind))
            for start in range(0, len(views), BATCH):
                batch = torch.from_numpy(views[start : start + BATCH, None].astype(np.float32) / 255)
                seen = self._network.seen(batch.to(kind))
                beside = photo[0].expand_as(seen[0]), photo[1].expand_as(seen[1])
                answer = self._network.compared(beside, seen)
                found[start : start + BATCH] = answer.float().cpu().numpy()
        return found


@cache
def load_verifier() -> ViewVerifier:
    """Raises WeightsMissing."""
    tensors, facts, _ = load_weights("verifier")
    return ViewVerifier(network_of(tensors, facts))


def network_of(tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> Verifier:
    """The network of a weights' file."""
    values = dict(facts["shape"])
    eyes = tuple(shape_of(eye) for eye in values["eyes"])
    shape = VerifierShape(**{**values, "eyes": eyes, "widths": tuple(values["widths"])})
    network = Verifier(shape)
    network.load_state_dict(tensors)
    return network


def facts_of(network: Verifier) -> dict[str, Any]:
    """What `network_of` needs beside the tensors."""
    return {"shape": asdict(network.shape)}
