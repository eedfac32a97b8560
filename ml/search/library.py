"""What one search looks through: an index generation, and the small ones appended since.

The exact scan scores every view of the slice. An approximate one gives candidates; they name products, and all
views of those in the slice are scored exactly. So the mean of a product's best views, its other viewpoints and the
no-match rule see of a product what they see with the exact scan; what may be missed is a product none of whose
views is among the candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.errors import NoViews
from ml.search.aspect import aspect_slice, widen
from ml.search.colors import tell_apart
from ml.search.decision import COMPARED
from ml.search.generation import Generation, open_generation
from ml.search.indexes import EXACT, IndexChoice, open_scan
from ml.search.manifest import Manifest
from ml.search.rerank import Stored
from ml.search.scan import ExactScan, Found
from ml.types import Array, BoolArray, Camera, FloatArray, IntArray, View

__all__ = ["Library", "Scored"]

_TOGETHER = 16_384  # views whose vectors are read at a time: 8 MB
ENOUGH = 1024  # live candidates; with fewer (a rare shape, most products withdrawn) the slice is scored


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The views searched for one crop, each array (m,).

    rows        int64, global row: position in the generations laid end to end
    cosines     float32
    calibrated  float32
    products    int64, index into `Library.model_ids`
    tau         the factor that was used, is_widened where it is not the one asked for
    """

    rows: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]
    calibrated: npt.NDArray[np.float32]
    products: npt.NDArray[np.int64]
    tau: float
    is_widened: bool


