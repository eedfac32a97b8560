"""The nearest views of a slice: what a scan promises, and the exact one, which scores them all.

A million views are scanned faster than an approximate index loses the exact one; and with every score at
hand the best view of each product, the sum over several photos and the no-match test are exact as well.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from ml.types import FloatArray

__all__ = ["CANDIDATES", "ExactScan", "Found", "Scan"]

CANDIDATES = (
    4096  # views an approximate scan gives; of the few hundred products that a search ranks they are enough
)

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]

TOGETHER = 32  # queries of about one shape: their slices' union is little more than each
_BLOCK = 2048  # rows converted at a time beyond that: stays in the second-level cache


class Scan(Protocol):
    """What finds the nearest views of a generation; a row's number there is its id."""

    def nearest(self, query: FloatArray, rows: slice) -> Found:
        """query (d,) float32 of length 1 -> rows of the slice, ascending, and their cosines: all of them, or the
        CANDIDATES nearest, or as many as an approximate scan came upon. Raises IndexUnreachable."""


class ExactScan:
    """Cosines against float16 rows, in float32.

    rows: the same in float32, where the generation holds them. They take half the time (a processor without
    float16 arithmetic spends longer on the conversion than on the product), and being mapped, not copied,
    they lie in memory once for all processes. Without them the rows are converted block by block, in
    constant memory. Both give the same numbers up to rounding.
    """

    def __init__(self, vectors: npt.NDArray[np.float16], rows: npt.NDArray[np.float32] | None = None) -> None:
        self._halves = vectors
        self._rows = rows

    def nearest(self, query: FloatArray, rows: slice) -> Found:
        """All rows of the slice."""
        return np.arange(rows.start, rows.stop), self.scores(query, rows)

    def scores_at(self, query: FloatArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """query (d,) float32 of length 1, rows (m,) ascending -> (m,) cosines."""
        if (
            len(rows) and 2 * len(rows) >= rows[-1] + 1 - rows[0]
        ):  # reading all between is faster than picking
            between = self.scores(query, slice(int(rows[0]), int(rows[-1]) + 1))
            return np.asarray(between[rows - rows[0]])
        vectors = self._halves if self._rows is None else self._rows
        column = np.asarray(query, dtype=np.float32)
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = np.asarray(vectors[rows[part]], np.float32) @ column
        return found

    def scores(self, query: FloatArray, rows: slice) -> npt.NDArray[np.float32]:
        """query (d,) float32 of length 1 -> (rows.stop - rows.start,) cosines."""
        if self._rows is not None:
            # A vector, not a matrix of one row: with the latter the same product takes many times as long.
            found: npt.NDArray[np.float32] = self._rows[rows] @ np.asarray(query, dtype=np.float32)
            return found
        return self._streamed(np.asarray(query, dtype=np.float32), rows)

    def best(
        self, queries: FloatArray, slices: Sequence[slice], lines: FloatArray
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Many crops at once: (m,) the row of each query's slice with the highest calibrated score, -1 where the slice is
        empty, and (m,) its cosine.

        queries (m, d) float32 of length 1; slices of rows; lines (n, 2), each row's c and d (`ml.search.calibration`).
        Slices that begin together are scored together: the rows are read once for TOGETHER queries, not once for each.
        """
        vectors = self._halves if self._rows is None else self._rows
        found, cosines = np.full(len(queries), -1, np.int64), np.full(len(queries), -np.inf, np.float32)
        order = sorted(range(len(queries)), key=lambda at: (slices[at].start, slices[at].stop))
        for first in range(0, len(order), TOGETHER):
            group = order[first : first + TOGETHER]
            start = min(slices[at].start for at in group)
            stop = max(slices[at].stop for at in group)
            together = np.ascontiguousarray(queries[group], np.float32)
            highest = np.full(len(group), -np.inf, np.float32)
            for low in range(start, stop, _BLOCK):
                block = slice(low, min(low + _BLOCK, stop))
                of_block = together @ np.asarray(vectors[block], np.float32).T
                calibrated = of_block * lines[block, 0] + lines[block, 1]
                for place, at in enumerate(group):
                    inside = slice(max(slices[at].start - low, 0), max(slices[at].stop - low, 0))
                    scores = calibrated[place, inside]
                    if len(scores) and scores.max() > highest[place]:
                        row = inside.start + int(scores.argmax())
                        highest[place] = calibrated[place, row]
                        found[at], cosines[at] = low + row, of_block[place, row]
        return found, cosines

    def _streamed(self, query: npt.NDArray[np.float32], rows: slice) -> npt.NDArray[np.float32]:
        """Block by block through one buffer that stays in the cache; torch converts faster than numpy."""
        result = torch.empty(max(rows.stop - rows.start, 0))
        column = torch.from_numpy(query.copy())
        buffer = torch.empty(_BLOCK, len(query))
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is only read
            halves = torch.from_numpy(self._halves[rows])
            for start in range(0, len(result), _BLOCK):
                part = result[start : start + _BLOCK]
                block = buffer[: len(part)].copy_(halves[start : start + _BLOCK])
                torch.mv(block, column, out=part)
        return result.numpy()
