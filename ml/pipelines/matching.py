"""Seen photos of one object to products: scored view by view, ranked, and looked at a last time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ml.errors import ShapelensError
from ml.pipelines.looking import Seen
from ml.pipelines.timing import Clock, timed
from ml.search.answers import PhotoQuery
from ml.search.config import SearchConfig
from ml.search.expansion import LEAST_OTHERS, expanded
from ml.search.kinds import kind_scores
from ml.search.library import Library, Scored
from ml.search.ranking import PhotoBest, ProductRanking, best_views, fuse_photos
from ml.search.rerank import Looks, reranked
from ml.search.turning import PhotoViews, turned_best
from ml.types import Box, FloatArray, Photo
from ml.verify.models import Wanted

__all__ = ["Asked", "Live", "Matcher", "ModelDirectory", "Ranked", "Searched", "Terms", "Verify"]

log = logging.getLogger(__name__)

UNSURE = 4.0  # log-odds up to which a last look has recognized nothing: then it has no say in the order

ModelDirectory = Callable[[int], Path]
Live = list[npt.NDArray[np.bool_]]  # a generation each: the views a search may return


class Verify(Protocol):
    def __call__(self, photo: Photo, box: Box, wanted: Sequence[Wanted]) -> list[FloatArray]:
        """For each model's views, log-odds that they show the box's object; none where they can't be looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """tau: factor aspects may differ by. live: the views that may be returned. model_directory: where a model's views
    lie for a last look; None leaves it out. top: products that are ranked, at least."""

    tau: float
    live: Live
    model_directory: ModelDirectory | None
    top: int


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A photo that is searched with, the box it is searched by, and how that looks."""

    query: PhotoQuery
    box: Box
    seen: Seen


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """One photo, matched: what was scored, what views are ranked by (m,), each product's best, and the
    photo's cells (c, r, k)."""

    scored: Scored
    ranked: FloatArray
    best: PhotoBest
    cells: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Each photo as it was matched, and the products of all of them together."""

    searched: Sequence[Searched]
    ranking: ProductRanking


class Matcher:
    """A library's views, and how they are ranked. verify: None takes products as they were ranked. kinds: (p, k), how
    likely each of the library's products is of each kind; None where nothing tells."""

    def __init__(
        self, library: Library, config: SearchConfig, verify: Verify | None, kinds: FloatArray | None = None
    ) -> None:
        self.library = library
        self._kinds = kinds
        self.config = config
        self._verify = verify

    def __call__(self, photos: Sequence[Asked], terms: Terms, clock: Clock) -> Ranked:
        """Raises NoViews, IndexUnreachable."""
        searched = self._match(photos, terms, clock)
        turns = [photo.query.turn for photo in photos]
        best_of = [photo.best for photo in self._turned(searched, turns)]
        ranking = fuse_photos(best_of, max(terms.top, self.config.verified))
        if terms.model_directory is not None:
            with timed(clock, "verify"):
                ranking = self._verified(ranking, searched, photos, terms.model_directory)
        return Ranked(searched, ranking)

    def _match(self, photos: Sequence[Asked], terms: Terms, clock: Clock) -> list[Searched]:
        searched = []
        with timed(clock, "search"):
            crops = [(photo.seen.vector, photo.box.aspect) for photo in photos]
            found = self.library.score_photos(crops, terms.tau, terms.live)
        for photo, scored in zip(photos, found, strict=True):
            ranked: FloatArray = scored.cosines if self.config.rank_by == "cosine" else scored.calibrated
            with timed(clock, "rerank"):
                ranked = self._rerank(scored, ranked, photo.seen.looks)
            with timed(clock, "search"):
                best = best_views(
                    ranked,
                    scored.products,
                    scored.rows,
                    len(self.library.model_ids),
                    mean_of=self.config.views_mean,
                )
                best = self._looked_twice(scored, best, photo.seen.vector)
                best = self._of_kind(best, photo.seen.kinds)
            searched.append(Searched(scored, ranked, best, photo.seen.looks.cells))
        return searched

    def _turned(self, searched: list[Searched], turns: Sequence[float | None]) -> list[Searched]:
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

    def _of_kind(self, best: PhotoBest, kinds: FloatArray | None) -> PhotoBest:
        """The same views; products that are probably of another kind than the photo's thing score less."""
        searched = best.rows >= 0
        if kinds is None or self._kinds is None or not searched.any():
            return best
        scores = best.scores.copy()
        scores[searched] += np.float32(self.config.kind_weight) * kind_scores(kinds, self._kinds[searched])
        return replace(best, scores=scores)

    def _verified(
        self,
        ranking: ProductRanking,
        searched: Sequence[Searched],
        photos: Sequence[Asked],
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

    def _best_rows(self, searched: Searched, product: int) -> list[tuple[int, float]]:
        """A product's views that are worth a last look, best first, with what they are ranked by."""
        at = np.flatnonzero(searched.scored.products == product)
        at = at[np.isfinite(searched.ranked[at])]
        at = at[np.argsort(-searched.ranked[at], kind="stable")][: self.config.verified_views]
        return [(int(searched.scored.rows[one]), float(searched.ranked[one])) for one in at]

    def _rerank(self, scored: Scored, ranked: FloatArray, looks: Looks) -> FloatArray:
        config = self.config
        if config.shortlist <= 0:
            return ranked
        shortlist = np.arange(len(ranked))
        if len(ranked) > config.shortlist:
            shortlist = np.sort(np.argpartition(-ranked, config.shortlist)[: config.shortlist])
        stored = self.library.stored(scored.rows[shortlist])
        return reranked(ranked, shortlist, looks, stored, config, is_colored=self.library.is_colored)


def _middled(odds: FloatArray) -> FloatArray:
    """Log-odds (photos, k) without each photo's mean; 0 where nothing is known (nan)."""
    known = np.isfinite(odds)
    total = np.where(known, odds, 0.0).sum(axis=1, keepdims=True)
    result: FloatArray = np.where(known, odds - total / np.maximum(known.sum(axis=1, keepdims=True), 1), 0.0)
    return result
