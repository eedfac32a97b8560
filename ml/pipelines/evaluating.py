"""One command that says how good the matching is: galleries and queries in, scores out."""

from __future__ import annotations

import json
import math
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ml.errors import BadSource, NoViews, ShapelensError
from ml.evaluation.metrics import Scores, score_ranking
from ml.evaluation.queries import Query, relevant_ids
from ml.geometry.boxes import clip, iou
from ml.pipelines.galleries import VIEW_IDS_A_MODEL, BuiltGallery, IndexOptions, build_gallery
from ml.pipelines.photos import PhotoLimits, open_photo
from ml.pipelines.progress import Progress, silent
from ml.pipelines.searching import Match, PhotoQuery, SearchAnswer, Searcher
from ml.pose.cutouts import cut_out
from ml.pose.fitting import scene_of
from ml.pose.masks import estimate_mask
from ml.render.inspecting import turned_error
from ml.search.config import SearchConfig
from ml.types import Box, Photo

__all__ = ["EvaluateOptions", "Evaluation", "QueryResult", "Ranked", "evaluate"]

_LIMITS = PhotoLimits(long_side=8192)  # boxes are in the file's own pixels: no photo of a set is reduced
_WHITE = 127  # level from which a mask's pixel is the object's
FOUND = 0.5  # IoU with the true box above which a detected box counts


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """top: products listed a query (the scores see the whole ranking); config: None takes this release's.
    edges_off: share of a side by which each edge of a given box is moved at most, alike in every run."""

    top: int = 10
    tau: float = 0.9
    exclude_categories: tuple[str, ...] = ()
    index: IndexOptions = field(default_factory=IndexOptions)
    config: SearchConfig | None = None
    cache: Path | None = None
    with_pose: bool = True
    edges_off: float = 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """One product of a query's list; at: its place in the gallery; view: index of its best view."""

    at: int
    view: int
    score: float
    calibrated: float
    azimuth_deg: float
    elevation_deg: float
    box: Box
    is_right: bool


@dataclass(frozen=True, slots=True)
class QueryResult:
    """exact, product, category: scores at each level, None where the query or the gallery has none.

    is_found: False where the detected box misses the true one; then every score is 0.
    azimuth_error: of the viewpoint of the right product (of its pose where one was fitted) where the query tells
    the true one, radians; azimuths from which the model looks the same count as one.
    mask_iou: of the object cut out, where the query tells its pixels and poses are fitted; 0 where it can't be cut out.
    """

    query: Query
    box: Box | None
    ranked: tuple[Ranked, ...]
    exact: Scores
    product: Scores | None
    category: Scores | None
    is_found: bool
    no_match: bool
    widened: bool
    best_calibrated: float
    silhouette_iou: float | None
    azimuth_error: float | None
    mask_iou: float | None
    seconds: dict[str, float]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    results: tuple[QueryResult, ...]
    gallery: BuiltGallery
    options: EvaluateOptions
    build_seconds: float
    search_seconds: float


