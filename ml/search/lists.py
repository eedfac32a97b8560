"""Inverted lists: the nearest views of a slice, found by looking into a few lists of alike views.

As many lists are looked into as finds what the exact scan finds, measured on the generation itself while it is
built. Where that takes too many of them the lists are not kept, and the exact scan stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.errors import GenerationCorrupt
from ml.search.aspect import aspect_slice
from ml.search.scan import CANDIDATES, ExactScan, Found, Scan
from ml.types import FloatArray

__all__ = ["LISTS_FILE", "RECALL", "InvertedLists", "write_lists"]

LISTS_FILE = "lists.faiss"
RECALL = 0.99  # of the exact ten nearest views under the aspect filter
MOST_PROBED = 0.25  # share of the lists; to look into more takes about as long as the exact scan

_RECALLED = 10
_TAU = 0.9  # of a search
_QUERIES = 200  # of each kind
_AWAY = 1.0  # length of the noise added to a view: its cosine with the view is then 0.7
_LISTS_A_ROOT = 4  # lists for each of the square root of views
_MOST_LISTS = 65_536
_TRAINED_A_LIST = 64  # views that the lists' centers are fitted to
_ROUNDS = 8  # of k-means
_EQUAL = 1e-5  # of cosine
_BLOCK = 100_000  # views added at a time


class InvertedLists:
    """Mapped, not copied: processes that search the same lists hold them in memory once."""

    def __init__(self, path: Path, *, probed: int) -> None:
        """probed: lists looked into. Raises GenerationCorrupt where the file isn't one of ours."""
        faiss = _faiss()
        try:
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            raise GenerationCorrupt(f"{path} can't be opened ({error}); run manage.py build_index") from error
        # by default 32 threads are begun for every query, to touch pages which then are in memory anyway
        faiss.downcast_InvertedLists(self._index.invlists).prefetch_nthread = 0
        self.probed = probed

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def nearest(self, query: FloatArray, rows: slice) -> Found:
        faiss = _faiss()
        most = min(CANDIDATES, rows.stop - rows.start)
        if most <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        # views were added in order, so each list holds its rows ascending
        inside = faiss.IDSelectorRange(rows.start, rows.stop, True)
        parameters = faiss.SearchParametersIVF(sel=inside, nprobe=self.probed)
        asked = np.asarray(query, np.float32)[None]
        [cosines], [found] = self._index.search(asked, most, params=parameters)
        order = np.argsort(found)[np.count_nonzero(found < 0) :]  # -1 where there are no more
        return found[order], cosines[order]


def write_lists(
    vectors: npt.NDArray[np.float16], log_aspects: FloatArray, backgrounds: FloatArray, path: Path
) -> Mapping[str, Any]:
    """Lists of a generation's views, at `path` if they find enough, and what was measured, for the manifest.

    vectors (n, d) and log_aspects (n,) in aspect order; backgrounds (m, d) descriptors of photos without products.
    Two kinds of queries have to be answered, each under the aspect filter: views of the generation with noise, and
    backgrounds, whose nearest views are far and lie in many lists.
    """
    lists = _fill(vectors, path)
    scan = InvertedLists(path, probed=1)
    kinds = [_noisy_views(vectors, log_aspects), _backgrounds(backgrounds, log_aspects)]
    exact = ExactScan(vectors)
    truth = [[_ten_best(exact, query, rows) for query, rows in kind] for kind in kinds]
    recall = 0.0
    for probed in _doubled(lists):
        scan.probed = probed
        recall = min(_recall(scan, kind, right) for kind, right in zip(kinds, truth, strict=True))
        if recall >= RECALL:
            return {"kind": "lists", "lists": lists, "probed": probed, "recall": round(recall, 4)}
    path.unlink()
    reason = f"with {scan.probed} of {lists} lists recall@{_RECALLED} was {recall:.3f}, under {RECALL}"
    return {"kind": "exact", "reason": f"inverted lists were left out: {reason}"}


def _faiss() -> Any:
    """Loaded only where lists are used; much of it has no types."""
    import faiss

    return faiss


def _fill(vectors: npt.NDArray[np.float16], path: Path) -> int:
    """Write all views into lists of their own float16 numbers; how many lists."""
    faiss = _faiss()
    n, dim = vectors.shape
    lists: int = min(_MOST_LISTS, round(_LISTS_A_ROOT * math.sqrt(n)), n)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim),
        dim,
        lists,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,  # the numbers themselves, not what is left of them without the list's center
    )
    index.cp.niter, index.cp.min_points_per_centroid = _ROUNDS, 1
    index.cp.max_points_per_centroid = _TRAINED_A_LIST
    sample = np.random.default_rng(1).choice(n, min(n, _TRAINED_A_LIST * lists), replace=False)
    index.train(np.asarray(vectors[np.sort(sample)], np.float32))
    for start in range(0, n, _BLOCK):
        index.add(np.asarray(vectors[start : start + _BLOCK], np.float32))
    faiss.write_index(index, str(path))
    return lists


_Query = tuple[FloatArray, slice]  # (d,) of length 1, and the rows of about its proportions


def _noisy_views(vectors: npt.NDArray[np.float16], log_aspects: FloatArray) -> list[_Query]:
    rng = np.random.default_rng(2)
    picked = rng.integers(len(vectors), size=_QUERIES)
    noise = rng.standard_normal((_QUERIES, vectors.shape[1]), dtype=np.float32)
    noise *= _AWAY / np.linalg.norm(noise, axis=1, keepdims=True)
    return _queries(np.asarray(vectors[picked], np.float32) + noise, log_aspects[picked], log_aspects)


def _backgrounds(backgrounds: FloatArray, log_aspects: FloatArray) -> list[_Query]:
    """Their descriptors say nothing of proportions: each takes some view's."""
    queries = backgrounds[:_QUERIES]
    picked = np.random.default_rng(3).integers(len(log_aspects), size=len(queries))
    return _queries(queries, log_aspects[picked], log_aspects)


def _queries(queries: FloatArray, asked: FloatArray, log_aspects: FloatArray) -> list[_Query]:
    units = np.asarray(queries / np.linalg.norm(queries, axis=1, keepdims=True), np.float32)
    return [
        (unit, aspect_slice(log_aspects, float(np.exp(aspect)), _TAU))
        for unit, aspect in zip(units, asked, strict=True)
    ]


def _ten_best(scan: Scan, query: FloatArray, rows: slice) -> FloatArray:
    """(10,) cosines or fewer, descending."""
    return np.sort(scan.nearest(query, rows)[1])[::-1][:_RECALLED]


def _recall(scan: Scan, queries: list[_Query], truth: list[FloatArray]) -> float:
    """Mean share of the exact ten that the scan finds. Of a round table's views many are the same: whichever it
    finds of equal ones is right, so cosines are compared and not rows."""
    shares = [
        np.count_nonzero(_ten_best(scan, query, rows) >= right[-1] - _EQUAL) / len(right)
        for (query, rows), right in zip(queries, truth, strict=True)
        if len(right)
    ]
    return float(np.mean(shares))


def _doubled(lists: int) -> list[int]:
    """1, 2, 4, ... up to the share that is still worth it."""
    most = max(1, int(MOST_PROBED * lists))
    return [*(2**k for k in range(most.bit_length()) if 2**k < most), most]
