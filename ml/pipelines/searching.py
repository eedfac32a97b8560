"""Photos of one object in, products out: look, match, fit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ml import registry
from ml.detect.choosing import likeliest_first
from ml.detect.cutting import crop_shares
from ml.errors import BadBox, NoViews, ShapelensError
from ml.geometry.boxes import clip, with_neighbors
from ml.geometry.crops import crop_photo
from ml.pipelines.indexing import adapter_of, check_fingerprints
from ml.pose.fitting import ModelPoseFitter
from ml.protocols import Adapter, Detector, Embedder, KnowsAbsent
from ml.search.agreement import Agreement, agreement, other_viewpoints
from ml.search.answers import Match, PhotoQuery, PhotoView, QueryInfo, SearchAnswer
from ml.search.colors import colors_of_crop
from ml.search.config import SearchConfig
from ml.search.decision import NoMatchRule, level_of
from ml.search.expansion import LEAST_OTHERS, expanded
from ml.search.generation import MASK_SIDE
from ml.search.indexes import EXACT, IndexChoice
from ml.search.library import Library, Scored
from ml.search.ranking import (
    PhotoBest,
    ProductRanking,
    best_views,
    fuse_photos,
    is_truncated,
    usable_photos,
)
from ml.search.rerank import Looks, cell_masks, reranked
from ml.search.turning import PhotoViews, turned_best
from ml.types import Box, Crop, Detection, FloatArray, Photo, Pose, View
from ml.verify.models import ModelVerifier, Wanted

__all__ = ["Match", "PhotoQuery", "PoseFitter", "QueryInfo", "SearchAnswer", "Searcher"]

log = logging.getLogger(__name__)

UNSURE = 4.0  # log-odds up to which a last look has recognized nothing: then it has no say in the order
LEAST_SIDE = 2.0  # pixels a box must measure in each direction

Clock = dict[str, float]
ModelDirectory = Callable[[int], Path]
Live = list[npt.NDArray[np.bool_]]  # a generation each: the views a search may return


class PoseFitter(Protocol):
    def __call__(self, photo: Photo, box: Box, directory: Path, view: View) -> Pose | None:
        """The pose of the model in `directory`, seen about from `view`, so that it fills `box`."""


class Verify(Protocol):
    def __call__(self, photo: Photo, box: Box, wanted: Sequence[Wanted]) -> list[FloatArray]:
        """For each model's views, log-odds that they show the box's object; none where they can't be looked at."""


class Cut(Protocol):
    def __call__(self, photo: Photo, boxes: Sequence[Box], side: int) -> FloatArray:
        """(n, side, side) in [0, 1] over each box's crop: how likely each pixel is the object's."""


@dataclass(frozen=True, slots=True, eq=False)
class _Described:
    """A box of a photo: its crop, and of it and the boxes about it one vector (d,), adapted, and cells (c, r, k)."""

    crop: Crop
    vector: FloatArray
    cells: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One photo, as it is matched: vector (d,), adapted."""

    vector: FloatArray
    looks: Looks


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A photo that is searched with, the box it is searched by, and how that looks."""

    query: PhotoQuery
    box: Box
    seen: _Seen


@dataclass(frozen=True, slots=True, eq=False)
class _Searched:
    """One photo, matched: what was scored, what views are ranked by (m,), each product's best, and the
    photo's cells (c, r, k)."""

    scored: Scored
    ranked: FloatArray
    best: PhotoBest
    cells: FloatArray | None


