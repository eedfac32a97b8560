"""The study itself: describe queries and views once, then ask every question of the same numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml import registry
from ml.errors import BadSource
from ml.evaluation.metrics import Interval, bootstrap
from ml.evaluation.queries import Query, relevant_ids
from ml.geometry.crops import crop_of_view, crop_photo
from ml.pipelines.galleries import OnboardedSources, onboard_sources
from ml.pipelines.photos import PhotoLimits, open_photo
from ml.pipelines.progress import Progress
from ml.protocols import Embedder
from ml.render.views import DEFAULT_GRID, load_views
from ml.study.features.layers import describe, layers_of
from ml.study.features.matching import (
    SIMILARITIES,
    Similarity,
    Task,
    best_of_models,
    first_category,
    passing,
    ranks,
    sampled_ranks,
    scores,
)
from ml.types import Box, Crop, FloatArray

__all__ = ["TAUS", "Curve", "FeatureOptions", "FeatureStudy", "Row", "study_features"]

TAUS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)  # 0: no filter
_BATCH = 32
_DRAWS = 20
_LIMITS = PhotoLimits(long_side=8192)  # boxes are in the file's own pixels
_VERSION = 1

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """azimuths: of a model's views, a divisor of the index's 36; elevations: how many of its 0, 15, 30 degrees;
    tau: of the curves over views and models."""

    azimuths: int = 12
    elevations: int = 3
    tau: float = 0.75
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One layer under one similarity and filter; shares of the queries with 95% bootstrap intervals. kept: mean
    share of the views that pass the filter."""

    embedder: str
    layer: str
    similarity: Similarity
    tau: float
    kept: float
    top1: Interval
    top10: Interval
    category1: Interval


@dataclass(frozen=True, slots=True)
class Curve:
    """The best layer of one embedder against a count: of views a model, or of models."""

    embedder: str
    layer: str
    similarity: Similarity
    over: str
    counts: tuple[int, ...]
    top1: tuple[Interval, ...]
    category1: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class FeatureStudy:
    queries: int
    models: int
    views: int
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    fingerprints: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One photo with its box."""

    photo: Path
    box: Box | None


def study_features(
    galleries: Sequence[Path],
    queries: Sequence[Query],
    embedders: Sequence[str],
    cache: Path,
    options: FeatureOptions,
    tell: Progress,
) -> FeatureStudy:
    """Each photo of a query is one by itself, its box given (the whole photo where the query says "full").

    What was rendered and described is kept in `cache`. Raises BadSource for a query without a box, and what
    opening galleries, photos and embedders raises.
    """
    asked = [_Asked(*one) for query in queries for one in _boxed(query)]
    owner = np.repeat(np.arange(len(queries)), [len(query.photos) for query in queries])
    onboarded = onboard_sources(galleries, cache, workers=options.workers, progress=tell)
    grid = _grid_rows(options.azimuths, options.elevations)
    task = _task(asked, owner, queries, onboarded, grid)
    rows: list[Row] = []
    curves: list[Curve] = []
    fingerprints = {}
    for spec in embedders:
        embedder = registry.embedder(spec)
        fingerprints[spec] = embedder.info.fingerprint
        layers = layers_of(spec)
        of_photos = _described(embedder, layers, "photos", asked, cache, tell, options)
        of_views = _described(embedder, layers, "views", (onboarded, grid), cache, tell, options)
        for layer, similarity in product(layers, SIMILARITIES):
            tell(f"{spec}: matching {layer}, {similarity}", 0, 1)
            scored = scores(of_photos[layer], of_views[layer], similarity)
            rows += [_row(spec, layer, similarity, tau, scored, task) for tau in TAUS]
        at_tau = [row for row in rows if row.embedder == spec and row.tau == options.tau]
        best = max(at_tau, key=lambda row: row.top10.mean)
        scored = scores(of_photos[best.layer], of_views[best.layer], best.similarity)
        curves += _curves(best, scored, task, options, len(onboarded.items))
    return FeatureStudy(len(asked), len(onboarded.items), len(grid), tuple(rows), tuple(curves), fingerprints)


# ---- what is asked ----------------------------------------------------------------------------


def _boxed(query: Query) -> Iterator[tuple[Path, Box | None]]:
    for photo, box in zip(query.photos, query.boxes, strict=True):
        if box is None:
            raise BadSource(f"{photo} has no box: the study compares layers, it does not detect; give boxes")
        yield photo, None if isinstance(box, str) else box


def _grid_rows(azimuths: int, elevations: int) -> npt.NDArray[np.int64]:
    """Places in the index's grid. Raises ValueError where they are not a part of it."""
    if DEFAULT_GRID.azimuths % azimuths or not 1 <= elevations <= len(DEFAULT_GRID.elevations_deg):
        raise ValueError(
            f"{azimuths} azimuths x {elevations} elevations are no part of the index's "
            f"{DEFAULT_GRID.azimuths} x {len(DEFAULT_GRID.elevations_deg)}; take a divisor of the first"
        )
    step = DEFAULT_GRID.azimuths // azimuths
    first = np.arange(0, DEFAULT_GRID.azimuths, step)
    return np.concatenate([first + DEFAULT_GRID.azimuths * level for level in range(elevations)])