class Library:
    """Generations searched together. A model in several of them is taken from the last."""

    def __init__(self, generations: Sequence[Generation], choice: IndexChoice = EXACT) -> None:
        self.generations = tuple(generations)
        self._exact = [ExactScan(generation.vectors, generation.rows) for generation in generations]
        self._scans = [open_scan(generation, choice) for generation in generations]
        self._is_exact = all(isinstance(scan, ExactScan) for scan in self._scans)
        self._offsets = np.cumsum([0, *(len(generation) for generation in generations)])
        ids = np.concatenate([generation.model_ids for generation in generations])
        self.model_ids, products = np.unique(ids, return_inverse=True)
        last = np.full(len(self.model_ids), -1)
        self._products: list[npt.NDArray[np.int64]] = []
        for index, (start, stop) in enumerate(zip(self._offsets[:-1], self._offsets[1:], strict=True)):
            self._products.append(products[start:stop].astype(np.int64))
            last[self._products[-1]] = index
        self._is_current = [last[found] == index for index, found in enumerate(self._products)]
        cohort = self.manifest.no_match.get("cohort")
        colors = self.generations[0].colors
        self.is_colored = colors is not None and tell_apart(colors)
        self.has_colors = all(generation.colors is not None for generation in generations)
        self.cohort: BoolArray | None = None if cohort is None else np.isin(self.model_ids, cohort)

    @classmethod
    def open(cls, folders: Iterable[Path], choice: IndexChoice = EXACT) -> Library:
        """Memory-mapped. Raises GenerationCorrupt, IndexUnreachable."""
        return cls([open_generation(folder) for folder in folders], choice)

    def __len__(self) -> int:
        return int(self._offsets[-1])

    @property
    def manifest(self) -> Manifest:
        """The main generation's."""
        return self.generations[0].manifest

    def live_rows(self, withdrawn: frozenset[int]) -> list[npt.NDArray[np.bool_]]:
        """For each generation, (n,) bool: the views a search may return."""
        if not withdrawn:
            return self._is_current
        is_out = np.isin(self.model_ids, np.fromiter(withdrawn, dtype=np.int64))
        return [
            current & ~is_out[products]
            for current, products in zip(self._is_current, self._products, strict=True)
        ]

    def score_photos(
        self,
        crops: Sequence[tuple[FloatArray, float]],
        tau: float,
        live: Sequence[npt.NDArray[np.bool_]],
    ) -> list[Scored]:
        """`score` for each vector and aspect of photos of one object: what is compared with one is with all."""
        found = [self.score(vector, aspect, tau, live) for vector, aspect in crops]
        if len(found) == 1 or self._is_exact:
            return found
        wanted = np.zeros(len(self.model_ids), np.bool_)
        for one in found:
            wanted |= self._best_products(one.products, one.cosines)
        return [self.score(vector, aspect, tau, live, wanted=wanted) for vector, aspect in crops]

    def score(
        self,
        vector: FloatArray,
        aspect: float,
        tau: float,
        live: Sequence[npt.NDArray[np.bool_]],
        *,
        wanted: BoolArray | None = None,
    ) -> Scored:
        """The live views whose aspect is within a factor tau of the crop's, scored exactly: all of them, or with
        an approximate scan those of the products it proposes, of the cohort and of `wanted` (p,).

        Where none is, tau is widened until one is. Raises NoViews where no view is live at all, IndexUnreachable.
        """
        if not any(mask.any() for mask in live):
            raise NoViews("the index holds no view to compare with; import products and build it")
        slices, used = self._slices(aspect, tau, live)
        rows, cosines, calibrated, products = [], [], [], []
        for index, (found, mask) in enumerate(zip(slices, live, strict=True)):
            at, scores = self._scans[index].nearest(vector, found)
            if len(at) < found.stop - found.start:
                at, scores = self._completed(index, vector, found, mask, (at, scores), wanted)
            # all rows of a slice are taken as one, without a copy
            where = found if len(at) == found.stop - found.start else at
            lines = self.generations[index].calibration[where]
            keep = mask[where]
            picked: slice | npt.NDArray[np.bool_] = slice(None) if keep.all() else keep
            rows.append(at[picked] + self._offsets[index])
            cosines.append(scores[picked])
            calibrated.append((scores * lines[:, 0] + lines[:, 1])[picked])
            products.append(self._products[index][where][picked])
        return Scored(
            np.concatenate(rows),
            np.concatenate(cosines),
            np.concatenate(calibrated),
            np.concatenate(products),
            used,
            used != tau,
        )

    def scores_at(self, vector: FloatArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Exact cosines of a vector (d,) of length 1 with the views of global rows (m,) ascending: (m,)."""
        found = np.empty(len(rows), np.float32)
        bounds = np.searchsorted(rows, self._offsets)
        for index, (first, last) in enumerate(pairwise(bounds)):
            local = rows[first:last] - self._offsets[index]
            found[first:last] = self._exact[index].scores_at(vector, local)
        return found

    def _completed(
        self,
        index: int,
        vector: FloatArray,
        found: slice,
        mask: npt.NDArray[np.bool_],
        candidates: Found,
        wanted: BoolArray | None,
    ) -> Found:
        """All live views of the slice whose products the candidates name, or all, where those are not ENOUGH."""
        rows, cosines = candidates
        is_live = mask[rows]
        keep = mask[found]
        if np.count_nonzero(is_live) >= ENOUGH:
            products = self._products[index]
            named = self._best_products(products[rows[is_live]], cosines[is_live])
            for more in (self.cohort, wanted):
                named = named if more is None else named | more
            keep = keep & named[products[found]]
        rows = found.start + np.flatnonzero(keep)
        return rows, self._exact[index].scores_at(vector, rows)

    def _best_products(
        self, products: npt.NDArray[np.int64], cosines: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.bool_]:
        """(p,): the COMPARED products of the best cosine; both arguments (m,), one a view."""
        best = np.full(len(self.model_ids), -np.inf, np.float32)
        np.maximum.at(best, products, cosines)
        least = np.partition(best, -COMPARED)[-COMPARED] if len(best) > COMPARED else -np.inf
        return (best >= least) & np.isfinite(best)

    def _slices(
        self, aspect: float, tau: float, live: Sequence[npt.NDArray[np.bool_]]
    ) -> tuple[list[slice], float]:
        """One slice a generation, of one tau: the given one, or the first wider that holds a live view."""
        used = tau
        while True:
            slices = [
                aspect_slice(generation.log_aspects, aspect, used, aspects=generation.aspects)
                for generation in self.generations
            ]
            if any(mask[found].any() for mask, found in zip(live, slices, strict=True)):
                return slices, used
            used = min(
                widen(generation.log_aspects[mask], aspect, used, aspects=generation.aspects[mask])[1]
                for generation, mask in zip(self.generations, live, strict=True)
                if mask.any()
            )

    def locate(self, row: int) -> tuple[Generation, int]:
        """The generation a global row lies in, and its row there."""
        index = int(np.searchsorted(self._offsets, row, side="right")) - 1
        return self.generations[index], int(row - self._offsets[index])

    def view(self, row: int) -> View:
        generation, local = self.locate(row)
        return generation.view(local)

    def azimuths(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """(m,) radians of the views of global rows (m,) ascending."""
        bounds = np.searchsorted(rows, self._offsets)
        parts = [
            np.asarray(generation.angles[rows[first:last] - offset, 0], np.float64)
            for generation, offset, (first, last) in zip(
                self.generations, self._offsets[:-1], pairwise(bounds), strict=True
            )
        ]
        return np.concatenate(parts)

    def view_place(self, row: int) -> int:
        """Which of its model's views it is, from 0."""
        generation, local = self.locate(row)
        azimuth, elevation = np.degrees(np.asarray(generation.angles[local], np.float64))
        grid = np.asarray(generation.manifest.grid)
        turn = np.abs((grid[:, 0] - azimuth + 180) % 360 - 180)
        return int((turn + np.abs(grid[:, 1] - elevation)).argmin())

    def view_id(self, row: int) -> int:
        generation, local = self.locate(row)
        return int(generation.view_ids[local])

    def camera(self, row: int) -> Camera:
        generation, local = self.locate(row)
        return generation.camera(local)

    def vectors(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(m, d) vectors of the views of global rows (m,)."""
        found = [self.locate(int(row)) for row in rows]
        return np.stack([np.asarray(generation.vectors[local], np.float32) for generation, local in found])

    def blocks(self) -> Iterator[tuple[FloatArray, IntArray]]:
        """All current views, some at a time: vectors (n, d) and products (n,)."""
        for offset, products, current in zip(
            self._offsets[:-1], self._products, self._is_current, strict=True
        ):
            rows = np.flatnonzero(current)
            for start in range(0, len(rows), _TOGETHER):
                some = rows[start : start + _TOGETHER]
                yield self.vectors(some + offset), products[some]

    def stored(self, rows: npt.NDArray[np.int64]) -> Stored:
        """What is kept of global rows (m,) ascending; cells and colors where all generations have them."""
        bounds = np.searchsorted(rows, self._offsets)
        local = [
            rows[first:last] - offset
            for offset, (first, last) in zip(self._offsets[:-1], pairwise(bounds), strict=True)
        ]

        def taken(name: str) -> Array | None:
            tables = [getattr(generation, name) for generation in self.generations]
            if any(table is None for table in tables):
                return None
            return np.concatenate([table[at] for table, at in zip(tables, local, strict=True)])

        masks = taken("masks")
        assert masks is not None
        return Stored(taken("cells"), masks, taken("colors"))
