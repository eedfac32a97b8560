"""Do predicted viewpoints help the search (thesis section 6.2.4)? Held-out products on photos, searched among plain
views of all of them, the views' scores raised by how likely their azimuth is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ml import registry
from ml.evaluation.metrics import Interval, bootstrap
from ml.geometry.crops import crop_of_view
from ml.pipelines.progress import Progress
from ml.render.views import ViewGrid, render_views
from ml.study.features.matching import Task, best_of_models, passing, ranks
from ml.study.viewpoint.heads import load_head, predict, trunk_features
from ml.study.viewpoint.montages import load_canvases, make_montages, windows_of
from ml.study.viewpoint.study import HELD_OUT, Options, head_path
from ml.study.viewpoint.symmetry import CONTINUOUS, smallest_error
from ml.study.viewpoint.views import GROUPS, open_views, specs_of
from ml.train.pairs import ModelSpec, mesh_of
from ml.types import Box, Crop, FloatArray

__all__ = ["WEIGHTS", "Reweighted", "likelihood_at", "reweight"]

WEIGHTS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # of the log-likelihood, beside a cosine
TAU = 0.75
_GRID = ViewGrid(36, (15.0,))
_LEAST = 1e-3  # probability below which one azimuth is as unlikely as the next
_CLOSE = math.radians(30)
_SEED = 500


@dataclass(frozen=True, slots=True)
class Reweighted:
    """One group of products under one weight; the azimuth is that of the best view of the right product, of
    those that are not round."""

    group: str
    weight: float
    queries: int
    top1: Interval
    median_deg: float
    within_30: Interval


def reweight(
    libraries: Sequence[Path], backgrounds: Path, folder: Path, head: str, options: Options, tell: Progress
) -> list[Reweighted]:
    """folder: of a finished `study_viewpoint` with the same options, whose head is taken."""
    views = open_views(folder / "views")
    specs = specs_of(libraries, folder / "sources", options.a_family, every=options.every)
    gallery = [spec for group, spec in specs if group in HELD_OUT]
    vectors, aspects = _plain(gallery, folder, tell)
    held_out = np.flatnonzero(views.group != GROUPS.index("trained"))  # in the gallery's order
    model = np.repeat(np.arange(len(gallery)), len(_GRID))
    of_view = np.tile([view.azimuth for view in _GRID.views], len(gallery))
    trained = load_head(torch.load(head_path(folder, head), weights_only=True))
    canvases = load_canvases(backgrounds, is_test=True)
    results = []
    for place, group in enumerate(HELD_OUT):
        montages = make_montages(views, views.rows(group), canvases, _SEED + place)
        windows = windows_of(montages, near=1, far=0, seed=_SEED + place)
        found = predict(
            head, trained, trunk_features(windows.crops, _counting(tell, group, len(windows.crops)))
        )
        assert found.probabilities is not None
        task = _task(np.searchsorted(held_out, views.model[windows.row]), model, aspects, windows.boxes)
        likely = np.log(np.maximum(likelihood_at(found.probabilities, of_view), _LEAST))
        cosines = _embedded(windows.crops) @ vectors.T
        turns = views.turns[views.model[windows.row]]
        for weight in WEIGHTS:
            scored = np.asarray(cosines + weight * likely, np.float32)
            best = best_of_models(scored, passing(task, TAU), task)
            of_right = np.where(task.right[:, model] & passing(task, TAU), scored, -np.inf)
            errors = smallest_error(of_view[of_right.argmax(1)], views.azimuth[windows.row], turns)
            errors = errors[(turns != CONTINUOUS) & np.isfinite(of_right.max(1))]
            results.append(
                Reweighted(
                    group,
                    weight,
                    len(scored),
                    bootstrap(np.asarray(ranks(best, task.right) <= 1, np.float64)),
                    float(np.degrees(np.median(errors))),
                    bootstrap(np.asarray(errors < _CLOSE, np.float64)),
                )
            )
    return results


def likelihood_at(probabilities: FloatArray, azimuths: FloatArray) -> npt.NDArray[np.float64]:
    """(n, bins), (v,) radians -> (n, v), between the two nearest bins' middles in proportion."""
    bins = probabilities.shape[1]
    at = np.asarray(azimuths) * (bins / (2 * math.pi))
    low = np.floor(at).astype(np.int64)
    share = at - low
    between: npt.NDArray[np.float64] = (1 - share) * probabilities[:, low % bins] + share * probabilities[
        :, (low + 1) % bins
    ]
    return between


def _counting(tell: Progress, stage: str, total: int) -> Callable[[int], None]:
    return lambda done: tell(stage, done, total)


def _task(
    of_query: npt.NDArray[np.int64],
    model: npt.NDArray[np.int64],
    aspects: npt.NDArray[np.float64],
    boxes: Sequence[Box],
) -> Task:
    right = of_query[:, None] == np.arange(model.max() + 1)[None]
    return Task(np.array([box.aspect for box in boxes]), aspects, model, right, right)


def _plain(
    specs: Sequence[ModelSpec], folder: Path, tell: Progress
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Vectors and aspects of all plain views, model by model; kept in a file that names
    the network."""
    embedder = registry.embedder("viewnet")
    path = folder / f"plain-{embedder.info.fingerprint}.npz"
    if not path.exists():
        vectors, aspects = [], []
        for done, spec in enumerate(specs):
            tell("plain views", done, len(specs))
            views = render_views(mesh_of(spec), _GRID, embedder.info.input_size)
            crops = [crop_of_view(views, k, embedder.info.input_size) for k in range(len(_GRID))]
            vectors.append(embedder.embed(crops).vectors)
            aspects.append(views.aspects)
        np.savez(path, vectors=np.concatenate(vectors), aspects=np.concatenate(aspects))
    with np.load(path) as table:
        return table["vectors"], table["aspects"].astype(np.float64)


def _embedded(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    embedder = registry.embedder("viewnet")
    side = embedder.info.input_size
    rows = []
    for picture in crops:
        plane = cv2.resize(picture, (side, side)).astype(np.float32) / 255
        rows.append(Crop(np.stack([plane] * 3), np.eye(3), 1.0))
    return np.asarray(embedder.embed(rows).vectors, np.float32)
