"""phi for the catalog at hand: its models on photos, described, and fitted to their renders (thesis 4.2)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ml import registry
from ml.adapt.fitting import fit_linear
from ml.adapt.linear import LinearAdapter, save_adapter
from ml.errors import NoViews
from ml.pipelines.progress import Progress, silent
from ml.search.backgrounds import draw_scene
from ml.train.describing import composite_vectors, plain_vectors
from ml.train.pairs import ModelSpec, PairSet, open_pairs, render_pairs
from ml.train.photos import load_photos, whole_crop
from ml.types import FloatArray, ModelFile

__all__ = ["LEAST_MODELS", "AdaptReport", "Measured", "adapt_models"]

LEAST_MODELS = 20  # below it there are too few to fit to, to choose by and to measure on
MOST_MODELS = 400
_LIGHTS = 3  # composites a pair, each under a light and on a background of its own
_DRAWN = 400  # backgrounds, where no photos are given

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measured:
    """Of composites of models that phi never saw, searched among the plain views of all those models.

    top1: share whose own model is first; cosine: mean with its own render
    """

    top1: float
    cosine: float


@dataclass(frozen=True, slots=True)
class AdaptReport:
    """before, after: without phi and with it, on `queries` composites of `models` models."""

    adapter: LinearAdapter
    before: Measured
    after: Measured
    models: int
    queries: int

    @property
    def is_better(self) -> bool:
        return self.after.top1 > self.before.top1

    def __str__(self) -> str:
        return (
            f"{self.queries} composites of {self.models} models it was not fitted to, right model first: "
            f"{self.before.top1:.1%} without, {self.after.top1:.1%} with it; cosine with the own render "
            f"{self.before.cosine:.3f}, {self.after.cosine:.3f}"
        )


def adapt_models(
    directories: Sequence[Path],
    out: Path,
    *,
    embedder_name: str = registry.DEFAULT_EMBEDDER,
    is_rectified: bool | None = None,
    backgrounds: Path | None = None,
    most: int = MOST_MODELS,
    seed: int = 1,
    progress: Progress | None = None,
) -> AdaptReport:
    """Fit phi on composites of onboarded models and write it to the file `out`.

    Of every ten models eight are fitted to, one chooses when to stop, one is measured on. is_rectified: None takes
    the ReLU where the embedder's descriptors have nothing below 0. backgrounds: folder of photos; None draws them.
    most: models taken, at random, where there are more; 24 views of each, about 0.6 MB of disk a model meanwhile.
    Raises NoViews under LEAST_MODELS models, BadSource for a folder without photos, ValueError for descriptors of
    too many dimensions.
    """
    tell = progress or silent
    if len(directories) < LEAST_MODELS:
        raise NoViews(f"{len(directories)} models; an adaptation needs at least {LEAST_MODELS}: import more")
    rng = np.random.default_rng(seed)
    chosen = [directories[at] for at in rng.permutation(len(directories))[:most]]
    specs = [
        ModelSpec(path.name, file=ModelFile(path.name, path / "model.glb", path.name)) for path in chosen
    ]
    embedder = registry.embedder(embedder_name)
    with tempfile.TemporaryDirectory(prefix="shapelens-adapt-") as folder:
        render_pairs(specs, Path(folder), seed=seed, progress=tell)
        pairs = open_pairs(Path(folder))
        tell("describing", 0, 2)
        renders = plain_vectors(embedder, pairs)
        tell("describing", 1, 2)
        at = np.tile(np.arange(len(pairs.model)), _LIGHTS)
        behind = _backgrounds(backgrounds, Path(folder), rng)
        photos = composite_vectors(embedder, pairs, at, behind, seed=seed)
        tell("describing", 2, 2)
        fitted, stopping, measured = _parts(pairs, at)
    rectified = bool((renders >= 0).all()) if is_rectified is None else is_rectified
    tell("fitting", 0, 1)
    matrix, bias = fit_linear(
        photos[fitted],
        renders[at[fitted]],
        is_rectified=rectified,
        held_out=(photos[stopping], renders[at[stopping]]),
        seed=seed,
    )
    fingerprint = embedder.info.fingerprint
    adapter = save_adapter(out, matrix, bias, is_rectified=rectified, embedder=fingerprint)
    tell("fitting", 1, 1)
    queries, right = photos[measured], at[measured]
    among = np.unique(right)
    return AdaptReport(
        adapter,
        _measure(queries, right, among, renders, pairs),
        _measure(adapter.adapt(queries), right, among, renders, pairs),
        len(np.unique(pairs.model[among])),
        len(queries),
    )


def _parts(pairs: PairSet, at: Rows) -> tuple[Rows, Rows, Rows]:
    """Rows of `at` to fit to, to stop by and to measure on; a model's are all in one of them."""
    turn = pairs.model[at] % 10
    return np.flatnonzero(turn < 8), np.flatnonzero(turn == 8), np.flatnonzero(turn == 9)


def _measure(queries: FloatArray, right: Rows, among: Rows, renders: Vectors, pairs: PairSet) -> Measured:
    cosines = queries @ renders[among].T
    found = pairs.model[among][cosines.argmax(1)]
    own = np.einsum("nd,nd->n", queries, renders[right])
    return Measured(float((found == pairs.model[right]).mean()), float(own.mean()))


def _backgrounds(folder: Path | None, cache: Path, rng: np.random.Generator) -> torch.Tensor:
    """(b, PHOTO_SIDE, PHOTO_SIDE) uint8 gray."""
    if folder is not None:
        return torch.from_numpy(load_photos(folder, cache / "backgrounds.npz", is_object=False).pixels)
    drawn = [whole_crop(draw_scene(rng).mean(axis=2).astype(np.uint8)) for _ in range(_DRAWN)]
    return torch.from_numpy(np.stack(drawn))
