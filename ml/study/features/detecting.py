"""What more views and more models bring to detection (thesis Table 4.3), on photos that were never taken.

Models of a gallery stand under random light, from random viewpoints, on real photos. The finder proposes boxes and
every box is scored by the exemplars themselves: a category by the best calibrated view of its models, the object's
own model left out (as the thesis' exemplars are other chairs than the photo's); a product by its own best view.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml import registry
from ml.errors import BadSource
from ml.evaluation.metrics import Interval, bootstrap
from ml.geometry.boxes import iou
from ml.geometry.crops import crop_photo
from ml.mesh.storage import load_mesh
from ml.pipelines.galleries import VIEW_IDS_A_MODEL, BuiltGallery, IndexOptions, build_gallery
from ml.pipelines.progress import Progress
from ml.render.raycast import RayScene
from ml.render.views import DEFAULT_GRID
from ml.search.generation import Generation, open_generation
from ml.study.viewpoint.measures import FOUND, Found, Truth, average_viewpoint_precision
from ml.study.viewpoint.montages import Montage, load_canvases, make_montages
from ml.study.viewpoint.views import ViewTable
from ml.train.pairs import PIXEL_BYTES, SIDE, query_buffer
from ml.types import Box, Photo, View

__all__ = ["DetectionOptions", "DetectionRow", "DetectionStudy", "study_detection"]

VIEWS = ((1, 1), (4, 1), (12, 1), (36, 1), (36, 3))  # azimuths x elevations of the index's grid
MODELS = (1, 2, 4, 8, 16)  # of each category; then all of them
LEAST = 4  # models a category must have to be asked for
_DRAWS = 5  # of the models, where not all are taken
_LOW, _HIGH = math.radians(0), math.radians(30)  # elevations of the objects
_BATCH = 64

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """objects: pasted, at most two a picture; tau: of the aspect filter; seed: of objects, places and light."""

    objects: int = 400
    tau: float = 0.75
    seed: int = 23
    workers: int = 2


@dataclass(frozen=True, slots=True)
class DetectionRow:
    """over            "views a model" or "models a category"; count: how many, 0 for all
    category_ap     mean over the categories of the average precision at IoU 0.5, own models left out
    category_hits   objects whose best overlapping box has a model of their category first, likewise
    product_ap      average precision of the box's first product, all products together, own models in
    product_hits    objects whose best overlapping box has their own model first
    """

    over: str
    count: int
    category_ap: float
    category_hits: Interval
    product_ap: float
    product_hits: Interval


@dataclass(frozen=True, slots=True)
class DetectionStudy:
    """found: share of the objects that some proposed box overlaps by IoU 0.5, the ceiling of the hits."""

    embedder: str
    objects: int
    pictures: int
    proposals: int
    models: int
    categories: tuple[str, ...]
    found: Interval
    rows: tuple[DetectionRow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Proposals:
    """picture (p,) int64; boxes p; vectors (p, d) float32."""

    picture: npt.NDArray[np.int64]
    boxes: tuple[Box, ...]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Truths:
    """Of o objects: picture (o,), box, model (o,), category (o,) place in the categories asked for."""

    picture: npt.NDArray[np.int64]
    boxes: tuple[Box, ...]
    model: npt.NDArray[np.int64]
    category: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """of_category (m,) each model's place in the categories asked for, -1 for others; best (o,) the proposal that
    overlaps each object most, -1 where none does by FOUND."""

    truths: _Truths
    proposals: _Proposals
    of_category: npt.NDArray[np.int64]
    best: npt.NDArray[np.int64]


def study_detection(
    galleries: Sequence[Path],
    backgrounds: Path,
    embedder: str,
    cache: Path,
    options: DetectionOptions,
    tell: Progress,
    *,
    exclude_categories: Sequence[str] = (),
) -> DetectionStudy:
    """Raises BadSource where no category has LEAST models or no background can be read."""
    built = build_gallery(
        galleries,
        cache,
        exclude_categories=exclude_categories,
        options=IndexOptions(embedder=embedder, workers=options.workers),
        progress=tell,
    )
    names = np.array([item.category.casefold() for item in built.items])
    asked = [
        str(name) for name, count in zip(*np.unique(names, return_counts=True), strict=True) if count >= LEAST
    ]
    asked = [name for name in asked if name]
    if not asked:
        raise BadSource(f"no category has {LEAST} models; give a gallery whose models have categories")
    of_category = np.array([asked.index(name) if name in asked else -1 for name in names])
    views, model = _objects(built, of_category, options, tell)
    canvases = load_canvases(backgrounds, is_test=True)
    montages = make_montages(views, np.arange(len(model)), canvases, options.seed)
    truths = _truths(montages, model, of_category)
    proposals = _proposals(montages, embedder, tell)
    task = _Task(truths, proposals, of_category, _overlapping(truths, proposals))
    by_views = _by_views(open_generation(built.generation), proposals, len(built.items), options.tau, tell)
    return DetectionStudy(
        embedder=embedder,
        objects=len(truths.boxes),
        pictures=len(montages),
        proposals=len(proposals.boxes),
        models=len(built.items),
        categories=tuple(asked),
        found=bootstrap(np.asarray(task.best >= 0, np.float64)),
        rows=tuple(_rows(task, by_views, options.seed)),
    )


# ---- pictures and boxes -----------------------------------------------------------------------


def _objects(
    built: BuiltGallery, of_category: npt.NDArray[np.int64], options: DetectionOptions, tell: Progress
) -> tuple[ViewTable, npt.NDArray[np.int64]]:
    """Rendered objects, as many of every category as can be, and the model of each."""
    rng = np.random.default_rng(options.seed)
    model = _drawn(of_category, options.objects, rng)
    buffers = np.empty((len(model), SIDE, SIDE, PIXEL_BYTES), np.uint8)
    up, aspect = np.empty((len(model), 3), np.float32), np.empty(len(model))
    azimuth, elevation = rng.uniform(0, 2 * math.pi, len(model)), rng.uniform(_LOW, _HIGH, len(model))
    for place, at in enumerate(model):
        tell("objects", place, len(model))
        scene = RayScene(load_mesh(built.directories[at] / "mesh.npz"))
        view = View(float(azimuth[place]), float(elevation[place]))
        buffers[place], up[place], aspect[place] = query_buffer(scene, scene.points, view, rng)
    none = np.zeros(len(model), np.int32)
    table = ViewTable(buffers, model.astype(np.int32), azimuth, elevation, up, aspect, none, none, ())
    return table, model


def _drawn(of_category: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Models, the categories in turn; a category's models come again only when all have come."""
    waiting: list[list[int]] = [[] for _ in range(int(of_category.max()) + 1)]
    model = np.empty(count, np.int64)
    for place in range(count):
        category = place % len(waiting)
        if not waiting[category]:
            waiting[category] = [int(at) for at in rng.permutation(np.flatnonzero(of_category == category))]
        model[place] = waiting[category].pop()
    return model


