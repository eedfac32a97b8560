"""Products never trained on beside those that were: how much of the quality is memory?

Composites (a model under random light on a photo) are searched among plain views of all models, trained on or
not. What was trained on has been seen from just these viewpoints, so its figure is an upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ml import registry
from ml.pipelines.progress import Progress
from ml.search.ranking import best_views, fuse_photos
from ml.search.turning import PhotoViews, turned_best
from ml.train.describing import composite_vectors, plain_vectors
from ml.train.models import library_specs
from ml.train.pairs import open_pairs, render_pairs
from ml.train.photos import load_photos

__all__ = ["Row", "compare_unseen"]

COMPOSITES = 8  # a model
PHOTOS = (1, 2, 4)  # of one object searched together; COMPOSITES is a multiple of each
MODELS = 100  # at most, of those trained on
_SEED = 77  # of another stream than the training's

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """Shares of `queries` composites whose own model is the first, or among the first ten, of `gallery`.

    several: share first by number of composites of one model that are searched together (thesis eq. 3.9)
    turned: the same where the angles between them are known (thesis 6.2.4)
    """

    embedder: str
    products: str
    models: int
    queries: int
    gallery: int
    top1: float
    top10: float
    several: dict[int, float]
    turned: dict[int, float]


def compare_unseen(
    trained: Path, library: Path, backgrounds: Path, embedders: Sequence[str], tell: Progress
) -> list[Row]:
    """trained: folder of a training, whose pairs are taken; library: the one it left out, rendered here.

    Raises FileNotFoundError where the training's pairs are missing, BadSource for the library.
    """
    seen = open_pairs(trained / "pairs")
    folder = trained / "unseen"
    if not (folder / "pairs.json").exists():
        specs, _ = library_specs([library], trained / "sources", held_out_library="")
        render_pairs(specs, folder, seed=_SEED, progress=tell)
    unseen = open_pairs(folder)
    photos = load_photos(backgrounds, trained / "backgrounds.npz", is_object=False)
    rows = []
    for name in embedders:
        embedder = registry.embedder(name)
        gallery = np.concatenate([plain_vectors(embedder, pairs) for pairs in (unseen, seen)])
        models = np.concatenate([unseen.model, seen.model + len(unseen.names)])
        azimuths = np.concatenate([unseen.azimuth, seen.azimuth])
        for label, pairs, first in (("never seen", unseen, 0), ("trained on", seen, len(unseen.names))):
            rng = np.random.default_rng(_SEED)
            chosen = rng.permutation(len(pairs.names))[:MODELS]
            at = np.concatenate(
                [
                    rng.choice(np.flatnonzero(pairs.model == model), COMPOSITES, replace=False)
                    for model in chosen
                ]
            )
            behind = torch.from_numpy(photos.pixels)
            queries = composite_vectors(embedder, pairs, at, behind, seed=_SEED)
            right = pairs.model[at] + first
            best = _best(queries, gallery, models)
            turns = pairs.azimuth[at]
            ranks = _ranks(best, right)
            rows.append(
                Row(
                    name,
                    label,
                    len(chosen),
                    len(at),
                    int(models.max()) + 1,
                    float((ranks == 1).mean()),
                    float((ranks <= 10).mean()),
                    {count: _together(best, right, count) for count in PHOTOS},
                    {
                        count: _turned(queries, turns, right, count, (gallery, models, azimuths))
                        for count in PHOTOS[1:]
                    },
                )
            )
            tell(f"{name}: {label}", 1, 1)
    return rows


def _best(queries: Vectors, gallery: Vectors, models: npt.NDArray[np.int32]) -> Vectors:
    """(queries, models) cosine of each model's best view."""
    best = np.full((len(queries), int(models.max()) + 1), -2.0, np.float32)
    for row, query in zip(best, queries, strict=True):
        np.maximum.at(row, models, gallery @ query)
    return best


def _ranks(best: Vectors, right: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Place of the right model among all."""
    own = best[np.arange(len(right)), right]
    ranks: npt.NDArray[np.int64] = 1 + (best > own[:, None]).sum(axis=1)
    return ranks


def _together(best: Vectors, right: npt.NDArray[np.int32], count: int) -> float:
    """Share first where `count` composites in turn, all of one model, are searched as one."""
    summed = best.reshape(-1, count, best.shape[1]).sum(axis=1)
    return float((_ranks(summed, right[::count]) == 1).mean())


def _turned(
    queries: Vectors,
    turns: Vectors,
    right: npt.NDArray[np.int32],
    count: int,
    gallery: tuple[Vectors, npt.NDArray[np.int32], Vectors],
) -> float:
    """`_together`, with the angles between the composites (n,) known. gallery: vectors, models and azimuths."""
    vectors, models, azimuths = gallery
    products, rows = models.astype(np.int64), np.arange(len(models))
    first = 0
    for at in range(0, len(queries), count):
        photos = [
            PhotoViews(cosines, products, rows, azimuths, float(turns[one] - turns[at]), best)
            for one in range(at, at + count)
            for cosines in [vectors @ queries[one]]
            for best in [best_views(cosines, products, rows, int(models.max()) + 1)]
        ]
        first += int(fuse_photos(turned_best(photos), 1).products[0] == right[at])
    return first / (len(queries) // count)