class Searcher:
    """An opened index with the network that made it. Made once a process; not shared between threads."""

    def __init__(
        self,
        library: Library,
        embedder: Embedder,
        adapter: Adapter,
        detector: Detector,
        *,
        config: SearchConfig | None = None,
        fit_pose: PoseFitter | None = None,
        cut: Cut | None = None,
        verify: Verify | None = None,
    ) -> None:
        """cut: None compares no outlines. verify: None takes products as they were ranked."""
        self.library = library
        self.config = config or library.manifest.search
        self._embedder = embedder
        self._adapter = adapter
        self._detector = detector
        self._fit_pose = fit_pose
        self._cut = cut
        self._verify = verify
        self._elsewhere = adapter.adapt(embedder.absent) if isinstance(embedder, KnowsAbsent) else None

    @classmethod
    def open(
        cls,
        generation: Path,
        *,
        embedder_name: str | None = None,
        appended: Sequence[Path] = (),
        detector_name: str = registry.DEFAULT_DETECTOR,
        config: SearchConfig | None = None,
        fit_pose: PoseFitter | None = None,
        choice: IndexChoice = EXACT,
    ) -> Searcher:
        """Memory-map a generation, and the small ones appended to it.

        config: None takes the one stored with the generation. fit_pose: None takes `ModelPoseFitter`.
        Raises GenerationCorrupt where a file is missing or short, GenerationMismatch where the generation
        was built with another embedder, renderer or adapter, IndexUnreachable where choice names a server that
        doesn't answer; all say what to do.
        """
        library = Library.open([generation, *appended], choice)
        for opened in library.generations:
            check_fingerprints(opened.manifest, embedder_name=embedder_name)
        return cls(
            library,
            registry.embedder(embedder_name or library.manifest.embedder),
            registry.adapter(adapter_of(library.generations[0].folder, library.manifest)),
            registry.detector(detector_name),
            config=config,
            fit_pose=fit_pose or ModelPoseFitter(),
            cut=crop_shares,
            verify=ModelVerifier(),
        )

    def detect(self, photo: Photo) -> list[Detection]:
        """Objects that stand out, best first; may be empty."""
        return self._detector.detect(photo)

    def search(
        self,
        queries: Sequence[PhotoQuery],
        *,
        tau: float = 0.9,
        top: int = 10,
        withdrawn: frozenset[int] = frozenset(),
        model_directory: ModelDirectory | None = None,
        on_stage: Callable[[str], None] | None = None,
        on_matches: Callable[[SearchAnswer], None] | None = None,
        pose_top: int = 5,
        why_top: int | None = None,
    ) -> SearchAnswer:
        """Products for one or several photos of one object, best first.

        withdrawn: models never to be returned. model_directory: where a model was onboarded to, for a last look at its
        views and for the pose; None leaves both out. why_top: matches that say where they agree and which of their views
        come close; None for all of them. on_stage is told "looking", "matching", "fitting"; on_matches is given
        the answer as it is before poses are fitted.
        Raises BadBox for a box outside its photo, ValueError without a photo or for tau outside (0, 1].
        """
        if not queries:
            raise ValueError("a search needs at least one photo")
        tell = on_stage or _silent
        clock: Clock = {}
        live = self.library.live_rows(withdrawn)
        tell("looking")
        with _timed(clock, "looking"):
            infos, seen = self._look(queries, tau, live, clock, model_directory)
        if any(info.box_source != "shopper" for info in infos):
            tau = min(tau, self.config.found_tau)
        tell("matching")
        with _timed(clock, "matching"):
            used = [index for index, info in enumerate(infos) if info.is_used]
            try:
                photos = [_Asked(queries[index], infos[index].box, seen[index]) for index in used]
                searched, ranking = self._ranked(photos, tau, live, clock, model_directory, top)
            except NoViews:
                return SearchAnswer(tuple(infos), (), tau, False, True, clock)
            ranking = ranking.first(top)
            matches = self._matches(ranking, searched, used, why_top)
        rule = self.library.manifest.no_match_rule
        best = max(
            self._evidence(rule, photo, seen[index].vector)
            for index, photo in zip(used, searched, strict=True)
        )
        answer = SearchAnswer(
            queries=tuple(infos),
            matches=tuple(matches),
            tau_used=min(photo.scored.tau for photo in searched),
            widened=any(photo.scored.is_widened for photo in searched),
            no_match=best < rule.threshold,
            seconds=clock,
            best=best,
        )
        tell("fitting")
        if on_matches is not None:
            on_matches(answer)
        with _timed(clock, "fitting"):
            if model_directory is not None:
                fitted = self._fit(matches, queries, infos, model_directory, pose_top)
                answer = replace(answer, matches=tuple(fitted))
        log.info("%d photos, %d matches: %s", len(queries), len(matches), _spoken(clock))
        return answer

    # ---- looking ------------------------------------------------------------------------

    def _look(
        self,
        queries: Sequence[PhotoQuery],
        tau: float,
        live: Live,
        clock: Clock,
        model_directory: ModelDirectory | None,
    ) -> tuple[list[QueryInfo], list[_Seen]]:
        infos = [self._find(query, tau, live, clock, model_directory) for query in queries]
        usable = usable_photos([is_truncated(info.box, *info.photo_size) for info in infos])
        infos = [replace(info, is_used=index in usable) for index, info in enumerate(infos)]
        photos = [query.photo for query in queries]
        return infos, self._seen(photos, [info.box for info in infos], clock)

    def _seen(self, photos: Sequence[Photo], boxes: Sequence[Box], clock: Clock) -> list[_Seen]:
        """Each photo by its box."""
        with _timed(clock, "embed"):
            described = [self._described(photo, box) for photo, box in zip(photos, boxes, strict=True)]
        with _timed(clock, "outline"):
            shares = [self._share(photo, box) for photo, box in zip(photos, boxes, strict=True)]
            colors = [
                None if share is None else colors_of_crop(one.crop, share)
                for one, share in zip(described, shares, strict=True)
            ]
        looks = map(Looks, [one.cells for one in described], shares, colors)
        return [_Seen(one.vector, look) for one, look in zip(described, looks, strict=True)]

    def _described(self, photo: Photo, box: Box) -> _Described:
        """A box and those about it, together: what one crop has by chance counts less."""
        size = self._embedder.info.input_size
        crops = [crop_photo(photo, one, size) for one in with_neighbors(box, self.config.around)]
        features = self._embedder.embed(crops)
        vector = _unit(self._adapter.adapt(features.vectors).mean(axis=0))
        cells = None if features.cells is None else _unit(features.cells.mean(axis=0))
        return _Described(crops[0], vector, cells)

    def _share(self, photo: Photo, box: Box) -> FloatArray | None:
        config = self.config
        is_asked = config.shortlist > 0 and max(config.outline_weight, config.color_weight) > 0
        if self._cut is None or not is_asked or not self.library.has_colors:  # then it would rank nothing
            return None
        share: FloatArray = self._cut(photo, [box], MASK_SIDE)[0]
        return share

    def _find(
        self,
        query: PhotoQuery,
        tau: float,
        live: Live,
        clock: Clock,
        model_directory: ModelDirectory | None,
    ) -> QueryInfo:
        photo = query.photo
        size = (photo.width, photo.height)
        if query.box is not None:
            return QueryInfo(_checked(query.box, photo), (), size, "shopper")
        with _timed(clock, "detect"):
            detections = self.detect(photo)
        if not detections:
            return QueryInfo(photo.full_box, (), size, "whole")

        def worth(box: Box) -> float:
            return self._best_score(photo, box, tau, live, model_directory)

        config = self.config
        with _timed(clock, "choose"):
            detections = likeliest_first(
                detections, worth, weight=config.found_weight, most=config.found_boxes
            )
        return QueryInfo(detections[0].box, tuple(detections), size, "found")

    def _best_score(
        self, photo: Photo, box: Box, tau: float, live: Live, model_directory: ModelDirectory | None
    ) -> float:
        """Of the first product by this box, as a search would rank it: what the catalog has, it recognizes (exemplars
        detect, thesis 4.3). 0 where it has no view of that shape."""
        clock: Clock = {}  # all of it is choosing
        asked = _Asked(PhotoQuery(photo, box), box, self._seen([photo], [box], clock)[0])
        try:
            _, ranking = self._ranked(
                [asked], min(tau, self.config.found_tau), live, clock, model_directory, 1
            )
        except NoViews:
            return 0.0
        return float(ranking.scores[0])

    # ---- matching -----------------------------------------------------------------------

    def _ranked(
        self,
        photos: Sequence[_Asked],
        tau: float,
        live: Live,
        clock: Clock,
        model_directory: ModelDirectory | None,
        top: int,
    ) -> tuple[list[_Searched], ProductRanking]:
        """At least `top` products, where there are so many. Raises NoViews."""
        searched = self._match(photos, tau, live, clock)
        turns = [photo.query.turn for photo in photos]
        best_of = [photo.best for photo in self._turned(searched, turns)]
        ranking = fuse_photos(best_of, max(top, self.config.verified))
        if model_directory is not None:
            with _timed(clock, "verify"):
                ranking = self._verified(ranking, searched, photos, model_directory)
        return searched, ranking

    def _match(self, photos: Sequence[_Asked], tau: float, live: Live, clock: Clock) -> list[_Searched]:
        searched = []
        with _timed(clock, "search"):
            crops = [(photo.seen.vector, photo.box.aspect) for photo in photos]
            found = self.library.score_photos(crops, tau, live)
        for photo, scored in zip(photos, found, strict=True):
            ranked: FloatArray = scored.cosines if self.config.rank_by == "cosine" else scored.calibrated
            with _timed(clock, "rerank"):
                ranked = self._rerank(scored, ranked, photo.seen.looks)
            with _timed(clock, "search"):
                best = best_views(
                    ranked,
                    scored.products,
                    scored.rows,
                    len(self.library.model_ids),
                    mean_of=self.config.views_mean,
                )
                best = self._looked_twice(scored, best, photo.seen.vector)
            searched.append(_Searched(scored, ranked, best, photo.seen.looks.cells))
        return searched

    def _turned(self, searched: list[_Searched], turns: Sequence[float | None]) -> list[_Searched]:
        """Those photos between which the angles are known agree on each product's heading."""
        known = [place for place, turn in enumerate(turns) if turn is not None]
        if len(known) < 2:
            return searched
        views = [
            PhotoViews(
                searched[place].scored.cosines,
                searched[place].scored.products,
                searched[place].scored.rows,
                self.library.azimuths(searched[place].scored.rows),
                turns[place] or 0.0,
                searched[place].best,
            )
            for place in known
        ]
        result = list(searched)
        for place, best in zip(known, turned_best(views), strict=True):
            result[place] = replace(searched[place], best=best)
        return result

    def _looked_twice(self, scored: Scored, best: PhotoBest, vector: FloatArray) -> PhotoBest:
        """The same views, products' scores blended with those by the vector expanded by the best ones' views."""
        config = self.config
        helping = min(config.expansion, int((best.rows >= 0).sum()) // LEAST_OTHERS)
        if helping < 1 or config.expansion_weight <= 0 or config.rank_by != "cosine":
            return best
        first = np.argsort(-best.scores, kind="stable")[:helping]
        wider = expanded(vector, self.library.vectors(best.rows[first]))
        cosines = self.library.scores_at(wider, scored.rows)
        again = best_views(cosines, scored.products, scored.rows, len(best.scores), mean_of=config.views_mean)
        weight = np.float32(config.expansion_weight)
        return replace(best, scores=(1 - weight) * best.scores + weight * again.scores)

    def _verified(
        self,
        ranking: ProductRanking,
        searched: Sequence[_Searched],
        photos: Sequence[_Asked],
        model_directory: ModelDirectory,
    ) -> ProductRanking:
        """The first products in the order that a last look at photos and views together gives, and of each the
        view it takes for the photo's own. A product that was not looked at counts as the mean."""
        config = self.config
        weight = config.verify_weight if self.library.is_colored else config.shape_verify_weight
        if self._verify is None or config.verified < 2 or weight <= 0:
            return ranking
        products = [int(product) for product in ranking.products[: config.verified]]
        directories = self._directories(products, model_directory)
        count = len(self.library.manifest.grid)
        found = np.full((len(searched), len(products)), np.nan)
        rows = ranking.rows[: len(products)].copy()
        for place, (one, photo) in enumerate(zip(searched, photos, strict=True)):
            views = [self._best_rows(one, product) for product in products]
            known = [at for at, best in enumerate(views) if best and at in directories]
            wanted = [
                (directories[at], [self.library.view_place(row) for row, _ in views[at]], count)
                for at in known
            ]
            for at, odds in zip(known, self._verify(photo.query.photo, photo.box, wanted), strict=True):
                if len(odds):
                    sure = np.maximum(odds, UNSURE)
                    ranked = [score for _, score in views[at]]
                    found[place, at] = odds.max()
                    rows[at, place] = views[at][int((weight * sure + ranked).argmax())][0]
        said = _middled(np.maximum(found, UNSURE)).sum(axis=0)
        return ranking.reordered(weight * said, rows, np.fmax.reduce(found))

    def _directories(self, products: Sequence[int], model_directory: ModelDirectory) -> dict[int, Path]:
        """By place; of a product that lacks one, nothing: as it was ranked is still an answer."""
        found = {}
        for at, product in enumerate(products):
            model = int(self.library.model_ids[product])
            try:
                found[at] = model_directory(model)
            except (ShapelensError, OSError) as error:
                log.warning("no last look at model %d: %s", model, error)
        return found

    def _best_rows(self, searched: _Searched, product: int) -> list[tuple[int, float]]:
        """A product's views that are worth a last look, best first, with what they are ranked by."""
        at = np.flatnonzero(searched.scored.products == product)
        at = at[np.isfinite(searched.ranked[at])]
        at = at[np.argsort(-searched.ranked[at], kind="stable")][: self.config.verified_views]
        return [(int(searched.scored.rows[one]), float(searched.ranked[one])) for one in at]

    def _evidence(self, rule: NoMatchRule, searched: _Searched, vector: FloatArray) -> float:
        scored, level = searched.scored, None
        if self._elsewhere is not None and rule.level > 0:
            level = float(level_of(vector[None], self._elsewhere)[0])
        return rule.evidence(scored.calibrated, scored.cosines, scored.products, self.library.cohort, level)

    def _rerank(self, scored: Scored, ranked: FloatArray, looks: Looks) -> FloatArray:
        config = self.config
        if config.shortlist <= 0:
            return ranked
        shortlist = np.arange(len(ranked))
        if len(ranked) > config.shortlist:
            shortlist = np.sort(np.argpartition(-ranked, config.shortlist)[: config.shortlist])
        stored = self.library.stored(scored.rows[shortlist])
        return reranked(ranked, shortlist, looks, stored, config, is_colored=self.library.is_colored)

    def _matches(
        self, ranking: ProductRanking, searched: Sequence[_Searched], used: Sequence[int], why_top: int | None
    ) -> list[Match]:
        matches: list[Match] = []
        columns = zip(ranking.products, ranking.scores, ranking.rows, ranking.odds, strict=True)
        for product, total, rows, odds in columns:
            is_explained = why_top is None or len(matches) < why_top
            views = tuple(
                self._photo_view(photo, int(row), index)
                for photo, row, index in zip(searched, rows, used, strict=True)
                if row >= 0
            )
            first = views[0]
            of_first = searched[used.index(first.photo)]
            matches.append(
                Match(
                    model_id=int(self.library.model_ids[product]),
                    view_id=first.view_id,
                    view=first.view,
                    score=first.score,
                    calibrated=first.calibrated,
                    confidence=self.config.word(max(view.calibrated for view in views)),
                    total=float(total),
                    recognized=None if np.isnan(odds) else float(odds),
                    views=views,
                    others=self._others(of_first, int(product), first.photo) if is_explained else (),
                    agreement=self._agreement(of_first, int(rows[used.index(first.photo)]))
                    if is_explained
                    else None,
                )
            )
        return matches

    def _photo_view(self, searched: _Searched, row: int, photo: int) -> PhotoView:
        at = int(np.searchsorted(searched.scored.rows, row))
        return PhotoView(
            photo,
            self.library.view_id(row),
            self.library.view(row),
            float(searched.scored.cosines[at]),
            float(searched.scored.calibrated[at]),
        )

    def _others(self, searched: _Searched, product: int, photo: int) -> tuple[PhotoView, ...]:
        """Viewpoints of a product almost as good as its best."""
        at = np.flatnonzero(searched.scored.products == product)
        at = at[np.isfinite(searched.ranked[at])]
        scores = searched.ranked[at]
        at = at[scores >= scores.max() - self.config.second_view]  # only of these is a view looked up
        rows = searched.scored.rows[at]
        views = [self.library.view(int(row)) for row in rows]
        found = other_viewpoints(views, searched.ranked[at], self.config.second_view)
        return tuple(self._photo_view(searched, int(rows[index]), photo) for index in found)

    def _agreement(self, searched: _Searched, row: int) -> Agreement | None:
        stored = self.library.stored(np.array([row]))
        if searched.cells is None or stored.cells is None:
            return None
        mask = cell_masks(stored.masks, *searched.cells.shape[1:])[0]
        return agreement(searched.cells, stored.cells[0], mask, shift=self.config.cell_shift)

    # ---- fitting ------------------------------------------------------------------------

    def _fit(
        self,
        matches: Sequence[Match],
        queries: Sequence[PhotoQuery],
        infos: Sequence[QueryInfo],
        model_directory: ModelDirectory,
        pose_top: int,
    ) -> list[Match]:
        fit = self._fit_pose
        if fit is None:
            return list(matches)
        fitted = []
        for match in matches[:pose_top]:
            photo = match.views[0].photo
            directory = model_directory(match.model_id)
            try:
                pose = fit(queries[photo].photo, infos[photo].box, directory, match.view)
            except (ShapelensError, OSError) as error:  # a product without an overlay is still an answer
                log.warning("no pose of model %d in %s: %s", match.model_id, directory, error)
                pose = None
            fitted.append(replace(match, pose=pose))
        return [*fitted, *matches[pose_top:]]


def _middled(odds: FloatArray) -> FloatArray:
    """Log-odds (photos, k) without each photo's mean; 0 where nothing is known (nan)."""
    known = np.isfinite(odds)
    total = np.where(known, odds, 0.0).sum(axis=1, keepdims=True)
    result: FloatArray = np.where(known, odds - total / np.maximum(known.sum(axis=1, keepdims=True), 1), 0.0)
    return result


def _unit(values: FloatArray) -> FloatArray:
    """Along the first axis of length 1; what is all zero stays so."""
    length = np.linalg.norm(values, axis=0, keepdims=True)
    result: FloatArray = values / np.maximum(length, np.finfo(np.float32).tiny)
    return result


def _checked(box: Box, photo: Photo) -> Box:
    """The part of a box inside its photo. Raises BadBox where there is none."""
    if not np.isfinite(box.as_tuple()).all() or box.width <= 0 or box.height <= 0:
        raise BadBox(f"the box {box.as_tuple()} is empty or inverted; its edges are x0 < x1, y0 < y1")
    inside = clip(box, photo.width, photo.height)
    if inside.width < LEAST_SIDE or inside.height < LEAST_SIDE:
        raise BadBox(
            f"the box {box.as_tuple()} has no area inside the photo of {photo.width} x {photo.height} "
            "pixels; draw it around the object"
        )
    return inside


def _spoken(clock: Clock) -> str:
    return ", ".join(f"{name} {1e3 * seconds:.0f} ms" for name, seconds in clock.items())


def _silent(stage: str) -> None:
    """Nobody follows the stages."""


@contextmanager
def _timed(clock: Clock, name: str) -> Iterator[None]:
    """Add the seconds spent inside to the clock's entry."""
    start = time.perf_counter()
    try:
        yield
    finally:
        clock[name] = clock.get(name, 0.0) + time.perf_counter() - start
