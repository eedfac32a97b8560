"""Is there anything of it in the catalog? One number a query, and the threshold it must reach.

Either is enough: one view as alike as views of nothing hardly ever are (its calibrated score), or products that
stand out from the others the photo was compared with, as only what is there does. The first knows nothing of the
query: some photos are a little like everything. The second takes that away, as cohort normalization does for
voices (Auckenthaler et al., Score normalization for text-independent speaker verification systems, 2000); among
products that are all alike nothing stands out, and the first decides alone.

Two cohorts tell how much of everything a photo has: the catalog's other products, and, where the embedder brings
some, photographs of things that no catalog has.

What kind of thing a photo shows is told by a network that never sees the catalog (`ml.kinds`). The likelier any product is of
its kind, the less evidence it needs: a photo of a dog may be a little like a chair, but is no photo of one. A kind that
nobody tells takes nothing away.

Where an approximate scan proposes products, the best of them are too good to be the others. Then the others are a
cohort: products drawn once for a generation, which are scored exactly by every search, all their views. Their
median is the one of all products, but for the draw, and the rule is fitted with the same cohort.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ml.search.aspect import aspect_slice
from ml.types import BoolArray, FloatArray, IntArray

__all__ = [
    "COMPARED",
    "FALSE_ACCEPTS",
    "LEAST_PRODUCTS",
    "RULE",
    "NoMatchRule",
    "draw_cohort",
    "fit_no_match",
    "kind_evidence",
    "level_of",
    "standing_out",
]

RULE = "calibrated or standing out from two cohorts, raised by a kind, false accepts shared, tails fitted"
FALSE_ACCEPTS = 0.008  # of queries with nothing to find: 1% may be, on photos unlike those of the fit too
OF_CALIBRATED = 0.5  # of the false accepts, by the calibrated score; the others by standing out
OF_CALIBRATED_WITH_PHOTOS = 0.1  # photographs of other things have many high ones
LEAST_PRODUCTS = 8  # compared; of fewer a median says nothing
COMPARED = 512  # products, by their best cosine, that an approximate scan's candidates stand for
COHORT = 256  # products; their median is off by a twelfth of the spread of products' best cosines
SECOND = 0.2  # share of the second product in what stands out: of a kind there are often several
LEVEL = 0.5  # share of the photographs of other things in what is taken away
KIND = 0.15  # of the logarithm of how likely any product is of the photo's kind
WITHOUT_KIND = 0.2  # of the false accepts, by the evidence alone; the others by what a kind adds to it
LEAST_KIND = 1e-4  # below that it is as good as not
NEAREST = 30  # of them, the nearest
TAIL = 0.05  # share of absent queries that a threshold's tail is fitted to
ASPECTS = (0.5, 2.0)  # between these absent queries' shapes are drawn, evenly on a logarithmic scale
TAU = 0.8  # the factor that searches ask for where nobody says
_BLOCK = 2048  # views scored at a time
_CELLS = 2**24  # products times queries held at a time, 64 MiB of each score


@dataclass(frozen=True, slots=True)
class NoMatchRule:
    """threshold: the evidence a query needs, in calibrated scores. slope, offset: of the line that takes how far
    products stand out to the same scale; slope 0 leaves it out. second, level: shares as `standing_out` has them. lift: what
    a kind that is surely sold adds, kind: of `kind_evidence` in it; 0 leaves it out."""

    threshold: float
    slope: float = 0.0
    offset: float = 0.0
    second: float = 0.0
    level: float = 0.0
    kind: float = 0.0
    lift: float = 0.0

    def evidence(
        self,
        calibrated: FloatArray,
        cosines: FloatArray,
        products: IntArray,
        cohort: BoolArray | None = None,
        level: float | None = None,
        likeliest: float | None = None,
    ) -> float:
        """Of one photo: the first three (m,), one a searched view, m >= 1; cohort as `standing_out` has it; level of
        `level_of`, None where the embedder brings no photographs of other things; likeliest of `ml.search.kinds`, None
        where no kinds are told."""
        found = float(np.max(calibrated))
        if self.slope > 0:
            taken = None if level is None else (self.level, level)
            out = standing_out(cosines, products, cohort, second=self.second, level=taken)
            found = found if out is None else max(found, self.slope * out + self.offset)
        return found if likeliest is None else found + self.raised(likeliest)

    def raised(self, likeliest: float) -> float:
        """What a photo's kind adds: from 0, where no product is of it, up to lift."""
        return max(0.0, self.lift + self.kind * float(kind_evidence(likeliest)))

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NoMatchRule:
        """What an index of an earlier release lacks is 0: its rule stays what it was. Raises KeyError without a
        threshold."""
        others = {
            name: float(values.get(name, 0.0))
            for name in ("slope", "offset", "second", "level", "kind", "lift")
        }
        return cls(float(values["threshold"]), **others)


