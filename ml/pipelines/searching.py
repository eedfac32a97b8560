"""Photos of one object in, products out: look, match, fit."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ml import registry
from ml.detect.choosing import likeliest_first
from ml.detect.cutting import crop_shares
from ml.detect.redrawing import redrawn
from ml.errors import BadBox, NoViews, ShapelensError
from ml.geometry.boxes import clip
from ml.kinds.photos import kinds_of_photo
from ml.kinds.products import kinds_of_products, kinds_of_views
from ml.pipelines.indexing import adapter_of, check_fingerprints
from ml.pipelines.looking import Cut, Kinds, Looker, Seen
from ml.pipelines.matching import Asked, Matcher, ModelDirectory, Ranked, Searched, Terms, Verify
from ml.pipelines.timing import Clock, timed
from ml.pose.fitting import ModelPoseFitter
from ml.protocols import Adapter, Detector, Embedder, KnowsAbsent
from ml.search.agreement import Agreement, agreement, other_viewpoints
from ml.search.answers import Match, PhotoQuery, PhotoView, QueryInfo, SearchAnswer
from ml.search.config import SearchConfig
from ml.search.decision import NoMatchRule, level_of
from ml.search.indexes import EXACT, IndexChoice
from ml.search.kinds import likeliest
from ml.search.library import Library
from ml.search.ranking import ProductRanking, is_truncated, usable_photos
from ml.search.rerank import cell_masks
from ml.types import Box, Detection, FloatArray, Photo, Pose, View
from ml.verify.models import ModelVerifier

__all__ = ["Match", "PhotoQuery", "PoseFitter", "QueryInfo", "SearchAnswer", "Searcher"]

log = logging.getLogger(__name__)

LEAST_SIDE = 2.0  # pixels a box must measure in each direction


class PoseFitter(Protocol):
    def __call__(self, photo: Photo, box: Box, directory: Path, view: View) -> Pose | None:
        """The pose of the model in `directory`, seen about from `view`, so that it fills `box`."""


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Where the object is, how that box looks, and its products where they were ranked to choose it."""

    info: QueryInfo
    asked: Asked
    ranked: Ranked | None = None


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
        kinds: Kinds | None = None,
    ) -> None:
        """cut: None compares no outlines. verify: None takes products as they were ranked. kinds: products of the
        photo's kind of thing come first, where the embedder's vectors tell it of a product; None asks for none."""
        self.library = library
        self.config = config or library.manifest.search
        self._detector = detector
        self._fit_pose = fit_pose
        self._kinds = None if kinds is None or not self._asks_kinds() else _kinds_of(library)
        self._look = Looker(
            embedder,
            adapter,
            around=self.config.around,
            cut=cut if self._compares_outlines() else None,
            kinds=None if self._kinds is None else kinds,
        )
        self._match = Matcher(library, self.config, verify, self._kinds)
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
            kinds=kinds_of_photo,
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
        terms = Terms(tau, self.library.live_rows(withdrawn), model_directory, top)
        tell("looking")
        with timed(clock, "looking"):
            found = self._look_at(queries, terms, clock)
        infos = [one.info for one in found]
        if any(info.box_source != "shopper" for info in infos):
            terms = self._for_found(terms)
        tell("matching")
        used = [index for index, info in enumerate(infos) if info.is_used]
        with timed(clock, "matching"):
            for index in used:
                found[index] = self._redrawn(found[index], terms, clock)
            infos = [one.info for one in found]
            try:
                ranked = self._ranked([found[index] for index in used], terms, clock)
            except NoViews:
                return SearchAnswer(tuple(infos), (), terms.tau, False, True, clock)
            matches = self._matches(ranked.ranking.first(top), ranked.searched, used, why_top)
        rule = self.library.manifest.no_match_rule
        best = max(
            self._evidence(rule, photo, found[index].asked.seen)
            for index, photo in zip(used, ranked.searched, strict=True)
        )
        answer = SearchAnswer(
            queries=tuple(infos),
            matches=tuple(matches),
            tau_used=min(photo.scored.tau for photo in ranked.searched),
            widened=any(photo.scored.is_widened for photo in ranked.searched),
            no_match=best < rule.threshold,
            seconds=clock,
            best=best,
        )
        tell("fitting")
        if on_matches is not None:
            on_matches(answer)
        with timed(clock, "fitting"):
            if model_directory is not None:
                fitted = self._fit(matches, queries, infos, model_directory, pose_top)
                answer = replace(answer, matches=tuple(fitted))
        log.info("%d photos, %d matches: %s", len(queries), len(matches), _spoken(clock))
        return answer

    def _asks_kinds(self) -> bool:
        return self.config.kind_weight > 0 or self.library.manifest.no_match_rule.kind > 0

    def _compares_outlines(self) -> bool:
        config = self.config
        is_asked = config.shortlist > 0 and max(config.outline_weight, config.color_weight) > 0
        return is_asked and self.library.has_colors  # else they would rank nothing

    # ---- looking ------------------------------------------------------------------------

    def _look_at(self, queries: Sequence[PhotoQuery], terms: Terms, clock: Clock) -> list[_Found]:
        found = [self._find(query, terms, clock) for query in queries]
        usable = usable_photos([is_truncated(one.info.box, *one.info.photo_size) for one in found])
        return [
            replace(one, info=replace(one.info, is_used=index in usable)) for index, one in enumerate(found)
        ]

    def _find(self, query: PhotoQuery, terms: Terms, clock: Clock) -> _Found:
        photo = query.photo
        size = (photo.width, photo.height)
        if query.box is not None:
            info = QueryInfo(_checked(query.box, photo), (), size, "shopper")
            return _Found(info, self._asked(query, info.box, clock))
        with timed(clock, "detect"):
            detections = self.detect(photo)
        if not detections:
            info = QueryInfo(photo.full_box, (), size, "whole")
            return _Found(info, self._asked(query, info.box, clock))
        return self._chosen(query, detections, self._for_found(terms), clock)

    def _chosen(
        self, query: PhotoQuery, detections: Sequence[Detection], terms: Terms, clock: Clock
    ) -> _Found:
        """By the likeliest of the detections: where several are about as sure, by what a search with each says."""
        config, size = self.config, (query.photo.width, query.photo.height)
        tried: dict[Box, tuple[Asked, Ranked | None]] = {}

        def worth(box: Box) -> float:
            """Of its first product: what the catalog has, it recognizes (exemplars detect, thesis 4.3). 0 where it has
            no view of that shape."""
            _, ranked = tried[box] = self._tried(query, box, terms)
            return 0.0 if ranked is None else float(ranked.ranking.scores[0])

        with timed(clock, "choose"):
            detections = likeliest_first(
                detections, worth, weight=config.found_weight, most=config.found_boxes
            )
        box = detections[0].box
        asked, ranked = tried[box] if box in tried else (self._asked(query, box, clock), None)
        return _Found(QueryInfo(box, tuple(detections), size, "found"), asked, ranked)

    def _tried(self, query: PhotoQuery, box: Box, terms: Terms) -> tuple[Asked, Ranked | None]:
        """How a box looks, and its products; None where there is no view of that shape. Its time is the caller's."""
        within: Clock = {}
        asked = self._asked(query, box, within)
        try:
            return asked, self._match([asked], terms, within)
        except NoViews:
            return asked, None

    def _asked(self, query: PhotoQuery, box: Box, clock: Clock) -> Asked:
        return Asked(query, box, self._look(query.photo, box, clock))

    def _for_found(self, terms: Terms) -> Terms:
        """A found box's edges are a little off."""
        return replace(terms, tau=min(terms.tau, self.config.found_tau))

    # ---- matching -----------------------------------------------------------------------

    def _ranked(self, found: Sequence[_Found], terms: Terms, clock: Clock) -> Ranked:
        """Raises NoViews, IndexUnreachable."""
        known = found[0].ranked if len(found) == 1 else None
        return known or self._match([one.asked for one in found], terms, clock)

    def _redrawn(self, found: _Found, terms: Terms, clock: Clock) -> _Found:
        """By another box about the same thing, where nothing is recognized in the shopper's and more in that: a box
        drawn by hand is a little off, and a finger's more than a little. Who asks for the whole photo gets that.
        Of several photos each is looked at alone."""
        query, config = found.asked.query, self.config
        is_drawn = found.info.box_source == "shopper" and found.info.box != query.photo.full_box
        if not is_drawn or terms.model_directory is None or config.recognized <= 0:
            return found
        try:
            ranked = self._match([found.asked], terms, clock)
        except NoViews:
            return found
        found = replace(found, ranked=ranked)
        if self._is_recognized(ranked):
            return found
        with timed(clock, "redraw"):
            for box in redrawn(query.photo, found.info.box, self.detect):
                asked, other = self._tried(query, box, terms)
                if (
                    other is not None
                    and other.ranking.scores[0] > ranked.ranking.scores[0] + config.redrawn_margin
                ):
                    found, ranked = _Found(replace(found.info, box=box), asked, other), other
                if self._is_recognized(ranked):
                    break
        return found

    def _is_recognized(self, ranked: Ranked) -> bool:
        """The first product, or nobody had a last look."""
        odds = float(ranked.ranking.odds[0])
        return math.isnan(odds) or odds >= self.config.recognized

    def _evidence(self, rule: NoMatchRule, searched: Searched, seen: Seen) -> float:
        scored, level, kind = searched.scored, None, None
        if self._elsewhere is not None and rule.level > 0:
            level = float(level_of(seen.vector[None], self._elsewhere)[0])
        if self._kinds is not None and seen.kinds is not None:
            kind = float(likeliest(seen.kinds[None], self._kinds)[0])
        return rule.evidence(
            scored.calibrated, scored.cosines, scored.products, self.library.cohort, level, kind
        )

    def _matches(
        self, ranking: ProductRanking, searched: Sequence[Searched], used: Sequence[int], why_top: int | None
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

    def _photo_view(self, searched: Searched, row: int, photo: int) -> PhotoView:
        at = int(np.searchsorted(searched.scored.rows, row))
        return PhotoView(
            photo,
            self.library.view_id(row),
            self.library.view(row),
            float(searched.scored.cosines[at]),
            float(searched.scored.calibrated[at]),
        )

    def _others(self, searched: Searched, product: int, photo: int) -> tuple[PhotoView, ...]:
        """Viewpoints of a product almost as good as its best."""
        at = np.flatnonzero(searched.scored.products == product)
        at = at[np.isfinite(searched.ranked[at])]
        scores = searched.ranked[at]
        at = at[scores >= scores.max() - self.config.second_view]  # only of these is a view looked up
        rows = searched.scored.rows[at]
        views = [self.library.view(int(row)) for row in rows]
        found = other_viewpoints(views, searched.ranked[at], self.config.second_view)
        return tuple(self._photo_view(searched, int(rows[index]), photo) for index in found)

    def _agreement(self, searched: Searched, row: int) -> Agreement | None:
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


def _kinds_of(library: Library) -> FloatArray | None:
    """(p, k), how likely each product is of each kind; None where its vectors don't tell it."""
    network = kinds_of_views(library.manifest.embedder_fingerprint)
    return None if network is None else kinds_of_products(network, library.blocks(), len(library.model_ids))


def _spoken(clock: Clock) -> str:
    return ", ".join(f"{name} {1e3 * seconds:.0f} ms" for name, seconds in clock.items())


def _silent(stage: str) -> None:
    """Nobody follows the stages."""
