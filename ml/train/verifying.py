"""Training of what holds a photo's crop against rendered views: `python -m ml train verifier`."""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from ml.embed.devices import computes_in_bfloat16
from ml.embed.networks import LITE, ViewNet, ViewNets
from ml.embed.viewnet import networks_of
from ml.errors import ShapelensError
from ml.train.checkpoints import Stateful, read_checkpoint, write_checkpoint
from ml.train.loop import averaged_into
from ml.train.pairs import PairSet, open_pairs
from ml.train.photos import load_photos
from ml.train.pretrained import take_pretrained
from ml.train.relighting import Composer
from ml.train.sightings import BOX_SHARE, Sightings, open_sightings
from ml.train.telling import progress_bar
from ml.train.whitening import in_batches
from ml.verify.networks import Verifier, VerifierShape
from ml.verify.verifier import facts_of, network_of
from ml.weights import load_weights, save_weights

__all__ = ["Candidates", "VerifierRecipe", "VerifierTraining", "main"]

_SMALL = 12  # side at which pictures are held against one another
_ALIKE = 6.0  # mean difference in levels there, below which other views of a model are no wrong ones
_SAME = 3.0  # the same, below which not even another model's is
_SAVE_EVERY = 500  # steps
_TOLD_EVERY = 100


@dataclass(frozen=True, slots=True)
class VerifierRecipe:
    """Everything that decides the weights, beside the data."""

    steps: int = 4500
    limit_minutes: float = 80.0
    queries: int = 24  # a step
    wrong: int = 9  # other models' views beside each query's own
    turned: int = 2  # and views of its own model from elsewhere
    among: int = 30  # models the wrong ones are drawn from, those a search would put first
    begin_among: int = 330  # at the first step
    begun: int = 800  # steps until it is `among`
    room_share: float = 0.4  # of the queries are crops of furnished rooms
    coarse_share: float = 0.2  # of the steps compare with the voxel twins' views
    rate: float = 1.5e-3
    warmup: int = 200
    decay: float = 0.02
    average: float = 0.998  # of the exponential moving average that is shipped
    seed: int = 3
    shape: VerifierShape = field(default_factory=VerifierShape)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """photos (q, 1, S, S); views (q * k, 1, S, S), each query's own first; is_view (q, k) bool, False where a view can't
    be told from the query's own."""

    photos: Tensor
    views: Tensor
    is_view: Tensor