def standing_out(
    cosines: FloatArray,
    products: IntArray,
    cohort: BoolArray | None = None,
    *,
    second: float = 0.0,
    level: tuple[float, float] | None = None,
) -> float | None:
    """The best product's best cosine above the median of the others' best; None for under LEAST_PRODUCTS.

    cosines and products (m,), one a view; products at least 0. cohort (p,): the products whose median is taken;
    all that were searched without it, or where too few of it were. second: share of the second best product's in
    what is held against them. level: share of another level in what is taken away, and that level.
    """
    best = np.full(int(products.max()) + 1, -np.inf, np.float32)
    np.maximum.at(best, products, cosines)
    others = best[np.isfinite(best)]
    if cohort is not None:
        drawn = best[cohort[: len(best)]]
        drawn = drawn[np.isfinite(drawn)]
        others = drawn if len(drawn) >= LEAST_PRODUCTS else others
    if len(others) < LEAST_PRODUCTS:
        return None
    first, after = np.partition(best, -2)[[-1, -2]]
    share, elsewhere = level or (0.0, 0.0)
    usual = (1 - share) * float(np.median(others)) + share * elsewhere
    return float((1 - second) * first + second * after) - usual


def level_of(vectors: FloatArray, elsewhere: FloatArray, *, left_out: int = 0) -> FloatArray:
    """(n,) mean cosine of vectors (n, d) with the NEAREST of photographs of other things (k, d), rows of length 1.

    left_out: nearest ones that don't count: a photograph of `elsewhere` itself finds itself there, and its middle.
    """
    cosines = np.sort(np.asarray(vectors, np.float32) @ np.asarray(elsewhere, np.float32).T, axis=1)
    nearest: FloatArray = cosines[:, ::-1][:, left_out : left_out + NEAREST]
    return np.asarray(nearest.mean(axis=1), np.float32)


def kind_evidence(likeliest: FloatArray | float) -> FloatArray:
    """How likely any product is of the photo's kind, in [0, 1] -> its logarithm, at most 0."""
    return np.asarray(np.log(LEAST_KIND + (1 - LEAST_KIND) * np.asarray(likeliest, np.float32)), np.float32)


def draw_cohort(products: IntArray) -> npt.NDArray[np.int64]:
    """COHORT of these products, or all of fewer, ascending."""
    ids = np.unique(products)
    return np.sort(np.random.default_rng(0).permutation(ids)[:COHORT]).astype(np.int64)


def fit_no_match(
    vectors: FloatArray,
    lines: FloatArray,
    products: IntArray,
    absent: FloatArray,
    cohort: IntArray | None = None,
    *,
    log_aspects: FloatArray | None = None,
    elsewhere: FloatArray | None = None,
    are_photos: bool = False,
    likeliest: FloatArray | None = None,
) -> NoMatchRule:
    """The rule by which FALSE_ACCEPTS of queries that have nothing to find are said to have a match.

    vectors (n, d), lines (n, 2) and products (n,) of the views, products in [0, p); absent (m, d) descriptors of
    such queries, rows of length 1; patches that `fit_calibration` saw must not be among them. cohort: products
    that each search compares with, where it is not with all. log_aspects (n,) of the views: each query is compared
    with those of one shape, as a search does; without them with all.
    elsewhere (k, d): photographs whose level is taken away, as `standing_out` has it. are_photos: `absent` are these,
    whole photographs of anything, not patches of nothing. likeliest (m,): of each of them, as `ml.search.kinds` tells it.
    """
    level = None if elsewhere is None else level_of(absent, elsewhere, left_out=2 if are_photos else 0)
    passing = None if log_aspects is None else _passing(log_aspects, products, len(absent))
    calibrated, out = _absent_scores(vectors, lines, products, absent, cohort, passing, level)
    if np.unique(products).size < LEAST_PRODUCTS:
        return _of_a_kind(NoMatchRule(_reached(calibrated, FALSE_ACCEPTS)), calibrated, likeliest)
    share = OF_CALIBRATED_WITH_PHOTOS if are_photos else OF_CALIBRATED
    threshold = _reached(calibrated, FALSE_ACCEPTS * share)
    reach = _reached(out, FALSE_ACCEPTS * (1.0 - share))
    # the line through both means and both thresholds
    slope = max(threshold - float(calibrated.mean()), 1e-6) / max(reach - float(out.mean()), 1e-6)
    offset = threshold - slope * reach
    rule = NoMatchRule(threshold, slope, offset, SECOND, 0.0 if elsewhere is None else LEVEL)
    return _of_a_kind(rule, np.maximum(calibrated, slope * out + offset), likeliest)