def evaluate(
    galleries: Sequence[Path],
    queries: Sequence[Query],
    options: EvaluateOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Evaluation:
    """Index the galleries (from the cache where they are there), then search every query through `Searcher`.

    Raises BadSource for a gallery that can't be opened, NoViews where no model came in.
    """
    options = options or EvaluateOptions()
    tell = progress or silent
    if options.cache is None:
        with tempfile.TemporaryDirectory(prefix="shapelens-evaluate-") as folder:
            return _evaluate(galleries, queries, options, Path(folder), tell)
    return _evaluate(galleries, queries, options, options.cache, tell)


def _evaluate(
    galleries: Sequence[Path], queries: Sequence[Query], options: EvaluateOptions, cache: Path, tell: Progress
) -> Evaluation:
    start = time.perf_counter()
    built = build_gallery(
        galleries,
        cache,
        exclude_categories=options.exclude_categories,
        options=options.index,
        progress=tell,
    )
    searcher = Searcher.open(
        built.generation, embedder_name=options.index.embedder, config=options.config or SearchConfig()
    )
    ready = time.perf_counter()
    results = []
    for done, query in enumerate(queries):
        tell("searching", done, len(queries))
        results.append(_run(searcher, query, built, options))
    tell("searching", len(queries), len(queries))
    return Evaluation(tuple(results), built, options, ready - start, time.perf_counter() - ready)


def _run(searcher: Searcher, query: Query, built: BuiltGallery, options: EvaluateOptions) -> QueryResult:
    start = time.perf_counter()
    try:
        answer = _search(searcher, query, built, options)
    except NoViews:
        raise
    except ShapelensError as error:
        return _failed(query, str(error))
    used = next(index for index, info in enumerate(answer.queries) if info.is_used)
    is_found = _is_found(query, answer)
    right = relevant_ids(query, built.items)
    ranks = [match.model_id for match in answer.matches]
    return QueryResult(
        query=query,
        box=answer.queries[used].box,
        ranked=tuple(
            _ranked(match, answer, match.model_id in right) for match in answer.matches[: options.top]
        ),
        exact=score_ranking([is_found and at in right for at in ranks]),
        product=_coarse(query.product, [item.product for item in built.items], ranks, is_found=is_found),
        category=_coarse(query.category, [item.category for item in built.items], ranks, is_found=is_found),
        is_found=is_found,
        no_match=answer.no_match,
        widened=answer.widened,
        best_calibrated=max((match.calibrated for match in answer.matches), default=-math.inf),
        silhouette_iou=_silhouette(answer),
        azimuth_error=_azimuth_error(query, answer, right, built),
        mask_iou=_mask_iou(query, answer, built) if options.with_pose else None,
        seconds={**answer.seconds, "total": time.perf_counter() - start},
    )


def _search(searcher: Searcher, query: Query, built: BuiltGallery, options: EvaluateOptions) -> SearchAnswer:
    photos = [open_photo(path, limits=_LIMITS) for path in query.photos]
    turns = query.turns_deg or (None,) * len(photos)
    asked = [
        PhotoQuery(
            photo,
            None if box is None else _asked_box(path, photo, box, options.edges_off),
            None if turn is None else math.radians(turn),
        )
        for path, photo, box, turn in zip(query.photos, photos, query.boxes, turns, strict=True)
    ]
    return searcher.search(
        asked,
        tau=options.tau,
        top=len(built.items),
        model_directory=built.directories.__getitem__,
        pose_top=1 if options.with_pose else 0,
        why_top=0,
    )


def _asked_box(path: Path, photo: Photo, box: Box | str, off: float) -> Box:
    """As it was given, or as a hand might have drawn it: no two photos' edges are off alike. Raises BadBox."""
    given = photo.full_box if isinstance(box, str) else box
    if off <= 0:
        return given
    moved = np.random.default_rng(zlib.crc32(path.name.encode())).uniform(-off, off, 4)
    across, down = given.width, given.height
    edges = np.add(given.as_tuple(), moved * [across, down, across, down])
    return clip(Box(*map(float, edges)), photo.width, photo.height)


def _is_found(query: Query, answer: SearchAnswer) -> bool:
    """Whether no detected box misses its true box."""
    return all(
        given is not None or true is None or iou(info.box, true) > FOUND
        for given, true, info in zip(query.boxes, query.true_boxes, answer.queries, strict=True)
    )


def _mask_iou(query: Query, answer: SearchAnswer, built: BuiltGallery) -> float | None:
    """Raises BadSource for a mask that can't be read or is of another size."""
    if query.mask is None:
        return None
    photo = open_photo(query.photos[0], limits=_LIMITS)
    truth = cv2.imread(str(query.mask), cv2.IMREAD_GRAYSCALE)
    if truth is None or truth.shape != photo.pixels.shape[:2]:
        raise BadSource(
            f"the mask {query.mask} is no picture of the photo's size, {photo.width} x {photo.height}"
        )
    box = answer.queries[0].box
    first = answer.fitted_in(0)
    if first is None or first.pose is None:
        found = estimate_mask(photo, box)
    else:
        scene = partial(scene_of, built.directories[first.model_id])
        found = cut_out(photo, box, scene, first.pose, first.recognized)
    if found is None:
        return 0.0
    return float((found & (truth > _WHITE)).sum() / max((found | (truth > _WHITE)).sum(), 1))


def _coarse(wanted: str, of_gallery: Sequence[str], ranks: Sequence[int], *, is_found: bool) -> Scores | None:
    """Scores by a coarser word than the product itself; None where the gallery does not know the word."""
    word = wanted.casefold()
    words = [name.casefold() for name in of_gallery]
    if not word or word not in words:
        return None
    return score_ranking([is_found and words[at] == word for at in ranks])


def _ranked(match: Match, answer: SearchAnswer, is_right: bool) -> Ranked:
    photo = match.views[0].photo
    return Ranked(
        at=match.model_id,
        view=match.view_id % VIEW_IDS_A_MODEL,
        score=match.score,
        calibrated=match.calibrated,
        azimuth_deg=math.degrees(match.view.azimuth),
        elevation_deg=math.degrees(match.view.elevation),
        box=answer.queries[photo].box,
        is_right=is_right,
    )


def _silhouette(answer: SearchAnswer) -> float | None:
    pose = answer.matches[0].pose if answer.matches else None
    return pose.silhouette_iou if pose is not None else None


def _azimuth_error(
    query: Query, answer: SearchAnswer, right: frozenset[int], built: BuiltGallery
) -> float | None:
    match = next((match for match in answer.matches if match.model_id in right), None)
    if query.azimuth_deg is None or match is None:
        return None
    facts = json.loads((built.directories[match.model_id] / "facts.json").read_text(encoding="utf-8"))
    found = match.view.azimuth if match.pose is None else match.pose.azimuth
    return turned_error(found, math.radians(query.azimuth_deg), facts["symmetry"])


def _failed(query: Query, reason: str) -> QueryResult:
    """A photo that can't be read scores 0 everywhere and says why."""
    nothing = Scores(0.0, 0.0, 0.0, 0.0, 0.0)
    return QueryResult(
        query, None, (), nothing, None, None, False, True, False, -math.inf, None, None, None, {}, reason
    )
