"""Is there anything of it in the catalog? One number a query, and the threshold it must reach.

Either is enough: one view as alike as views of nothing hardly ever are (its calibrated score), or one product that
stands out from the others the photo was compared with, as only what is there does. The first knows nothing of the
query: some photos are a little like everything. The second takes that away, as cohort normalization does for
voices (Auckenthaler et al., Score normalization for text-independent speaker verification systems, 2000); among
products that are all alike nothing stands out, and the first decides alone.

Where an approximate scan proposes products, the best of them are too good to be the others. Then the others are a
cohort: products drawn once for a generation, which are scored exactly by every search, all their views. Their
median is the one of all products, but for the draw, and the rule is fitted with the same cohort.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ml.types import BoolArray, FloatArray, IntArray

__all__ = [
    "COMPARED",
    "FALSE_ACCEPTS",
    "LEAST_PRODUCTS",
    "RULE",
    "NoMatchRule",
    "draw_cohort",
    "fit_no_match",
    "standing_out",
]

RULE = "calibrated or standing out, false accepts shared"
FALSE_ACCEPTS = 0.01  # of queries with nothing to find
OF_CALIBRATED = 0.5  # of the false accepts, by the calibrated score; the others by standing out
OF_CALIBRATED_WITH_PHOTOS = 0.1  # photographs of other things have many high ones
LEAST_PRODUCTS = 8  # compared; of fewer a median says nothing
COMPARED = 512  # products, by their best cosine, that an approximate scan's candidates stand for
COHORT = 256  # products; their median is off by a twelfth of the spread of products' best cosines
_BLOCK = 2048  # views scored at a time
_CELLS = 2**24  # products times queries held at a time, 64 MiB of each score


@dataclass(frozen=True, slots=True)
class NoMatchRule:
    """threshold: the evidence a query needs, in calibrated scores. slope, offset: of the line that takes how far a
    product stands out to the same scale; slope 0 leaves it out."""

    threshold: float
    slope: float = 0.0
    offset: float = 0.0

    def evidence(
        self,
        calibrated: FloatArray,
        cosines: FloatArray,
        products: IntArray,
        cohort: BoolArray | None = None,
    ) -> float:
        """Of one photo: the first three (m,), one a searched view, m >= 1; cohort as `standing_out` has it."""
        best = float(np.max(calibrated))
        out = standing_out(cosines, products, cohort) if self.slope > 0 else None
        return best if out is None else max(best, self.slope * out + self.offset)

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NoMatchRule:
        """An index of a release before this rule has its threshold alone. Raises KeyError without one."""
        slope, offset = float(values.get("slope", 0.0)), float(values.get("offset", 0.0))
        return cls(float(values["threshold"]), slope, offset)


def standing_out(cosines: FloatArray, products: IntArray, cohort: BoolArray | None = None) -> float | None:
    """The best product's best cosine above the median of the others' best; None for under LEAST_PRODUCTS.

    cosines and products (m,), one a view; products at least 0. cohort (p,): the products whose median is taken;
    all that were searched without it, or where too few of it were.
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
    return float(best.max() - np.median(others))


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
    are_photos: bool = False,
) -> NoMatchRule:
    """The rule by which 1% of queries that have nothing to find are said to have a match.

    are_photos: `absent` are whole photographs of anything, not patches of nothing.

    vectors (n, d), lines (n, 2) and products (n,) of the views, products in [0, p); absent (m, d) descriptors of
    such queries, rows of length 1; patches that `fit_calibration` saw must not be among them. cohort: products
    that each search compares with, where it is not with all.
    """
    calibrated, out = _absent_scores(vectors, lines, products, absent, cohort)
    if np.unique(products).size < LEAST_PRODUCTS:
        return NoMatchRule(float(np.quantile(calibrated, 1.0 - FALSE_ACCEPTS)))
    share = OF_CALIBRATED_WITH_PHOTOS if are_photos else OF_CALIBRATED
    threshold = float(np.quantile(calibrated, 1.0 - FALSE_ACCEPTS * share))
    reach = float(np.quantile(out, 1.0 - FALSE_ACCEPTS * (1.0 - share)))
    # the line through both means and both thresholds
    slope = max(threshold - float(calibrated.mean()), 1e-6) / max(reach - float(out.mean()), 1e-6)
    return NoMatchRule(threshold, slope, threshold - slope * reach)


def _absent_scores(
    vectors: FloatArray,
    lines: FloatArray,
    products: IntArray,
    absent: FloatArray,
    cohort: IntArray | None,
) -> tuple[FloatArray, FloatArray]:
    """(m,) each query's best calibrated score, and how far its best product stands out."""
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
            for start in range(0, len(vectors), _BLOCK):
                block = slice(start, start + _BLOCK)
                cosines = torch.from_numpy(np.array(vectors[block], dtype=np.float32)) @ columns
                to = torch.from_numpy(places[block])[:, None].expand_as(cosines)
                of_product.scatter_reduce_(0, to, cosines, "amax")
                line = torch.from_numpy(np.array(lines[block], dtype=np.float32))
                best.scatter_reduce_(0, to, cosines * line[:, :1] + line[:, 1:], "amax")
            if cohort is not None:  # a search by candidates knows the calibrated scores of these alone
                compared = torch.from_numpy(others)[:, None].repeat(1, columns.shape[1])
                compared.scatter_(0, of_product.topk(min(COMPARED, len(ids)), dim=0).indices, True)
                best = best.masked_fill(~compared, -math.inf)
            calibrated[part] = best.amax(dim=0).numpy()
            out[part] = of_product.amax(dim=0).numpy() - np.median(of_product.numpy()[others], axis=0)
    return calibrated, out