def _truths(
    montages: Sequence[Montage], model: npt.NDArray[np.int64], of_category: npt.NDArray[np.int64]
) -> _Truths:
    rows = np.array([row for montage in montages for row in montage.rows])
    return _Truths(
        np.repeat(np.arange(len(montages)), [len(montage.rows) for montage in montages]),
        tuple(box for montage in montages for box in montage.boxes),
        model[rows],
        of_category[model[rows]],
    )


def _proposals(montages: Sequence[Montage], embedder: str, tell: Progress) -> _Proposals:
    finder, network = registry.detector(registry.DEFAULT_DETECTOR), registry.embedder(embedder)
    picture, boxes, vectors = [], [], []
    for place, montage in enumerate(montages):
        tell("looking", place, len(montages))
        photo = Photo(np.repeat(montage.pixels[..., None], 3, axis=2))
        found = [detection.box for detection in finder.detect(photo)]
        if not found:
            continue
        crops = [crop_photo(photo, box, network.info.input_size) for box in found]
        vectors.append(network.embed(crops).vectors)
        boxes += found
        picture += [place] * len(found)
    if not boxes:
        raise BadSource("the finder proposed no box in any picture; are the backgrounds photos?")
    return _Proposals(np.array(picture), tuple(boxes), np.concatenate(vectors).astype(np.float32))


def _overlapping(truths: _Truths, proposals: _Proposals) -> npt.NDArray[np.int64]:
    best = np.full(len(truths.boxes), -1)
    for place, (picture, box) in enumerate(zip(truths.picture, truths.boxes, strict=True)):
        near = np.flatnonzero(proposals.picture == picture)
        overlaps = np.array([iou(proposals.boxes[at], box) for at in near])
        if len(near) and overlaps.max() >= FOUND:
            best[place] = near[overlaps.argmax()]
    return best


# ---- scores -----------------------------------------------------------------------------------


