"""`python -m ml bench`: the search stage against alternatives, on the same vectors, in one run.

Ratios are what is compared between machines; milliseconds depend on who else is on them.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from ml.search.aspect import aspect_slice
from ml.search.scan import ExactScan
from ml.types import FloatArray

__all__ = ["Vectors", "draw_vectors", "main"]

TAUS = (0.9, 0.75, 0.5)
TOP = 200
REPEATS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """halves (n, d) float16 in aspect order; log_aspects (n,); queries (q, d); query_aspects (q,)."""

    halves: npt.NDArray[np.float16]
    log_aspects: npt.NDArray[np.float64]
    queries: npt.NDArray[np.float32]
    query_aspects: npt.NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml bench", description=__doc__)
    parser.add_argument("--views", type=int, default=85_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--generation", type=Path, help="the vectors of an index, instead of drawn ones")
    arguments = parser.parse_args(argv)
    if arguments.generation:
        vectors = _of_generation(arguments.generation)
    else:
        vectors = draw_vectors(arguments.views, arguments.dim)
    console = Console(width=120)
    console.print(_machine(vectors), highlight=False)
    console.print(compare(vectors))
    return 0


def draw_vectors(views: int, dim: int, *, seed: int = 0) -> Vectors:
    """Rows of length 1 with log-normal aspects, as a furniture catalog's are; queries near some of them."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((views, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    log_aspects = np.sort(rng.normal(0.0, 0.5, views))
    return _with_queries(rows.astype(np.float16), log_aspects, rng)


def _of_generation(folder: Path) -> Vectors:
    from ml.search.generation import open_generation

    opened = open_generation(folder)
    return _with_queries(opened.vectors, opened.log_aspects, np.random.default_rng(0))


def _with_queries(
    halves: npt.NDArray[np.float16], log_aspects: npt.NDArray[np.float64], rng: np.random.Generator
) -> Vectors:
    picked = rng.integers(0, len(halves), REPEATS)
    queries = np.array(halves[picked], dtype=np.float32)
    queries += 0.5 * rng.standard_normal(queries.shape, dtype=np.float32) / np.sqrt(queries.shape[1])
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return Vectors(halves, log_aspects, queries, np.exp(log_aspects[picked]))


def compare(vectors: Vectors) -> Table:
    """A table: milliseconds a query (median) and the ratio to a full scan in numpy, higher is faster."""
    halves = vectors.halves
    rows = np.array(halves, dtype=np.float32)
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    mapped = _mapped_codes(rows)
    scan, streamed = ExactScan(halves), ExactScan(halves, memory=0)

    def sliced(at: int, tau: float) -> slice:
        return aspect_slice(vectors.log_aspects, float(vectors.query_aspects[at]), tau)

    def faiss_slice(at: int, tau: float) -> None:
        found = sliced(at, tau)
        selector = faiss.IDSelectorRange(found.start, found.stop, True)
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        mapped.search(vectors.queries[at : at + 1], TOP, params=parameters)

    full = slice(0, len(halves))
    base = _median(lambda at: _top(rows @ vectors.queries[at]))
    table = Table(title="one query, best 200 views", title_justify="left")
    for heading in ("search", "ms", "ratio to numpy S @ q"):
        table.add_column(heading, justify="left" if heading == "search" else "right")

    def ours_slice(at: int, tau: float) -> None:
        _top(scan.scores(vectors.queries[at], sliced(at, tau)))

    def row(name: str, run: Callable[[int], object]) -> None:
        taken = _median(run)
        table.add_row(name, f"{1e3 * taken:.2f}", f"{base / taken:.2f}")

    table.add_row("numpy S @ q, every view", f"{1e3 * base:.2f}", "1.00")
    row("FAISS flat float32, every view", lambda at: flat.search(vectors.queries[at : at + 1], TOP))
    row("FAISS float16 mapped, every view", lambda at: mapped.search(vectors.queries[at : at + 1], TOP))
    row("ours, every view", lambda at: _top(scan.scores(vectors.queries[at], full)))
    row("ours, float16 streamed, every view", lambda at: _top(streamed.scores(vectors.queries[at], full)))
    for tau in TAUS:
        share = np.mean([_length(sliced(at, tau)) for at in range(REPEATS)]) / len(halves)
        name = f"tau {tau:g} ({100 * share:.0f}% of the views)"
        row(f"ours, {name}", partial(ours_slice, tau=tau))
        row(f"FAISS float16 mapped, {name}", partial(faiss_slice, tau=tau))
    return table


def _mapped_codes(rows: npt.NDArray[np.float32]) -> faiss.Index:
    """A float16 FAISS index opened memory-mapped; its file may be unlinked once it is mapped."""
    codes = faiss.IndexScalarQuantizer(
        rows.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    codes.train(rows[:1])
    codes.add(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "codes.faiss")
        faiss.write_index(codes, path)
        return faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC)


def _length(found: slice) -> int:
    return int(found.stop - found.start)


def _top(scores: FloatArray) -> npt.NDArray[np.int64]:
    if len(scores) <= TOP:
        return np.argsort(-scores)
    return np.asarray(np.argpartition(-scores, TOP)[:TOP])


def _median(run: Callable[[int], object]) -> float:
    """Seconds a query."""
    run(0)
    taken = []
    for at in range(REPEATS):
        start = time.perf_counter()
        run(at)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def _machine(vectors: Vectors) -> str:
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    load = os.getloadavg()[0]
    n, dim = vectors.halves.shape
    return (
        f"{n} views x {dim}, {REPEATS} queries; {processor}, {os.cpu_count()} cores, load {load:.1f}; "
        f"python {platform.python_version()}, numpy {np.__version__}, faiss {faiss.__version__}, "
        f"{faiss.omp_get_max_threads()} FAISS threads"
    )
