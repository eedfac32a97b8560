"""The five formulations as heads of the same shape on the shipped network's frozen trunk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.embed.viewnet import load_viewnet
from ml.study.viewpoint.losses import (
    GEOMETRY_BINS,
    classification_losses,
    decode_bins,
    decode_cosines,
    geometry_losses,
    joint_losses,
    regression_losses,
)

__all__ = [
    "BINS",
    "FORMULATIONS",
    "Examples",
    "Formulation",
    "Predictions",
    "load_head",
    "predict",
    "train_head",
    "trunk_features",
]

BINS = 24  # of direct and joint classification, as the thesis has them
_BATCH = 256
_HIDDEN = 256
_REDUCED = 48  # channels of a cell


@dataclass(frozen=True, slots=True)
class Formulation:
    """outputs: for the viewpoint, `is_joint` with one more for the background; the others judge object or
    background by two outputs of their own, trained beside. losses (outputs, azimuths) -> (n,)."""

    outputs: int
    losses: Callable[[Tensor, Tensor], Tensor]
    is_regression: bool = False
    is_joint: bool = False


FORMULATIONS: dict[str, Formulation] = {
    "regression, cos and sin": Formulation(2, regression_losses, is_regression=True),
    "regression, three cosines": Formulation(3, regression_losses, is_regression=True),
    "direct classification": Formulation(BINS, classification_losses),
    "geometry-aware classification": Formulation(GEOMETRY_BINS, geometry_losses),
    "joint classification": Formulation(BINS + 1, classification_losses, is_joint=True),
}


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """features (n, c, r, r) float16; azimuths (n, k) equivalents, radians; is_object, is_round (n,)."""

    features: npt.NDArray[np.float16]
    azimuths: npt.NDArray[np.float32]
    is_object: npt.NDArray[np.bool_]
    is_round: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """score (n,) of an object; azimuth (n,) radians; probabilities (n, bins), or None of a regression."""

    score: npt.NDArray[np.float64]
    azimuth: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float32] | None


class _Head(nn.Module):
    def __init__(self, channels: int, rows: int, outputs: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, _REDUCED, 1)
        self.hidden = nn.Linear(_REDUCED * rows**2, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, outputs)

    def forward(self, features: Tensor) -> Tensor:
        cells = functional.relu(self.reduce(features)).flatten(1)
        hidden = functional.dropout(functional.relu(self.hidden(cells)), 0.3, self.training)
        result: Tensor = self.out(hidden)
        return result


@torch.inference_mode()
def trunk_features(crops: npt.NDArray[np.uint8], tell: Callable[[int], object]) -> npt.NDArray[np.float16]:
    """(n, SIDE, SIDE) gray -> (n, 128, 6, 6), the last map of the first shipped network. Raises WeightsMissing."""
    trunk = load_viewnet().network.network.nets[0].trunk
    parts = []
    for start in range(0, len(crops), 64):
        gray = torch.from_numpy(crops[start : start + 64])[:, None].float() / 255
        ready = ((gray - 0.5) * 4).contiguous(memory_format=torch.channels_last)
        parts.append(trunk(ready).contiguous().numpy().astype(np.float16))
        tell(start)
    return np.concatenate(parts)


def train_head(name: str, examples: Examples, *, epochs: int, seed: int) -> nn.Module:
    """Trained on what is given, alike for all formulations: same batches, rates and steps."""
    formulation = FORMULATIONS[name]
    torch.manual_seed(seed)
    channels, rows = examples.features.shape[1:3]
    extra = 0 if formulation.is_joint else 2
    head = _Head(channels, rows, formulation.outputs + extra)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.02)
    steps = epochs * math.ceil(len(examples.features) / _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(examples.features))
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            loss = _loss(
                formulation, head(torch.from_numpy(examples.features[chosen]).float()), examples, chosen
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head.eval()


def load_head(state: dict[str, Tensor]) -> nn.Module:
    """A trained head again, from its state."""
    channels, rows = state["reduce.weight"].shape[1], math.isqrt(state["hidden.weight"].shape[1] // _REDUCED)
    head = _Head(channels, rows, len(state["out.bias"]))
    head.load_state_dict(state)
    return head.eval()


def _loss(
    formulation: Formulation, output: Tensor, examples: Examples, chosen: npt.NDArray[np.int64]
) -> Tensor:
    azimuths = torch.from_numpy(examples.azimuths[chosen])
    is_object, is_round = (
        torch.from_numpy(flags[chosen]) for flags in (examples.is_object, examples.is_round)
    )
    if formulation.is_joint:
        return joint_losses(output, azimuths, is_object, is_round).mean()
    judged = functional.cross_entropy(output[:, formulation.outputs :], is_object.long())
    has_viewpoint = is_object & ~is_round
    seen = formulation.losses(output[has_viewpoint, : formulation.outputs], azimuths[has_viewpoint])
    return judged + seen.sum() / max(int(is_object.sum()), 1)


@torch.inference_mode()
def predict(name: str, head: nn.Module, features: npt.NDArray[np.float16]) -> Predictions:
    formulation = FORMULATIONS[name]
    starts = range(0, len(features), _BATCH)
    output = torch.cat([head(torch.from_numpy(features[k : k + _BATCH]).float()) for k in starts])
    if formulation.is_joint:
        both = output.softmax(1)
        bins = both[:, :-1] / both[:, :-1].sum(1, keepdim=True).clamp_min(1e-12)
        return Predictions(
            (1 - both[:, -1]).double().numpy(), decode_bins(bins).double().numpy(), bins.numpy()
        )
    score = output[:, formulation.outputs :].softmax(1)[:, 1].double()
    seen = output[:, : formulation.outputs]
    if formulation.is_regression:
        return Predictions(score.numpy(), decode_cosines(seen).double().numpy(), None)
    bins = seen.softmax(1)
    return Predictions(score.numpy(), decode_bins(bins).double().numpy(), bins.numpy())
