"""torchvision's classification networks as embedders, from any of their layers.

A layer's map is brought to 6 x 6 cells and its channels to at most 64 by a fixed random projection (Johnson
and Lindenstrauss: cosines stay, within about 1/8 for a cell and far less for all of them together); the cells
laid end to end are the vector. Thesis Table 3.5: VGG-16's pool4 with cosine finds instances best.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import get_model, get_model_weights
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from ml.errors import UnknownName, WeightsMissing
from ml.protocols import EmbedderInfo, Features
from ml.types import Crop

__all__ = ["BACKBONES", "BackboneEmbedder", "load_backbone"]

CELLS = 6  # a side, where the layer is spatial
CHANNELS = 64  # of a cell, at most
FLAT = 2048  # values of a layer that is not spatial, at most
BATCH = 16  # crops at a time: VGG-16's first maps take 13 MB each
_SEED = 20  # of the projection, and of a network without weights
_VERSION = f"backbone 1: crop with margin 1/16, {CELLS} x {CELLS} cells, {CHANNELS} channels, seed {_SEED}"


@dataclass(frozen=True, slots=True)
class _Backbone:
    layer: str  # taken where none is named
    aliases: dict[str, str]  # what the field calls a layer -> torchvision's name


_VGG_POOLS = {"pool1": 4, "pool2": 9, "pool3": 16, "pool4": 23, "pool5": 30}
BACKBONES = {
    "alexnet": _Backbone(
        "conv5",
        {"conv3": "features.7", "conv4": "features.9", "conv5": "features.11", "pool5": "features.12"},
    ),
    "convnext_tiny": _Backbone("features.5", {}),
    "mobilenet_v3_large": _Backbone("features.12", {}),
    "resnet18": _Backbone("layer3", {}),
    "resnet50": _Backbone("layer3", {}),
    "vgg16": _Backbone("pool4", {name: f"features.{at}" for name, at in _VGG_POOLS.items()}),
    "vit_b_16": _Backbone("encoder.ln", {}),
}
"""Networks offered, each with the layer whose cells keep about a fourteenth of the crop."""


class BackboneEmbedder:
    """One layer of a torchvision network (docs: the module's page)."""

    def __init__(self, name: str, extractor: nn.Module, layer: str, normalization: _Normalization) -> None:
        self.network = _Layer(extractor.eval().to(memory_format=torch.channels_last), normalization)  # type: ignore[call-overload]
        channels, is_spatial = self.network.projection.shape[1], self.network.is_spatial
        cells = (channels, CELLS, CELLS) if is_spatial else None
        dim = channels * CELLS**2 if is_spatial else channels
        digest = _fingerprint(extractor, f"{_VERSION} {name} {layer} {normalization}")
        self.info = EmbedderInfo(name, dim, normalization.side, cells, f"{name}-{digest}")

    def embed(self, crops: Sequence[Crop]) -> Features:
        """n crops of the network's own input size. Raises ValueError for other sizes."""
        side = self.info.input_size
        for crop in crops:
            if crop.pixels.shape != (3, side, side):
                raise ValueError(f"{self.info.name} takes crops of {side} px, not {crop.pixels.shape}")
        vectors = np.empty((len(crops), self.info.dim), np.float32)
        cells = np.empty((len(crops), *self.info.cells), np.float32) if self.info.cells else None
        with torch.inference_mode():
            for start in range(0, len(crops), BATCH):
                batch = torch.from_numpy(np.stack([crop.pixels for crop in crops[start : start + BATCH]]))
                found = self.network(batch)
                vectors[start : start + BATCH] = functional.normalize(found.flatten(1), dim=1).numpy()
                if cells is not None:
                    cells[start : start + BATCH] = functional.normalize(found, dim=1).numpy()
        return Features(vectors, cells)


class _Layer(nn.Module):
    """One layer of a network on colors, projected."""

    shift: Tensor
    scale: Tensor
    projection: Tensor

    def __init__(self, extractor: nn.Module, normalization: _Normalization) -> None:
        super().__init__()
        self.extractor = extractor
        self._has_bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # elsewhere bf16 is emulated, slowly
        self.register_buffer("shift", torch.tensor(normalization.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(normalization.std).view(1, 3, 1, 1))
        with torch.inference_mode():
            shape = self._raw(torch.zeros(1, 3, normalization.side, normalization.side)).shape
        self.is_spatial = len(shape) == 4
        channels = min(shape[1], CHANNELS if self.is_spatial else FLAT)
        self.register_buffer("projection", _projection(shape[1], channels))

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, side, side) in [0, 1] -> (n, channels, CELLS, CELLS), or (n, channels) without a place."""
        found = self._raw(pixels)
        if not self.is_spatial:
            return found @ self.projection
        found = functional.adaptive_avg_pool2d(found, CELLS)
        return torch.einsum("nchw,cd->ndhw", found, self.projection).contiguous()

    def _raw(self, pixels: Tensor) -> Tensor:
        """The layer's map (n, c, h, w), or (n, c) where it has no place."""
        ready = ((pixels - self.shift) / self.scale).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._has_bf16):
            found: Tensor = self.extractor(ready)["layer"]
        found = found.float()
        if found.ndim == 3:  # a transformer's tokens: the class token, then the patches row by row
            side = round((found.shape[1] - 1) ** 0.5)
            found = found[:, 1:].transpose(1, 2).reshape(len(found), -1, side, side)
        return found if found.ndim == 4 and found.shape[2] > 1 else found.flatten(1)