def _of_a_kind(rule: NoMatchRule, evidence: FloatArray, likeliest: FloatArray | None) -> NoMatchRule:
    """The rule with the kind's say, evidence (m,) being what it has of absent queries without it. Either is enough: the
    evidence alone, or with the logarithm of the kind, each by its threshold; the lift takes one to the other's."""
    if likeliest is None:
        return rule
    alone = _reached(evidence, FALSE_ACCEPTS * WITHOUT_KIND)
    together = _reached(evidence + KIND * kind_evidence(likeliest), FALSE_ACCEPTS * (1 - WITHOUT_KIND))
    return replace(rule, threshold=alone, kind=KIND, lift=max(0.0, alone - together))


def _reached(scores: FloatArray, share: float) -> float:
    """What a share of such scores reaches, by their tail: the excesses over a high edge are taken to be exponential
    (Pickands, Statistical inference using extreme order statistics, 1975, with a shape of 0). Of a thousand, the
    tenth highest alone would be a matter of luck."""
    if share >= TAIL:
        return float(np.quantile(scores, 1.0 - share))
    edge = float(np.quantile(scores, 1.0 - TAIL))
    return edge + math.log(TAIL / share) * float((scores[scores > edge] - edge).mean())


def _passing(log_aspects: FloatArray, products: IntArray, count: int) -> list[slice]:
    """For each of `count` queries the views of a shape drawn for it; all of them where those are of too few products.

    log_aspects (n,) ascending.
    """
    drawn = np.random.default_rng(0).uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1]), count)
    slices = [aspect_slice(log_aspects, math.exp(shape), TAU) for shape in drawn]
    return [
        found if np.unique(products[found]).size >= LEAST_PRODUCTS else slice(0, len(products))
        for found in slices
    ]


def _absent_scores(
    vectors: FloatArray,
    lines: FloatArray,
    products: IntArray,
    absent: FloatArray,
    cohort: IntArray | None,
    passing: list[slice] | None,
    level: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """(m,) each query's best calibrated score, and how far its best products stand out."""
    ids, places = np.unique(products, return_inverse=True)
    others = np.full(len(ids), True) if cohort is None else np.isin(ids, cohort)
    together = max(16, _CELLS // len(ids))
    calibrated, out = np.empty(len(absent), np.float32), np.empty(len(absent), np.float32)
    with torch.inference_mode():
        for first in range(0, len(absent), together):
            part = slice(first, first + together)
            columns = torch.from_numpy(np.ascontiguousarray(absent[part], dtype=np.float32)).T
            best = torch.full((len(ids), columns.shape[1]), -math.inf)
            of_product = torch.full((len(ids), columns.shape[1]), -math.inf)
            bounds = (
                None if passing is None else torch.tensor([[one.start, one.stop] for one in passing[part]])
            )
            for start in range(0, len(vectors), _BLOCK):
                block = slice(start, start + _BLOCK)
                cosines = torch.from_numpy(np.array(vectors[block], dtype=np.float32)) @ columns
                line = torch.from_numpy(np.array(lines[block], dtype=np.float32))
                scores = cosines * line[:, :1] + line[:, 1:]
                if bounds is not None:
                    row = torch.arange(start, start + len(cosines))[:, None]
                    is_out = (row < bounds[:, 0]) | (row >= bounds[:, 1])
                    cosines, scores = (one.masked_fill(is_out, -math.inf) for one in (cosines, scores))
                to = torch.from_numpy(places[block])[:, None].expand_as(cosines)
                of_product.scatter_reduce_(0, to, cosines, "amax")
                best.scatter_reduce_(0, to, scores, "amax")
            if cohort is not None:  # a search by candidates knows the calibrated scores of these alone
                compared = torch.from_numpy(others)[:, None].repeat(1, columns.shape[1])
                compared.scatter_(0, of_product.topk(min(COMPARED, len(ids)), dim=0).indices, True)
                best = best.masked_fill(~compared, -math.inf)
            calibrated[part] = best.amax(dim=0).numpy()
            for query, cosines_of in enumerate(of_product.numpy().T, start=first):
                taken = None if level is None else (LEVEL, float(level[query]))
                searched = np.flatnonzero(np.isfinite(cosines_of))
                stands = standing_out(cosines_of[searched], searched, others, second=SECOND, level=taken)
                out[query] = -np.inf if stands is None else stands
    return calibrated, out
