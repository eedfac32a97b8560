"""The exact search: every view of a slice is scored.

A million views are scanned faster than an approximate index loses the exact one; and with every score at
hand the best view of each product, the sum over several photos and the no-match test are exact as well.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ml.types import FloatArray

__all__ = ["ExactScan"]

MEMORY = 512 * 2**20  # bytes of float32 rows a process may hold
_BLOCK = 2048  # rows converted at a time beyond that: stays in the second-level cache


class ExactScan:
    """Cosines against float16 rows, in float32.

    Up to `memory` bytes the rows are converted once (half the time of converting on the fly: a processor
    without float16 arithmetic spends longer on the conversion than on the product); beyond, block by block
    from the memory-mapped file, in constant memory. Both give the same numbers up to rounding.
    """

    def __init__(self, vectors: npt.NDArray[np.float16], *, memory: int = MEMORY) -> None:
        self._halves = vectors
        self._rows: npt.NDArray[np.float32] | None = None
        if vectors.size * 4 <= memory:
            self._rows = np.empty(vectors.shape, dtype=np.float32)
            for start in range(0, len(vectors), _BLOCK):
                self._rows[start : start + _BLOCK] = self._block(start, len(vectors)).numpy()

    def _block(self, start: int, stop: int) -> torch.Tensor:
        # np.array copies the block out of the read-only map, which torch can't share.
        return torch.from_numpy(np.array(self._halves[start : min(start + _BLOCK, stop)])).float()

    def scores(self, query: FloatArray, rows: slice) -> npt.NDArray[np.float32]:
        """query (d,) float32 of length 1 -> (rows.stop - rows.start,) cosines."""
        if self._rows is not None:
            # A vector, not a matrix of one row: with the latter the same product takes many times as long.
            found: npt.NDArray[np.float32] = self._rows[rows] @ np.asarray(query, dtype=np.float32)
            return found
        result = torch.empty(max(rows.stop - rows.start, 0))
        column = torch.from_numpy(np.array(query, dtype=np.float32))
        with torch.inference_mode():
            for start in range(rows.start, rows.stop, _BLOCK):
                block = self._block(start, rows.stop)
                torch.mv(block, column, out=result[start - rows.start : start - rows.start + len(block)])
        return result.numpy()
