"""The training itself: batches, steps, checkpoints."""

from __future__ import annotations

import copy
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.embed.devices import computes_in_bfloat16
from ml.embed.fusing import fused
from ml.embed.networks import LITE, ViewNet, ViewNetShape
from ml.train.checkpoints import Stateful, read_checkpoint, write_checkpoint
from ml.train.losses import Bank, Temperature, alike, best_positives, info_nce
from ml.train.pairs import PairSet
from ml.train.photos import PhotoSet, fits_category
from ml.train.relighting import Composer
from ml.train.sightings import BOX_SHARE, Sightings

__all__ = ["Data", "Recipe", "Step", "Training", "averaged_into"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the data."""

    shape: ViewNetShape = field(default_factory=ViewNetShape)
    steps: int = 9000
    limit_minutes: float = (
        110.0  # of all runs together: a slow machine's rate falls in time, with fewer steps
    )
    pairs: int = 96  # a step
    views_a_model: int = 4  # in every second step, so that other views are among the wrong ones
    kin_share: float = 0.0  # of those steps take models of one kind (all chairs), those that differ by
    # their proportions alone side by side: the hardest wrong ones
    room_share: float = 0.0  # of the pairs are crops of furnished rooms
    coarse_share: float = 0.35  # of the steps match with the voxel twins' views
    photos: int = 32  # of furniture, and as many of Caltech-101, in a step that has photos
    photo_period: int = 2  # of pairs of steps: 2 gives photos to every second pair, 1 to all
    absent: int = 0  # patches of nothing in a step: no render may be near them
    bank: int = 2048  # gallery vectors of earlier steps among the wrong ones
    rate: float = 2e-3
    trunk_rate: float = 1.0  # of that for the trunk: less where it knows much already
    frozen: int = 0  # of the trunk's first layers, which stay as they were
    warmup: int = 300
    decay: float = 0.02
    average: float = 0.998  # of the exponential moving average that is shipped
    cell_weight: float = 0.5
    category_weight: float = 0.35
    category_best: int = 8  # renders of a photo's category that should be nearer than all others
    label_weight: float = 0.2
    seed: int = 7


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """pairs to match; furniture and caltech, whose categories are a side task and are contrasted with the
    pairs' names where one fits; backgrounds (b, S, S) uint8, of which the first `absent` show anything but products
    and are wrong answers in training, 0 for none. sightings: of the same specs as the pairs, or None."""

    pairs: PairSet
    furniture: PhotoSet | None
    caltech: PhotoSet | None
    backgrounds: Tensor
    absent: int = 0
    sightings: Sightings | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a step came to: losses, share of the batch's pairs found, learning rate, seconds so far."""

    number: int
    pairs: float
    cells: float
    category: float
    label: float
    found: float
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """pictures: n composites, their n renders, the photos of `labels`, then patches of nothing; gallery: the
    renders again, (n, SIDE, SIDE) uint8; kind: of bank and renders, plain or coarse."""

    pictures: Tensor
    gallery: Tensor
    model: Tensor
    kind: str
    labels: Tensor

    @property
    def end_of_photos(self) -> int:
        return 2 * len(self.model) + len(self.labels)


class Training:
    """A training that can be stopped after any step and taken up again from its folder."""

    def __init__(self, recipe: Recipe, data: Data, folder: Path, *, is_halved: bool | None = None) -> None:
        """is_halved: convolutions in bfloat16; by default where the processor computes in it."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.data, self.folder = recipe, data, folder
        self.step, self.seconds = 0, 0.0
        self.history: list[Step] = []
        labels = sum(len(photos.labels) for photos in (data.furniture, data.caltech) if photos)
        net = ViewNet(recipe.shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parts = nn.ModuleDict(
            {
                "net": net,
                "pair_scale": Temperature(),
                "cell_scale": Temperature(),
                "category_scale": Temperature(),
                "labels": nn.Linear(recipe.shape.widths[-1], max(labels, 1)),
            }
        )
        self.is_halved = computes_in_bfloat16() if is_halved is None else is_halved
        self._net = net
        self._frozen: nn.Module | None = None
        self.averaged = copy.deepcopy(net).eval()
        self.optimizer = torch.optim.AdamW(_groups(self.parts, net.trunk, recipe), lr=recipe.rate)
        self._banks = {name: Bank(recipe.bank, recipe.shape.dim) for name in ("plain", "coarse")}
        self._fits = _fits(data)
        self._by_model = np.split(
            np.arange(len(data.pairs.model)), np.flatnonzero(np.diff(data.pairs.model)) + 1
        )
        self._kin = _kin(data.pairs.names)
        self._seen, self._seen_model = _seen(data)
        self._up = torch.from_numpy(data.pairs.up)

    # ---- the run --------------------------------------------------------------------------------

    def run(self, *, minutes: float, save_every: float, tell: Callable[[Step], None]) -> bool:
        """Steps until the recipe's number or the minutes of this run are over; whether the recipe is done."""
        started, before, saved = time.monotonic(), self.seconds, time.monotonic()
        self.parts.train()
        while self.progress < 1:
            rng = np.random.default_rng((self.recipe.seed, self.step))
            composer = Composer(self.data.backgrounds, self.recipe.seed * 1_000_003 + self.step)
            losses = self._losses(self._batch(rng, composer))
            rate = self._set_rate()
            total = sum(weight * loss for weight, loss in self._weighted(losses))
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[union-attr]
            nn.utils.clip_grad_norm_(self.parts.parameters(), 5.0)
            self.optimizer.step()
            self._average()
            self.step += 1
            self.seconds = before + time.monotonic() - started
            told = {name: float(value.detach()) for name, value in losses.items()}
            self.history.append(Step(self.step, rate=rate, seconds=self.seconds, **told))
            tell(self.history[-1])
            now = time.monotonic()
            is_over = now - started > 60 * minutes
            if now - saved > 60 * save_every or is_over or self.progress >= 1:
                self.save()
                saved = now
            if is_over:
                break
        return self.progress >= 1

    @property
    def progress(self) -> float:
        """Share of the steps or of the time, whichever is further; 1 and more: done."""
        return max(self.step / self.recipe.steps, self.seconds / (60 * self.recipe.limit_minutes))

    def _weighted(self, losses: dict[str, Tensor]) -> Iterator[tuple[float, Tensor]]:
        recipe = self.recipe
        yield 1.0, losses["pairs"]
        yield recipe.cell_weight, losses["cells"]
        yield recipe.category_weight, losses["category"]
        yield recipe.label_weight, losses["label"]

    def _set_rate(self) -> float:
        recipe = self.recipe
        warm = min(1.0, (self.step + 1) / recipe.warmup)
        rate = recipe.rate * warm * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * self.progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        return rate

    def _average(self) -> None:
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        averaged_into(self.averaged, self.parts["net"], keep)

    # ---- one step -------------------------------------------------------------------------------

    def _batch(self, rng: np.random.Generator, composer: Composer) -> _Batch:
        rows = self._rows(rng)
        kind = "coarse" if rng.random() < self.recipe.coarse_share else "plain"
        pairs = self.data.pairs
        composites = [composer.compose(torch.from_numpy(pairs.queries[rows]), self._up[rows])]
        galleries = [torch.from_numpy(getattr(pairs, kind)[rows])]
        models = [torch.from_numpy(pairs.model[rows].astype(np.int64))]
        if n_seen := self._n_seen:
            assert self.data.sightings is not None
            chosen = rng.choice(len(self._seen), n_seen, replace=False)
            rows = self._seen[chosen]
            composites.append(
                composer.sighted(torch.from_numpy(self.data.sightings.pictures[rows]), BOX_SHARE)
            )
            galleries.append(torch.from_numpy(getattr(self.data.sightings, kind)[rows]))
            models.append(self._seen_model[chosen])
        gallery, model = torch.cat(galleries), torch.cat(models)
        pictures = [*composites, gallery.float()[:, None] / 255]
        photos, labels = self._photos(rng, composer)
        if photos is not None:
            pictures.append(photos)
        n_absent = min(self.recipe.absent, self.data.absent)
        if n_absent:
            chosen = rng.choice(self.data.absent, n_absent, replace=False)
            pictures.append(composer.patches(self.data.backgrounds[torch.from_numpy(chosen)]))
        joined = torch.cat(pictures).contiguous(memory_format=torch.channels_last)
        return _Batch(joined, gallery, model, kind, labels)

    def _losses(self, batch: _Batch) -> dict[str, Tensor]:
        vectors, cells, pooled = self._described(batch.pictures)
        model, kind, n, end = batch.model, batch.kind, len(batch.model), batch.end_of_photos
        losses = self._match(vectors, cells, alike(batch.gallery, model), model, kind, vectors[end:])
        losses |= {"category": torch.zeros(()), "label": torch.zeros(())}
        if len(batch.labels):
            logits = self.parts["labels"](pooled[2 * n : end])
            losses["label"] = functional.cross_entropy(logits, batch.labels, label_smoothing=0.1)
            losses["category"] = self._category(
                vectors[2 * n : end], batch.labels, vectors[n : 2 * n], model, kind
            )
        self._banks[kind].add(vectors[n : 2 * n], model)
        return losses

    def _described(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `ViewNet.trained` makes of the pictures; vectors and what they are compared by stay float32."""
        found = (pictures - 0.5) * 4
        if self.recipe.frozen:
            found = self._unlearning(found)
        # gradients of the others' depthwise convolutions take longer in bfloat16
        is_halved = self.is_halved and self._net.shape.trunk != LITE.trunk
        with torch.autocast("cpu", torch.bfloat16, enabled=is_halved):
            trunk = self._net.trunk[self.recipe.frozen :](found)
        described: tuple[Tensor, Tensor, Tensor] = self._net.described(trunk.float())
        return described

    def _unlearning(self, scaled: Tensor) -> Tensor:
        """Through the frozen layers, as fast as they can be computed."""
        if self._frozen is None:
            self._frozen = fused(self._net.trunk[: self.recipe.frozen].eval())
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.is_halved):
            found: Tensor = self._frozen(scaled)
        return found.float()

    @property
    def _n_seen(self) -> int:
        """Sightings a step."""
        return min(round(self.recipe.room_share * self.recipe.pairs), len(self._seen))

    def _rows(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Pairs of one step: all of different models, or several views of fewer."""
        recipe = self.recipe
        views = recipe.views_a_model if self.step % 2 else 1
        models = rng.permutation(len(self._by_model))
        if views > 1 and rng.random() < recipe.kin_share:
            kin, origin = self._kin[models[0]], self.data.pairs.origin
            order = rng.random(len(origin))[origin[kin]]  # one place for all of an origin
            models = np.concatenate([kin[np.argsort(order, kind="stable")], models])
            models = models[np.sort(np.unique(models, return_index=True)[1])]
        models = models[: (recipe.pairs - self._n_seen) // views]
        return np.concatenate([rng.choice(self._by_model[m], views, replace=False) for m in models])

    def _match(
        self, vectors: Tensor, cells: Tensor, ignored: Tensor, model: Tensor, kind: str, absent: Tensor
    ) -> dict[str, Tensor]:
        n = len(model)
        vectors, cells = vectors[: 2 * n], cells[: 2 * n]
        bank = self._banks[kind]
        more = self.parts["pair_scale"](vectors[:n] @ bank.vectors.T)
        is_wrong = (bank.model[None] >= 0) & (bank.model[None] != model[:, None])
        more = more.masked_fill(~is_wrong, -1e4)
        below = self.parts["pair_scale"](vectors[n:] @ absent.T)
        pairs, found = info_nce(self.parts["pair_scale"](vectors[:n] @ vectors[n:].T), ignored, more, below)
        spread = cells.flatten(1) / math.sqrt(cells.shape[2] * cells.shape[3])
        of_cells, _ = info_nce(self.parts["cell_scale"](spread[:n] @ spread[n:].T), ignored)
        return {"pairs": pairs, "cells": of_cells, "found": found}

    def _photos(self, rng: np.random.Generator, composer: Composer) -> tuple[Tensor | None, Tensor]:
        """Photos of the step, if it is one that has any, and their labels."""
        none = torch.empty(0, dtype=torch.long)
        sets = [photos for photos in (self.data.furniture, self.data.caltech) if photos]
        if not sets or self.step // 2 % self.recipe.photo_period != 0:
            return None, none
        pixels, labels, first = [], [], 0
        for photos in sets:
            rows = rng.choice(len(photos.label), self.recipe.photos, replace=False)
            pixels.append(torch.from_numpy(photos.pixels[rows]))
            labels.append(torch.from_numpy(photos.label[rows] + first))
            first += len(photos.labels)
        return composer.jittered_photos(torch.cat(pixels)), torch.cat(labels)

    def _category(self, photos: Tensor, label: Tensor, gallery: Tensor, model: Tensor, kind: str) -> Tensor:
        """Photos against this step's and the bank's renders; right are those whose names fit."""
        bank = self._banks[kind]
        filled = bank.model >= 0
        against = torch.cat([gallery, bank.vectors[filled]])
        positive = self._fits[torch.cat([model, bank.model[filled]])][:, label].T
        logits = self.parts["category_scale"](photos @ against.T)
        return best_positives(logits, positive, self.recipe.category_best)

    # ---- on disk --------------------------------------------------------------------------------

    def save(self) -> None:
        """Write everything a later run needs."""
        write_checkpoint(self.folder, self._kept, self.recipe, self.step, self.seconds)
        lines = [json.dumps(asdict(step)) for step in self.history]
        (self.folder / "history.jsonl").write_text("\n".join(lines) + "\n")

    @property
    def _kept(self) -> dict[str, Stateful]:
        return {"parts": self.parts, "averaged": self.averaged, "optimizer": self.optimizer}

    def start_from(self, earlier: nn.Module) -> None:
        """Begin with another training's averaged network instead of a random one."""
        self.parts["net"].load_state_dict(earlier.state_dict())
        self.averaged.load_state_dict(earlier.state_dict())

    def between(self, start: nn.Module, share: float, batches: int = 60) -> ViewNet:
        """`share` of the network the training began with, the rest the trained one.

        The mean keeps what the first could and the second forgot (Wortsman et al., Robust fine-tuning of
        zero-shot models, 2022). Batch statistics are taken anew: a mean of weights has none of its own
        (Izmailov et al., Averaging weights leads to wider optima, 2018).
        """
        made: ViewNet = copy.deepcopy(self.averaged)
        before = start.state_dict()
        made.load_state_dict(
            {
                name: torch.lerp(value, before[name], share) if value.dtype.is_floating_point else value
                for name, value in made.state_dict().items()
            }
        )
        made.train()
        made.trunk[: self.recipe.frozen].eval()
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d) and module.training:
                module.reset_running_stats()
                module.momentum = None  # a plain mean over the batches
        with torch.no_grad():
            for number in range(batches):
                rng = np.random.default_rng((self.recipe.seed, 7, number))
                made(self._batch(rng, Composer(self.data.backgrounds, 7_000_003 + number)).pictures)
        made.eval()
        return made

    def resume(self) -> bool:
        """Take up the folder's checkpoint; False where there is none. Raises ValueError for another recipe."""
        found = read_checkpoint(self.folder, self._kept, self.recipe)
        if found is None:
            return False
        self.step, self.seconds = found
        lines = (self.folder / "history.jsonl").read_text().splitlines()
        self.history = [Step(**json.loads(line)) for line in lines if line][: self.step]
        return True


@torch.no_grad()
def averaged_into(average: nn.Module, network: nn.Module, keep: float) -> None:
    """The average moved toward the network; of what is no number with fractions, the network's own."""
    now = network.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(now[name], 1 - keep)
        else:
            value.copy_(now[name])


def _groups(parts: nn.Module, trunk: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Weights decay; norms, offsets and temperatures don't. share: of the rate."""
    slow = set(trunk.parameters())
    groups: list[dict[str, Any]] = []
    for share, among in ((recipe.trunk_rate, slow), (1.0, set(parts.parameters()) - slow)):
        chosen = [p for p in parts.parameters() if p in among]  # a set has no order
        groups += [
            {"params": [p for p in chosen if p.ndim > 1], "weight_decay": recipe.decay, "share": share},
            {"params": [p for p in chosen if p.ndim <= 1], "weight_decay": 0.0, "share": share},
        ]
    return groups


def _fits(data: Data) -> Tensor:
    """(models, categories of all photos)"""
    labels = [label for photos in (data.furniture, data.caltech) if photos for label in photos.labels]
    return torch.from_numpy(
        fits_category(data.pairs.names, labels).reshape(len(data.pairs.names), len(labels))
    )


def _seen(data: Data) -> tuple[npt.NDArray[np.int64], Tensor]:
    """Rows of the sightings whose model is among the pairs', and (rows,) which one it is."""
    if data.sightings is None:
        return np.empty(0, np.int64), torch.empty(0, dtype=torch.long)
    last = max(int(data.pairs.specs.max()), int(data.sightings.spec.max()))
    of_spec = np.full(last + 1, -1, np.int64)
    of_spec[data.pairs.specs] = np.arange(len(data.pairs.specs))
    model = of_spec[data.sightings.spec]
    rows = np.flatnonzero(model >= 0)
    return rows, torch.from_numpy(model[rows])


def _kin(names: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """For every model, the rows of all of its kind: names whose last word is the same."""
    words = np.array([(re.findall(r"[a-z]+", name.lower()) or [""])[-1] for name in names])
    return [np.flatnonzero(words == word) for word in words]