def _by_views(
    views: Generation, proposals: _Proposals, models: int, tau: float, tell: Progress
) -> dict[int, Scores]:
    """For each number of views: (p, models) each model's best calibrated view whose aspect fits (eq. 3.4);
    -inf where none does."""
    k = np.asarray(views.view_ids) % VIEW_IDS_A_MODEL
    azimuth, level = k % DEFAULT_GRID.azimuths, k // DEFAULT_GRID.azimuths
    model = np.asarray(views.model_ids)
    c, d = np.asarray(views.calibration).T
    aspects = np.array([box.aspect for box in proposals.boxes])
    result = {
        azimuths * levels: np.full((len(aspects), models), -np.inf, np.float32) for azimuths, levels in VIEWS
    }
    vectors = np.asarray(views.vectors, np.float32)
    for start in range(0, len(aspects), _BATCH):
        tell("matching", start, len(aspects))
        part = slice(start, start + _BATCH)
        scored = (proposals.vectors[part] @ vectors.T) * c + d
        ratio = aspects[part, None] / np.asarray(views.aspects)[None]
        scored[~((ratio > tau) & (ratio < 1 / tau))] = -np.inf
        for azimuths, levels in VIEWS:
            kept = np.flatnonzero((azimuth % (DEFAULT_GRID.azimuths // azimuths) == 0) & (level < levels))
            kept = kept[np.argsort(model[kept], kind="stable")]
            there, starts = np.unique(model[kept], return_index=True)
            result[azimuths * levels][part, there] = np.maximum.reduceat(scored[:, kept], starts, axis=1)
    return result


def _rows(task: _Task, by_views: dict[int, Scores], seed: int) -> Iterator[DetectionRow]:
    everything = np.ones(len(task.of_category), np.bool_)
    for count, scored in by_views.items():
        yield _row("views a model", count, task, scored, [everything])
    scored = by_views[max(by_views)]
    rng = np.random.default_rng(seed)
    most = int(np.bincount(task.of_category[task.of_category >= 0]).max())
    for count in (count for count in MODELS if count < most):
        draws = [_some(task.of_category, count, rng) for _ in range(_DRAWS)]
        yield _row("models a category", count, task, scored, draws)
    yield _row("models a category", 0, task, scored, [everything])


def _some(of_category: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """At most `count` models of every category asked for, and none of the others."""
    kept = np.zeros(len(of_category), np.bool_)
    for category in range(int(of_category.max()) + 1):
        kept[rng.permutation(np.flatnonzero(of_category == category))[:count]] = True
    return kept


def _row(
    over: str, count: int, task: _Task, scored: Scores, draws: Sequence[npt.NDArray[np.bool_]]
) -> DetectionRow:
    """The mean over draws of models."""
    measured = [_measured(task, scored, kept) for kept in draws]
    category_ap, product_ap = (float(np.mean([one[place] for one in measured])) for place in (0, 2))
    category_hits, product_hits = (
        bootstrap(np.mean([np.asarray(one[place]) for one in measured], axis=0)) for place in (1, 3)
    )
    return DetectionRow(over, count, category_ap, category_hits, product_ap, product_hits)


def _measured(
    task: _Task, scored: Scores, kept: npt.NDArray[np.bool_]
) -> tuple[float, npt.NDArray[np.float64], float, npt.NDArray[np.float64]]:
    truths, proposals = task.truths, task.proposals
    own = np.zeros((len(proposals.boxes), len(kept)), np.bool_)  # models that the box's picture shows
    for picture, model in zip(truths.picture, truths.model, strict=True):
        own[proposals.picture == picture, model] = True
    others = np.where(kept[None] & ~own, scored, -np.inf)
    categories = range(int(task.of_category.max()) + 1)
    of_categories = np.stack([others[:, task.of_category == one].max(1) for one in categories], axis=1)
    category_ap = np.mean([_ap(task, of_categories[:, one], truths.category == one) for one in categories])
    with_own = np.where(kept[None] | own, scored, -np.inf)
    first = _first(with_own)
    return (
        float(category_ap),
        _hits(task, _first(of_categories), truths.category),
        _product_ap(task, with_own.max(1), first, len(kept)),
        _hits(task, first, truths.model),
    )


def _first(scored: Scores) -> npt.NDArray[np.int64]:
    """Column of each row's best; -1 where no column was compared."""
    return np.where(np.isfinite(scored.max(1)), scored.argmax(1), -1)


def _ap(task: _Task, score: Scores, wanted: npt.NDArray[np.bool_]) -> float:
    truths, proposals = task.truths, task.proposals
    objects = [Truth(int(truths.picture[at]), truths.boxes[at], 0.0) for at in np.flatnonzero(wanted)]
    found = [
        Found(int(proposals.picture[at]), proposals.boxes[at], float(score[at]), 0.0)
        for at in np.flatnonzero(np.isfinite(score))
    ]
    return average_viewpoint_precision(objects, found, None)


def _product_ap(task: _Task, score: Scores, first: npt.NDArray[np.int64], models: int) -> float:
    """Objects and boxes of one product in one picture are matched with one another alone."""
    truths, proposals = task.truths, task.proposals
    objects = [
        Truth(int(picture) * models + int(model), box, 0.0)
        for picture, model, box in zip(truths.picture, truths.model, truths.boxes, strict=True)
    ]
    found = [
        Found(
            int(proposals.picture[at]) * models + int(first[at]), proposals.boxes[at], float(score[at]), 0.0
        )
        for at in np.flatnonzero(np.isfinite(score))
    ]
    return average_viewpoint_precision(objects, found, None)


def _hits(task: _Task, said: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray((task.best >= 0) & (said[task.best] == right), np.float64)
