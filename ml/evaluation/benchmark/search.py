"""One crop against many views, and what a process keeps of them in memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from ml.evaluation.benchmark.lines import Line, Section, median_of, read_bandwidth
from ml.evaluation.benchmark.servers import Search, milvus_search, pgvector_searches
from ml.search.aspect import aspect_slice
from ml.search.scan import ExactScan

__all__ = ["Vectors", "draw_vectors", "memory_section", "search_section", "vectors_of"]

TAU = 0.9
TOP = 200
RECALLED = 10
RECALL = 0.99
REPEATS = 40
VIEWS_A_PRODUCT = 108
EXACT_COPIES = 2_000_000  # views up to which alternatives that copy them all are measured
_BLOCK = 108 * 1000


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """halves (n, d) float16 in aspect order; log_aspects (n,); queries (q, d); query_aspects (q,)."""

    halves: npt.NDArray[np.float16]
    log_aspects: npt.NDArray[np.float64]
    queries: npt.NDArray[np.float32]
    query_aspects: npt.NDArray[np.float64]

    def rows(self, at: int) -> slice:
        return aspect_slice(self.log_aspects, float(self.query_aspects[at]), TAU)


def draw_vectors(views: int, dim: int, folder: Path, *, seed: int = 0) -> Vectors:
    """Products whose 108 views lie on a smooth closed path, with log-normal aspects that turn with them;
    queries near some of the views. In a file of the folder, so that no size has to fit into memory."""
    rng = np.random.default_rng(seed)
    products = -(-views // VIEWS_A_PRODUCT)
    azimuths = np.linspace(0, 2 * np.pi, VIEWS_A_PRODUCT, endpoint=False)
    waves = np.stack([f(k * azimuths) / k for k in (1, 2, 3) for f in (np.cos, np.sin)], axis=1)
    widths = rng.normal(0.0, 0.5, (products, 1)) + 0.25 * np.cos(2 * azimuths)
    log_aspects = widths.reshape(-1)[:views]
    place = np.empty(views, np.int64)
    place[np.argsort(log_aspects, kind="stable")] = np.arange(views)
    halves = np.lib.format.open_memmap(
        folder / f"vectors-{views}.npy", mode="w+", dtype=np.float16, shape=(views, dim)
    )
    for start in range(0, views, _BLOCK):
        stop = min(start + _BLOCK, views)
        n = -(-(stop - start) // VIEWS_A_PRODUCT)
        base = rng.standard_normal((n, 1, dim), dtype=np.float32)
        turned = np.einsum("vw,nwd->nvd", waves, 0.5 * rng.standard_normal((n, 6, dim), dtype=np.float32))
        rows = (base + turned).reshape(-1, dim)[: stop - start]
        rows += 0.2 * rng.standard_normal(rows.shape, dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        halves[place[start:stop]] = rows
    halves.flush()
    return _with_queries(halves, np.sort(log_aspects), rng)


def vectors_of(generation: Path) -> Vectors:
    """Of a real index."""
    from ml.search.generation import open_generation

    opened = open_generation(generation)
    return _with_queries(opened.vectors, opened.log_aspects, np.random.default_rng(0))


def _with_queries(
    halves: npt.NDArray[np.float16], log_aspects: npt.NDArray[np.float64], rng: np.random.Generator
) -> Vectors:
    picked = rng.integers(0, len(halves), REPEATS)
    queries = np.array(halves[picked], dtype=np.float32)
    queries += 0.5 * rng.standard_normal(queries.shape, dtype=np.float32) / np.sqrt(queries.shape[1])
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return Vectors(halves, log_aspects, queries, np.exp(log_aspects[picked]))


# ---- time ---------------------------------------------------------------------------------


def search_section(vectors: Vectors, postgres: str | None = None) -> Section:
    """One query of tau 0.9, its best 200 views; recall is of the exact ten best of the slice.

    postgres: address of a server with pgvector; None leaves it out.
    """
    n, dim = vectors.halves.shape
    truth = [_exact(vectors, at) for at in range(REPEATS)]
    share = float(np.mean([vectors.rows(at).stop - vectors.rows(at).start for at in range(REPEATS)])) / n
    lines: list[Line] = []
    missing: list[str] = []
    if n <= EXACT_COPIES:
        rows = np.array(vectors.halves, dtype=np.float32)
        lines += _copying(vectors, rows, truth)
        more, missing = _servers(vectors, rows, truth, postgres)
        lines += more
    else:
        missing.append("numpy, FAISS flat, HNSW: more than these views would have to be copied")
    streamed = ExactScan(vectors.halves)
    is_streamed = n > EXACT_COPIES
    seconds = _timed(lambda at: _best(streamed.scores(vectors.queries[at], vectors.rows(at))))
    lines.append(Line("ours, slice, float16 streamed", seconds, "exact", is_ours=is_streamed))
    lines.append(_ivf(vectors, truth))
    least = share * n * dim * (2 if is_streamed else 4) / read_bandwidth()
    lines.append(Line("reading the slice's bytes once", least, "the memory's limit, one thread"))
    title = f"One crop against {n:,} views of {dim} values, {100 * share:.0f}% of them in the slice"
    return Section(title, "a query", tuple(lines), tuple(missing))


def _exact(vectors: Vectors, at: int) -> set[int]:
    found = vectors.rows(at)
    scores = ExactScan(vectors.halves).scores(vectors.queries[at], found)
    return {int(row) + found.start for row in np.argsort(-scores)[:RECALLED]}


def _copying(vectors: Vectors, rows: npt.NDArray[np.float32], truth: list[set[int]]) -> list[Line]:
    scan = ExactScan(vectors.halves, rows)
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    hnsw = faiss.IndexHNSWFlat(rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    hnsw.hnsw.efConstruction = 80
    hnsw.add(rows)

    def with_selector(index: Any, kind: type, **options: Any) -> Callable[[int], npt.NDArray[np.int64]]:
        def search(at: int) -> npt.NDArray[np.int64]:
            found = vectors.rows(at)
            selector = faiss.IDSelectorRange(found.start, found.stop)
            parameters = kind(sel=selector, **options)
            return np.asarray(index.search(vectors.queries[at : at + 1], TOP, params=parameters)[1][0])

        return search

    lines = [
        Line(
            "ours, slice, exact",
            _timed(lambda at: _best(scan.scores(vectors.queries[at], vectors.rows(at)))),
            "exact",
            is_ours=True,
        ),
        Line("numpy S @ q, every view", _timed(lambda at: _best(rows @ vectors.queries[at])), "no filter"),
        Line(
            "FAISS flat, every view",
            _timed(lambda at: flat.search(vectors.queries[at : at + 1], TOP)),
            "no filter",
        ),
        Line("FAISS flat, selector", _timed(with_selector(flat, faiss.SearchParameters)), "exact"),
    ]
    for ef in (200, 800, 3200):
        search = with_selector(hnsw, faiss.SearchParametersHNSW, efSearch=ef)  # type: ignore[attr-defined]
        recall = _recall(search, truth)
        if recall >= RECALL or ef == 3200:
            lines.append(Line(f"FAISS HNSW 32, selector, ef {ef}", _timed(search), f"recall@10 {recall:.3f}"))
            break
    return lines


def _ivf(vectors: Vectors, truth: list[set[int]]) -> Line:
    """Inverted lists of float16 codes; as many are looked into as the recall needs."""
    n, dim = vectors.halves.shape
    lists = int(min(65536, 4 * np.sqrt(n)))
    quantizer = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dim, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter = 8
    index.cp.max_points_per_centroid = 64
    sample = np.sort(np.random.default_rng(1).choice(n, min(n, 64 * lists), replace=False))
    index.train(np.array(vectors.halves[sample], dtype=np.float32))
    for start in range(0, n, _BLOCK):
        index.add(np.array(vectors.halves[start : start + _BLOCK], dtype=np.float32))

    def search(at: int, probes: int) -> npt.NDArray[np.int64]:
        found = vectors.rows(at)
        selector = faiss.IDSelectorRange(found.start, found.stop)
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=probes)  # type: ignore[call-arg]
        return np.asarray(index.search(vectors.queries[at : at + 1], TOP, params=parameters)[1][0])

    probes, recall = 1, 0.0
    while recall < RECALL and probes < lists:
        probes = min(2 * probes, lists)
        recall = _recall(partial(search, probes=probes), truth)
    name = f"FAISS IVF {lists} float16, selector, {probes} lists"
    return Line(name, _timed(partial(search, probes=probes)), f"recall@10 {recall:.3f}")


def _servers(
    vectors: Vectors, rows: npt.NDArray[np.float32], truth: list[set[int]], postgres: str | None
) -> tuple[list[Line], list[str]]:
    """Of databases that keep vectors, and why some could not be asked."""
    lines, missing = [], []

    def measure(name: str, ask: Search) -> None:
        def search(at: int) -> npt.NDArray[np.int64]:
            return ask(vectors.queries[at], vectors.rows(at))

        recall = _recall(search, truth)
        lines.append(Line(name, _timed(search, 10), f"recall@10 {recall:.3f}"))

    try:
        with milvus_search(rows) as ask:
            measure("milvus-lite, range of rows", ask)
    except ImportError as error:
        missing.append(str(error))
    if postgres is None:
        missing.append("pgvector: --postgres ADDRESS of a server that has it")
    else:
        for name, ask in pgvector_searches(rows, postgres, TOP):
            measure(name, ask)
    return lines, missing


def _recall(search: Callable[[int], npt.NDArray[np.int64]], truth: list[set[int]]) -> float:
    return float(
        np.mean(
            [len(right & set(search(at)[:RECALLED].tolist())) / len(right) for at, right in enumerate(truth)]
        )
    )


def _best(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    if len(scores) <= TOP:
        return np.argsort(-scores)
    return np.asarray(np.argpartition(-scores, TOP)[:TOP])


def _timed(run: Callable[[int], object], times: int = REPEATS) -> float:
    return median_of(run, times)


# ---- memory -------------------------------------------------------------------------------


def memory_section(views: int, dim: int, folder: Path) -> str:
    """What two processes that search the same views keep, in words and megabytes."""
    path = folder / "rows.npy"
    np.save(path, np.random.default_rng(0).standard_normal((views, dim), dtype=np.float32))
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        barrier = context.Manager().Barrier(2)
        kept = pool.starmap(_keep, [(str(path), barrier)] * 2)
    size = views * dim * 4 / 2**20
    parts = "; ".join(
        f"resident {rss:.0f} MB, its own share {pss:.0f} MB, of its own {own:.0f} MB"
        for rss, pss, own in kept
    )
    return f"{views:,} views take {size:.0f} MB; of them, in each of two processes: {parts}"


def _keep(path: str, barrier: Any) -> tuple[float, float, float]:
    """Resident, proportional and private megabytes of the mapped file after a scan, while both hold it."""
    rows = np.load(path, mmap_mode="r")
    ExactScan(np.empty((0, rows.shape[1]), np.float16), rows).scores(rows[0], slice(0, len(rows)))
    barrier.wait()
    found = _of_mapping(path)
    barrier.wait()
    return found


def _of_mapping(path: str) -> tuple[float, float, float]:
    values = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    is_ours = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if "-" in line.split(" ", 1)[0]:
            is_ours = line.endswith(path)
        elif is_ours and name in values:
            values[name] += int(rest.split()[0])
    private = values["Private_Clean"] + values["Private_Dirty"]
    return values["Rss"] / 1024, values["Pss"] / 1024, private / 1024