class Candidates:
    """The views a search would put first for a picture, by a network's vectors, and which of them are wrong.

    pairs: whose plain and coarse renders are searched in.
    """

    def __init__(self, pairs: PairSet, network: ViewNets) -> None:
        self._pairs, self._network = pairs, network.eval()
        rendered = {"plain": pairs.plain, "coarse": pairs.coarse}
        self._vectors = {kind: self._described(pictures).numpy() for kind, pictures in rendered.items()}
        self._small = {kind: _reduced(pictures) for kind, pictures in rendered.items()}
        starts = np.flatnonzero(np.diff(pairs.model, prepend=-1))
        self._starts = starts
        self._of_model = np.split(np.arange(len(pairs.model)), starts[1:])

    def drawn(
        self,
        photos: Tensor,
        own: npt.NDArray[np.int64],
        right: npt.NDArray[np.uint8],
        kind: str,
        recipe: VerifierRecipe,
        among: int,
        rng: np.random.Generator,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """photos (q, 1, S, S) of the models `own` (q,), whose own views are right (q, S, S) -> views (q, k, S, S), the right
        one first, and (q, k) whether each counts."""
        with torch.inference_mode():
            scores = self._network(photos)[0].numpy() @ self._vectors[kind].T
        best = np.maximum.reduceat(scores, self._starts, axis=1)
        of_right = _reduced(right)
        rendered = getattr(self._pairs, kind)
        views, counts = [], []
        for query, model in enumerate(own):
            nearest = np.argsort(-best[query])[: among + 1]
            others = _chosen(nearest[nearest != model], recipe, is_begun=among <= recipe.among, rng=rng)
            best_views = [self._best_view(scores[query], other, rng) for other in others]
            mine = self._of_model[model]
            is_other = np.abs(self._small[kind][mine] - of_right[query]).mean(axis=1) >= _ALIKE
            turned = mine[is_other][np.argsort(-scores[query, mine[is_other]])][: 3 * recipe.turned]
            missing = max(0, recipe.turned - len(turned))
            turned = np.concatenate([rng.permutation(turned)[: recipe.turned], mine[:missing]])
            at = np.concatenate([best_views, turned]).astype(np.int64)
            apart = np.abs(self._small[kind][at] - of_right[query]).mean(axis=1)
            is_wrong = apart >= _SAME
            if missing:
                is_wrong[-missing:] = False
            views.append(np.concatenate([right[query][None], rendered[at]]))
            counts.append(np.concatenate([[True], is_wrong]))
        return np.stack(views), np.stack(counts)

    def _best_view(self, scores: npt.NDArray[np.float32], model: int, rng: np.random.Generator) -> int:
        """A model's view that a search would take, or now and then another one."""
        rows = self._of_model[model]
        by = scores[rows] if rng.random() < 0.8 else scores[rows] + 0.3 * rng.random(len(rows))
        return int(rows[by.argmax()])

    def _described(self, pictures: npt.NDArray[np.uint8]) -> Tensor:
        def describe(gray: Tensor) -> Tensor:
            vectors: Tensor = self._network(gray)[0]
            return vectors

        return in_batches(describe, pictures)


class VerifierTraining:
    """A training that can be stopped after any step and taken up again from its folder."""

    def __init__(
        self,
        recipe: VerifierRecipe,
        pairs: PairSet,
        sightings: Sightings,
        backgrounds: Tensor,
        networks: ViewNets,
        eyes: Sequence[ViewNet],
        folder: Path,
    ) -> None:
        """networks: those a search's vectors are made by; eyes: those whose first layers the verifier sees with."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.step, self.seconds = 0, 0.0
        self.network = Verifier(recipe.shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.take_eyes(eyes)
        self.averaged = copy.deepcopy(self.network).eval()
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.decay)
        self._candidates = Candidates(pairs, networks)
        self._pairs, self._sightings, self._backgrounds = pairs, sightings, backgrounds
        of_spec = np.full(max(int(pairs.specs.max()), int(sightings.spec.max())) + 1, -1, np.int64)
        of_spec[pairs.specs] = np.arange(len(pairs.specs))
        self._seen = np.flatnonzero(of_spec[sightings.spec] >= 0)
        self._seen_model = of_spec[sightings.spec[self._seen]]
        self._is_halved = computes_in_bfloat16()

    @property
    def progress(self) -> float:
        """Share of the steps or of the time, whichever is further; 1 and more: done."""
        return max(self.step / self.recipe.steps, self.seconds / (60 * self.recipe.limit_minutes))

    def run(self, minutes: float, tell: Any) -> bool:
        """Until the recipe is done or the minutes of this run are over; whether it is done. tell(step, loss, found)."""
        started, before = time.monotonic(), self.seconds
        self._train_mode()
        while self.progress < 1 and time.monotonic() - started < 60 * minutes:
            loss, found = self._one_step()
            self.step += 1
            self.seconds = before + time.monotonic() - started
            tell(self.step, loss, found)
            if self.step % _SAVE_EVERY == 0:
                self.save()
        self.save()
        return self.progress >= 1

    def _train_mode(self) -> None:
        self.network.train()
        for part in (self.network.near, self.network.far):
            part.eval()

    def _one_step(self) -> tuple[float, float]:
        recipe = self.recipe
        batch = self._batch()
        warm = min(1.0, (self.step + 1) / recipe.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress)))
        logits = self._logits(batch)
        loss = functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        averaged_into(self.averaged, self.network, min(recipe.average, (1 + self.step) / (10 + self.step)))
        return float(loss.detach()), float((logits.detach().argmax(dim=1) == 0).float().mean())

    def _logits(self, batch: _Batch) -> Tensor:
        """(q, k) of each query with its views."""
        q, k = batch.is_view.shape
        network = self.network
        with torch.autocast("cpu", torch.bfloat16, enabled=self._is_halved):
            with torch.no_grad():
                photos, views = network.maps(batch.photos), network.maps(batch.views)
            fine, coarse = network.thinned(photos)
            each = fine.repeat_interleave(k, 0), coarse.repeat_interleave(k, 0)
            logits = network.compared(each, network.thinned(views))
        counted: Tensor = logits.float().view(q, k).masked_fill(~batch.is_view, -1e4)
        return counted

    def _batch(self) -> _Batch:
        recipe, pairs, rooms = self.recipe, self._pairs, self._sightings
        rng = np.random.default_rng((recipe.seed, self.step))
        composer = Composer(self._backgrounds, recipe.seed * 1_000_003 + self.step)
        kind = "coarse" if rng.random() < recipe.coarse_share else "plain"
        n_seen = min(round(recipe.room_share * recipe.queries), len(self._seen))
        rows = np.sort(rng.choice(len(pairs.model), recipe.queries - n_seen, replace=False))
        chosen = np.sort(rng.choice(len(self._seen), n_seen, replace=False))
        seen = self._seen[chosen]
        photos = torch.cat(
            [
                composer.compose(torch.from_numpy(pairs.queries[rows]), torch.from_numpy(pairs.up[rows])),
                composer.sighted(torch.from_numpy(rooms.pictures[seen]), BOX_SHARE),
            ]
        )
        own = np.concatenate([pairs.model[rows], self._seen_model[chosen]]).astype(np.int64)
        right = np.concatenate([getattr(pairs, kind)[rows], getattr(rooms, kind)[seen]])
        among = recipe.among + round(
            (recipe.begin_among - recipe.among) * max(0.0, 1 - self.step / recipe.begun)
        )
        views, counts = self._candidates.drawn(photos, own, right, kind, recipe, among, rng)
        flat = torch.from_numpy(views.reshape(-1, 1, *views.shape[2:])).float() / 255
        return _Batch(
            photos.contiguous(memory_format=torch.channels_last),
            flat.contiguous(memory_format=torch.channels_last),
            torch.from_numpy(counts),
        )

    # ---- on disk --------------------------------------------------------------------------------

    def save(self) -> None:
        write_checkpoint(self.folder, self._kept, self.recipe, self.step, self.seconds)

    def resume(self) -> bool:
        """Take up the folder's checkpoint; False where there is none. Raises ValueError for another recipe."""
        found = read_checkpoint(self.folder, self._kept, self.recipe)
        self.step, self.seconds = found or (0, 0.0)
        return found is not None

    @property
    def _kept(self) -> dict[str, Stateful]:
        return {"network": self.network, "averaged": self.averaged, "optimizer": self.optimizer}

    def start_from(self, earlier: Verifier) -> None:
        """Go on from another training's averaged network, with the hardest wrong answers at once. What this one sees
        with eyes that the earlier one has not counts nothing at first."""
        before = earlier.state_dict()
        for network in (self.network, self.averaged):
            state = network.state_dict()
            for name, value in before.items():
                kept = state[name]
                if kept.shape != value.shape:  # of the first layers that see all eyes' maps side by side
                    kept.zero_()
                    kept = kept[:, : value.shape[1]]
                kept.copy_(value)


def main(argv: Sequence[str] | None = None) -> int:
    """0: trained to the end; 3: stopped after --minutes, run the same command again; 2: bad input."""
    options = _parser().parse_args(argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        training = _training(options)
    except (ShapelensError, ValueError, FileNotFoundError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    with progress_bar() as bar:
        task = bar.add_task("verifier", total=training.recipe.steps, completed=training.step)

        def tell(step: int, loss: float, found: float) -> None:
            bar.update(task, completed=step, description=f"loss {loss:.2f} found {found:.0%}")
            if not bar.console.is_terminal and step % _TOLD_EVERY == 0:
                bar.console.print(f"step {step} loss {loss:.3f} found {found:.3f}")

        is_done = training.run(options.minutes, tell)
    if not is_done:
        Console().print(f"stopped at step {training.step}; run the same command again to go on")
        return 3
    out = options.out / "verifier.safetensors"
    earlier = load_weights("verifier")[1]["steps"] if options.start_from else 0
    facts = facts_of(training.averaged) | {"steps": earlier + training.step, "seed": training.recipe.seed}
    save_weights(out, training.averaged.state_dict(), facts)
    Console().print(f"{training.step} steps in {training.seconds / 60:.0f} minutes: {out}")
    return 0


def _training(options: argparse.Namespace) -> VerifierTraining:
    """Raises ShapelensError, ValueError, FileNotFoundError."""
    options.out.mkdir(parents=True, exist_ok=True)
    tensors, facts, _ = load_weights("viewnet")
    networks = networks_of(tensors, facts)
    earlier = network_of(*load_weights("verifier")[:2]) if options.start_from else None
    eyes = [ViewNet(eye) for eye in earlier.shape.eyes] if earlier else list(networks.nets)
    if options.pretrained:
        eyes.append(ViewNet(LITE))
        take_pretrained(eyes[-1])
    defaults = VerifierRecipe()
    recipe = VerifierRecipe(
        steps=options.steps,
        limit_minutes=options.limit_minutes,
        rate=options.rate,
        coarse_share=options.coarse_share,
        seed=options.seed,
        begin_among=defaults.among if earlier else defaults.begin_among,
        shape=VerifierShape(tuple(eye.shape for eye in eyes)),
    )
    backgrounds = load_photos(options.backgrounds, options.trained / "backgrounds.npz", is_object=False)
    training = VerifierTraining(
        recipe,
        open_pairs(options.trained / "pairs"),
        open_sightings(options.trained / "rooms"),
        torch.from_numpy(backgrounds.pixels),
        networks,
        eyes,
        options.out,
    )
    if not training.resume() and earlier:
        training.start_from(earlier)  # its eyes, too
    return training


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m ml train verifier", description=__doc__)
    defaults = VerifierRecipe()
    parser.add_argument(
        "--trained",
        type=Path,
        required=True,
        help="--out of python -m ml train with --interiors: pairs, rooms",
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoint and weights")
    parser.add_argument("--backgrounds", type=Path, required=True, help="photos of anything, as in training")
    parser.add_argument("--start-from", action="store_true", help="go on from the weights that ship")
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument(
        "--limit-minutes", type=float, default=defaults.limit_minutes, help="of all runs together"
    )
    parser.add_argument("--minutes", type=float, default=110.0, help="of this run; the same command goes on")
    parser.add_argument("--rate", type=float, default=defaults.rate)
    parser.add_argument(
        "--coarse-share",
        type=float,
        default=defaults.coarse_share,
        help="of the steps compare with voxel twins' views",
    )
    parser.add_argument(
        "--pretrained",
        action="store_true",
        help="see, too, with what EfficientNet-Lite0 learned from photographs",
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    return parser


def _chosen(
    nearest: npt.NDArray[np.int64], recipe: VerifierRecipe, *, is_begun: bool, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Wrong models: half of the time any of the nearest, else of the very nearest alone."""
    if is_begun and rng.random() < 0.5:
        nearest = nearest[: 2 * recipe.wrong]
    return rng.permutation(nearest)[: recipe.wrong]


def _reduced(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(n, S, S) -> (n, _SMALL ** 2)"""
    parts = [
        functional.adaptive_avg_pool2d(
            torch.from_numpy(np.array(pictures[start : start + 1024])).float()[:, None], _SMALL
        )
        for start in range(0, len(pictures), 1024)
    ]
    return np.asarray(torch.cat(parts).flatten(1).numpy())
