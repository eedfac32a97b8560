"""What kind of thing a product is, learned from the vectors of its renders: `python -m ml train kinds`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch.nn import functional

from ml import registry
from ml.errors import BadSource, ShapelensError
from ml.kinds.photos import kinds_of_photo
from ml.kinds.products import ABSENT, KindsOfViews
from ml.kinds.vocabulary import KINDS, kinds_of_name
from ml.protocols import Embedder
from ml.train.absent import kept_photographs, shown_elsewhere
from ml.train.pairs import PairSet, open_pairs
from ml.train.whitening import in_batches
from ml.types import FloatArray
from ml.weights import FOLDER, read_weights, save_weights

__all__ = ["Labelled", "main", "train_kinds"]

VIEWS = 6  # of each model, plain and as voxel twins
_STEPS = 800
_PICTURES = 1024  # a step
_RATE = 1e-2
_DECAY = 1e-3  # of the squared weights beside the loss
_RARE = 20  # pictures: a kind counts by the root of how many it has and these
_HELD = 10  # one model in so many, and those that differ from it by their proportions, for the figure that is told


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """vectors (n, dim) of length 1; kinds (n, OTHER + 1), each summing up to 1; origin (n,), alike for models that differ
    by their proportions alone."""

    vectors: FloatArray
    kinds: FloatArray
    origin: npt.NDArray[np.int64]


def main(argv: Sequence[str] | None = None) -> int:
    """0; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m ml train kinds", description=__doc__)
    parser.add_argument("--trained", type=Path, required=True, help="--out of python -m ml train: its pairs")
    parser.add_argument(
        "--embedder", nargs="+", required=True, help="whose vectors are read; the others stay"
    )
    parser.add_argument("--backgrounds", type=Path, required=True, help="photos of anything, as in training")
    parser.add_argument("--out", type=Path, default=FOLDER / "kinds.safetensors", help="the file to write")
    options = parser.parse_args(argv)
    console = Console()
    try:
        pairs = open_pairs(options.trained / "pairs")
        tensors, embedders = _known(options.out)
        elsewhere = [
            kinds_of_photo(*shown) for shown in shown_elsewhere(kept_photographs(options.backgrounds))
        ]
        tensors[ABSENT] = torch.from_numpy(np.stack(elsewhere))
        for name in options.embedder:
            embedder = registry.embedder(name)
            seen = _labelled(pairs, embedder)
            console.print(f"{name}: of unseen models' views {_told_right(seen):.1%} told right")
            for key, tensor in train_kinds(seen).state_dict().items():
                tensors[f"{name}.{key}"] = tensor
            embedders[name] = embedder.info.fingerprint
    except (ShapelensError, FileNotFoundError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    save_weights(options.out, tensors, {"kinds": [kind.name for kind in KINDS], "embedders": embedders})
    console.print(f"{len(seen.vectors)} pictures of {len(pairs.names)} models each: {options.out}")
    return 0


def train_kinds(seen: Labelled, *, seed: int = 7) -> KindsOfViews:
    """Cross entropy of a picture's kinds; rare ones count more than their share. Seconds on one core."""
    torch.manual_seed(seed)
    network = KindsOfViews(seen.vectors.shape[1])
    vectors, kinds = torch.from_numpy(seen.vectors), torch.from_numpy(seen.kinds)
    weights = (kinds.sum(0) + _RARE) ** -0.5
    weight = kinds @ weights
    weight /= weight.mean()
    optimizer = torch.optim.Adam(network.parameters(), _RATE)
    draws = torch.Generator().manual_seed(seed)
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / _STEPS)
        drawn = torch.randint(len(vectors), (_PICTURES,), generator=draws)
        losses = functional.cross_entropy(network(vectors[drawn]), kinds[drawn], reduction="none")
        large = sum(part.square().sum() for part in network.parameters() if part.dim() > 1)
        loss = (losses * weight[drawn]).mean() + _DECAY * large
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


def _told_right(seen: Labelled) -> float:
    """Share of views of models that were not trained on whose likeliest kind is one their name tells."""
    is_held = seen.origin % _HELD == 0
    if not is_held.any() or is_held.all():
        raise BadSource(f"too few models to keep some back: {len(np.unique(seen.origin))}; render more pairs")
    taken, held = (
        Labelled(seen.vectors[rows], seen.kinds[rows], seen.origin[rows]) for rows in (~is_held, is_held)
    )
    told = train_kinds(taken).told(held.vectors).argmax(axis=1)
    return float((held.kinds[np.arange(len(told)), told] > 0).mean())


def _labelled(pairs: PairSet, embedder: Embedder) -> Labelled:
    """VIEWS of every model, evenly taken, as the index shows them and as their voxel twins."""
    rows = np.concatenate([_evenly(np.flatnonzero(pairs.model == model)) for model in np.unique(pairs.model)])
    pictures = [pairs.plain[rows], pairs.coarse[rows]]
    vectors = [
        in_batches(lambda gray: embedder.network(gray.expand(-1, 3, -1, -1))[0].float(), part)
        for part in pictures
    ]
    kinds = np.stack([kinds_of_name(name) for name in pairs.names])
    model = np.tile(pairs.model[rows], len(pictures))
    return Labelled(torch.cat(vectors).numpy(), kinds[model], pairs.origin[model].astype(np.int64))


def _evenly(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return rows[:: max(1, len(rows) // VIEWS)][:VIEWS]


def _known(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """What the file says of other embedders; nothing where it is not there, or tells other kinds."""
    if not path.exists():
        return {}, {}
    tensors, facts, _ = read_weights(path, "give another --out")
    if facts["kinds"] != [kind.name for kind in KINDS]:
        return {}, {}
    return dict(tensors), dict(facts["embedders"])