@dataclass(frozen=True, slots=True)
class _Normalization:
    """What the weights were trained with: it travels with them."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_backbone(name: str, layer: str = "", weights: str = "default") -> BackboneEmbedder:
    """weights: "default", torchvision's best, downloaded once; "none", random ones from a fixed seed.

    Raises UnknownName for a layer the network has not, WeightsMissing where they can't be had.
    """
    backbone = BACKBONES[name]
    if weights not in {"default", "none"}:
        raise UnknownName(f"{name} has no weights {weights!r}; say weights=default or weights=none")
    torch.manual_seed(_SEED)
    best = get_model_weights(name).DEFAULT
    network = get_model(name, weights=None) if weights == "none" else _downloaded(name, best)
    network.eval()
    asked = layer or backbone.layer
    node = backbone.aliases.get(asked, asked)
    nodes = get_graph_node_names(network)[1]
    if not any(known == node or known.startswith(f"{node}.") for known in nodes):
        short = [*backbone.aliases, *dict.fromkeys(".".join(known.split(".")[:2]) for known in nodes)]
        raise UnknownName(f"{name} has no layer {asked!r}; some it has: {', '.join(short[:40])}")
    transforms = best.transforms()
    sizes = _Normalization(int(transforms.crop_size[0]), tuple(transforms.mean), tuple(transforms.std))
    extractor = create_feature_extractor(network, {node: "layer"})
    return BackboneEmbedder(name, extractor, asked, sizes)


def _downloaded(name: str, weights: object) -> nn.Module:
    url = str(getattr(weights, "url", ""))
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        network: nn.Module = get_model(name, weights=weights)
    except (URLError, OSError, RuntimeError) as error:  # no network, a full disk, a damaged file
        raise WeightsMissing(
            f"the ImageNet weights of {name} can't be had ({error}); take {Path(url).name} from where there "
            f"is a network, torchvision's page names its address, and put it into {folder}; or use "
            "viewnet, whose weights are in the repository"
        ) from error
    return network


def _projection(before: int, after: int) -> Tensor:
    """(before, after); the identity where nothing is to be left out."""
    if before == after:
        return torch.eye(before)
    random = torch.Generator().manual_seed(_SEED)
    matrix: Tensor = torch.randn(before, after, generator=random) / after**0.5
    return matrix


def _fingerprint(network: nn.Module, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for key, value in sorted(network.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