def _task(
    asked: Sequence[_Asked],
    owner: npt.NDArray[np.int64],
    queries: Sequence[Query],
    onboarded: OnboardedSources,
    grid: npt.NDArray[np.int64],
) -> Task:
    items = onboarded.items
    right = np.zeros((len(asked), len(items)), np.bool_)
    for row, query in enumerate(owner):
        right[row, list(relevant_ids(queries[query], items))] = True
    categories = np.array([item.category.casefold() for item in items])
    wanted = np.array([queries[query].category.casefold() for query in owner])
    aspects = []
    for one in asked:
        photo = open_photo(one.photo, limits=_LIMITS)
        aspects.append((one.box or photo.full_box).aspect)
    views = np.concatenate([_aspects(folder)[grid] for folder in onboarded.directories])
    return Task(
        np.array(aspects),
        views,
        np.repeat(np.arange(len(items)), len(grid)),
        right,
        (wanted[:, None] == categories[None]) & (wanted[:, None] != ""),
    )


def _aspects(folder: Path) -> npt.NDArray[np.float64]:
    with np.load(folder / "views.npz", allow_pickle=False) as table:
        return np.asarray(table["aspects"], np.float64)


# ---- descriptions, kept -----------------------------------------------------------------------


def _described(
    embedder: Embedder,
    layers: Mapping[str, str],
    kind: str,
    source: Sequence[_Asked] | tuple[OnboardedSources, npt.NDArray[np.int64]],
    cache: Path,
    tell: Progress,
    options: FeatureOptions,
) -> dict[str, Vectors]:
    folder = cache / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(source, tuple):
        onboarded, grid = source
        parts = [str(directory.name) for directory in onboarded.directories]
        recipe = [*parts, str(options.azimuths), str(options.elevations)]
        crops = _view_crops(onboarded, grid, embedder.info.input_size, embedder.info.name, tell)
    else:
        recipe = [f"{one.photo.resolve()} {one.photo.stat().st_mtime_ns} {one.box}" for one in source]
        crops = _photo_crops(source, embedder.info.input_size)
    recipe += [str(_VERSION), embedder.info.fingerprint, repr(sorted(layers.items()))]
    path = folder / f"{kind}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:24]}.npz"
    if not path.exists():
        made = describe(embedder, layers, _batches(crops))
        beside = path.with_suffix(".new.npz")
        np.savez(beside, **{f"layer {place}": made[name] for place, name in enumerate(layers)})  # type: ignore[arg-type]
        beside.replace(path)
    with np.load(path, allow_pickle=False) as table:
        return {name: table[f"layer {place}"] for place, name in enumerate(layers)}


def _batches(crops: Iterator[Crop]) -> Iterator[list[Crop]]:
    while batch := list(islice(crops, _BATCH)):
        yield batch


def _photo_crops(asked: Sequence[_Asked], size: int) -> Iterator[Crop]:
    for one in asked:
        photo = open_photo(one.photo, limits=_LIMITS)
        yield crop_photo(photo, one.box or photo.full_box, size)


def _view_crops(
    onboarded: OnboardedSources, grid: npt.NDArray[np.int64], size: int, name: str, tell: Progress
) -> Iterator[Crop]:
    for done, folder in enumerate(onboarded.directories):
        views = load_views(folder)
        for k in grid:
            yield crop_of_view(views, int(k), size)
        tell(f"{name}: views", done + 1, len(onboarded.directories))


# ---- answers ----------------------------------------------------------------------------------


def _row(spec: str, layer: str, similarity: Similarity, tau: float, scored: FloatArray, task: Task) -> Row:
    passes = passing(task, tau)
    best = best_of_models(scored, passes, task)
    place = ranks(best, task.right)
    return Row(
        spec,
        layer,
        similarity,
        tau,
        float(passes.mean()),
        bootstrap(np.asarray(place <= 1, np.float64)),
        bootstrap(np.asarray(place <= 10, np.float64)),
        bootstrap(first_category(best, task.same_category)),
    )


def _curves(
    best: Row, scored: FloatArray, task: Task, options: FeatureOptions, models: int
) -> Iterator[Curve]:
    """Against views a model (fewer azimuths, then fewer elevations) and against models."""
    counts, exact, category = [], [], []
    per_model = options.azimuths * options.elevations
    for azimuths, elevations in _smaller_grids(options):
        step = options.azimuths // azimuths
        kept = [
            level * options.azimuths + k
            for level in range(elevations)
            for k in range(0, options.azimuths, step)
        ]
        chosen = (np.arange(models)[:, None] * per_model + np.array(kept)).reshape(-1)
        fewer = task.of_views(chosen)
        found = best_of_models(scored[:, chosen], passing(fewer, best.tau), fewer)
        counts.append(len(kept))
        exact.append(bootstrap(np.asarray(ranks(found, task.right) <= 1, np.float64)))
        category.append(bootstrap(first_category(found, task.same_category)))
    about = (best.embedder, best.layer, best.similarity)
    yield Curve(*about, "views a model", tuple(counts), tuple(exact), tuple(category))
    found = best_of_models(scored, passing(task, best.tau), task)
    sizes = sorted({max(2, round(models * share)) for share in (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)})
    drawn = [sampled_ranks(found, task.right, task.same_category, size, _DRAWS) for size in sizes]
    exact = [bootstrap(first) for first, _ in drawn]
    category = [bootstrap(first) for _, first in drawn]
    yield Curve(*about, "models", tuple(sizes), tuple(exact), tuple(category))


def _smaller_grids(options: FeatureOptions) -> list[tuple[int, int]]:
    """(azimuths, elevations), the fewest views first."""
    divisors = [n for n in range(1, options.azimuths + 1) if options.azimuths % n == 0]
    grids = [(azimuths, 1) for azimuths in divisors]
    grids += [(options.azimuths, level) for level in range(2, options.elevations + 1)]
    return grids
