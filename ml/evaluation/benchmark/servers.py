"""The same query, asked of databases that keep vectors: what a shop may already run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib import util
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["milvus_search", "pgvector_searches"]

Rows = npt.NDArray[np.float32]
Search = Callable[[npt.NDArray[np.float32], slice], npt.NDArray[np.int64]]
"""A query (d,) and the rows that may be found -> rows, best first."""

_BATCH = 5_000
_EXPLORED = 800  # candidates HNSW keeps while it looks, of which the filter leaves a part


@contextmanager
def milvus_search(rows: Rows) -> Iterator[Search]:
    """Milvus' embedded form. Raises ImportError where it is not installed."""
    if util.find_spec("milvus_lite") is None or util.find_spec("pymilvus") is None:
        raise ImportError("milvus-lite: pip install shapelens[milvus]")
    from ml.search.milvus import MilvusViews

    with tempfile.TemporaryDirectory() as folder:
        views = MilvusViews.create(f"{folder}/bench.db", "bench", rows)

        def search(query: npt.NDArray[np.float32], within: slice) -> npt.NDArray[np.int64]:
            found, cosines = views.nearest(query, within)
            return np.asarray(found[np.argsort(-cosines)])

        try:
            yield search
        finally:
            views.close()


def pgvector_searches(rows: Rows, address: str, top: int) -> Iterator[tuple[str, Search]]:
    """The exact scan of a range of rows, then HNSW with the same filter, each with its name, to be used before the next
    is asked for.

    address: of a PostgreSQL server that has the extension; a table of this benchmark's own is made in it, and dropped.
    Raises ImportError without psycopg2, psycopg2.Error where the server or its extension can't be had.
    """
    import psycopg2
    from psycopg2.extras import execute_values

    size = f"vector({rows.shape[1]})"
    with closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute("DROP TABLE IF EXISTS shapelens_bench")
        cursor.execute(f"CREATE TABLE shapelens_bench (place integer PRIMARY KEY, view {size})")
        try:
            for start in range(0, len(rows), _BATCH):
                batch = enumerate(rows[start : start + _BATCH], start)
                values = [(place, _literal(row)) for place, row in batch]
                execute_values(cursor, "INSERT INTO shapelens_bench VALUES %s", values, page_size=_BATCH)
            cursor.execute("ANALYZE shapelens_bench")
            search = partial(_asked, cursor, top)
            yield "pgvector, range of rows", search
            # without the key nothing is left to plan with but the graph
            cursor.execute("ALTER TABLE shapelens_bench DROP CONSTRAINT shapelens_bench_pkey")
            cursor.execute("SET maintenance_work_mem = '2GB'")
            cursor.execute("SET enable_seqscan = off")
            cursor.execute(
                "CREATE INDEX ON shapelens_bench USING hnsw (view vector_ip_ops) "
                "WITH (m = 32, ef_construction = 80)"
            )
            cursor.execute(f"SET hnsw.ef_search = {_EXPLORED}")
            yield f"pgvector HNSW 32, filter, ef {_EXPLORED}", search
        finally:
            cursor.execute("DROP TABLE IF EXISTS shapelens_bench")


def _asked(cursor: Any, top: int, query: npt.NDArray[np.float32], within: slice) -> npt.NDArray[np.int64]:
    cursor.execute(
        "SELECT place FROM shapelens_bench WHERE place >= %s AND place < %s "
        "ORDER BY view <#> %s::vector LIMIT %s",
        (within.start, within.stop, _literal(query), top),
    )
    return np.array([row[0] for row in cursor.fetchall()], np.int64)


def _literal(row: npt.NDArray[np.float32]) -> str:
    return "[" + ",".join(f"{value:.6g}" for value in row) + "]"
