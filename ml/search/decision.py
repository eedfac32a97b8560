"""Is there anything of it in the catalog? One number a query, and the threshold it must reach.

Either is enough: one view as alike as views of nothing hardly ever are (its calibrated score), or one product that
stands out from the others the photo was compared with, as only what is there does. The first knows nothing of the
query: some photos are a little like everything. The second takes that away, as cohort normalization does for
voices (Auckenthaler et al., Score normalization for text-independent speaker verification systems, 2000); among
products that are all alike nothing stands out, and the first decides alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from ml.types import FloatArray, IntArray

__all__ = ["FALSE_ACCEPTS", "LEAST_PRODUCTS", "RULE", "NoMatchRule", "fit_no_match", "standing_out"]

RULE = "calibrated or standing out, half of the false accepts each"
FALSE_ACCEPTS = 0.01  # of queries with nothing to find; half of them by each of the two
LEAST_PRODUCTS = 8  # compared; of fewer a median says nothing
_BLOCK = 2048  # views scored at a time
_CELLS = 2**25  # products times queries held at a time, 128 MiB


@dataclass(frozen=True, slots=True)
class NoMatchRule:
    """threshold: the evidence a query needs, in calibrated scores. slope, offset: of the line that takes how far a
    product stands out to the same scale; slope 0 leaves it out."""

    threshold: float
    slope: float = 0.0
    offset: float = 0.0

    def evidence(self, calibrated: FloatArray, cosines: FloatArray, products: IntArray) -> float:
        """Of one photo: all (m,), one a searched view, m >= 1."""
        best = float(np.max(calibrated))
        out = standing_out(cosines, products) if self.slope > 0 else None
        return best if out is None else max(best, self.slope * out + self.offset)

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NoMatchRule:
        """An index of a release before this rule has its threshold alone. Raises KeyError without one."""
        slope, offset = float(values.get("slope", 0.0)), float(values.get("offset", 0.0))
        return cls(float(values["threshold"]), slope, offset)


def standing_out(cosines: FloatArray, products: IntArray) -> float | None:
    """The best product's best cosine above the median of all products' best; None for under LEAST_PRODUCTS.

    cosines and products (m,), one a view; products at least 0.
    """
    best = np.full(int(products.max()) + 1, -np.inf, np.float32)
    np.maximum.at(best, products, cosines)
    best = best[np.isfinite(best)]
    if len(best) < LEAST_PRODUCTS:
        return None
    return float(best.max() - np.median(best))


def fit_no_match(
    vectors: FloatArray, lines: FloatArray, products: IntArray, absent: FloatArray
) -> NoMatchRule:
    """The rule by which 1% of queries that have nothing to find are said to have a match.

    vectors (n, d), lines (n, 2) and products (n,) of the views, products in [0, p); absent (m, d) descriptors of
    such queries, rows of length 1; patches that `fit_calibration` saw must not be among them.
    """
    calibrated, out = _absent_scores(vectors, lines, products, absent)
    if np.unique(products).size < LEAST_PRODUCTS:
        return NoMatchRule(float(np.quantile(calibrated, 1.0 - FALSE_ACCEPTS)))
    level = 1.0 - FALSE_ACCEPTS / 2
    threshold, reach = float(np.quantile(calibrated, level)), float(np.quantile(out, level))
    # the line through both means and both thresholds
    slope = max(threshold - float(calibrated.mean()), 1e-6) / max(reach - float(out.mean()), 1e-6)
    return NoMatchRule(threshold, slope, threshold - slope * reach)


def _absent_scores(
    vectors: FloatArray, lines: FloatArray, products: IntArray, absent: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(m,) each query's best calibrated score, and how far its best product stands out."""
    ids, places = np.unique(products, return_inverse=True)
    together = max(16, _CELLS // len(ids))
    calibrated, out = np.empty(len(absent), np.float32), np.empty(len(absent), np.float32)
    with torch.inference_mode():
        for first in range(0, len(absent), together):
            part = slice(first, first + together)
            columns = torch.from_numpy(np.ascontiguousarray(absent[part], dtype=np.float32)).T
            best = torch.full((columns.shape[1],), -math.inf)
            of_product = torch.full((len(ids), columns.shape[1]), -math.inf)
            for start in range(0, len(vectors), _BLOCK):
                block = slice(start, start + _BLOCK)
                cosines = torch.from_numpy(np.array(vectors[block], dtype=np.float32)) @ columns
                to = torch.from_numpy(places[block])[:, None].expand_as(cosines)
                of_product.scatter_reduce_(0, to, cosines, "amax")
                line = torch.from_numpy(np.array(lines[block], dtype=np.float32))
                best = torch.maximum(best, (cosines * line[:, :1] + line[:, 1:]).amax(dim=0))
            calibrated[part] = best.numpy()
            out[part] = of_product.amax(dim=0).numpy() - np.median(of_product.numpy(), axis=0)
    return calibrated, out
