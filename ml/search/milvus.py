"""Views in Milvus, for catalogs that one machine's memory doesn't hold: the nearest views under the aspect
filter, by a server's address or, for tests, in a file (milvus-lite).

A collection is a generation: filled beside the one that serves, then an alias is pointed at it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.errors import GenerationMismatch
from ml.types import FloatArray

__all__ = ["MilvusViews"]

_BATCH = 2000  # rows sent at a time: 2 MB
_MOST = 16_384  # hits Milvus gives at once


class MilvusViews:
    """The nearest views of a crop. Needs `pip install shapelens[milvus]`."""

    def __init__(self, uri: str, name: str) -> None:
        """uri: http://host:19530, or a file's path ending in .db; name: a collection or an alias.

        Raises GenerationMismatch where there is none of that name.
        """
        from pymilvus import MilvusClient

        self._client: Any = MilvusClient(uri)
        self._name = name
        if not self._client.has_collection(name):
            self._client.close()
            raise GenerationMismatch(f"Milvus at {uri} has no collection {name!r}; run manage.py build_index")
        self._client.load_collection(name)

    @classmethod
    def create(
        cls,
        uri: str,
        name: str,
        rows: npt.NDArray[np.floating[Any]],
        log_aspects: FloatArray,
        view_ids: npt.NDArray[np.int64],
        *,
        index: str = "FLAT",
    ) -> MilvusViews:
        """A new collection of these views, loaded. rows (n, d) of length 1; index: FLAT is exact, HNSW and
        IVF_FLAT are for what FLAT is too slow for."""
        from pymilvus import DataType, MilvusClient

        client: Any = MilvusClient(uri)
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("view_id", DataType.INT64, is_primary=True)
        schema.add_field("log_aspect", DataType.DOUBLE)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.shape[1])
        indexes = client.prepare_index_params()
        indexes.add_index("vector", index_type=index, metric_type="IP", params={})
        client.create_collection(name, schema=schema, index_params=indexes)
        for start in range(0, len(rows), _BATCH):
            part = slice(start, start + _BATCH)
            columns = zip(view_ids[part], log_aspects[part], rows[part], strict=True)
            client.insert(
                name,
                [
                    {"view_id": int(view), "log_aspect": float(aspect), "vector": np.asarray(row, np.float32)}
                    for view, aspect, row in columns
                ],
            )
        client.flush(name)
        client.close()
        return cls(uri, name)

    def search(
        self, query: FloatArray, aspect: float, tau: float, top: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The best `top` view ids whose aspect is within a factor tau of the query's (thesis eq. 3.4), and
        their cosines, best first. query (d,) of length 1; aspect: height / width."""
        if not 0 < tau <= 1 or not (aspect > 0 and math.isfinite(aspect)):
            raise ValueError(f"tau {tau!r} has to be in (0, 1], the aspect {aspect!r} above 0")
        low, high = math.log(aspect) + math.log(tau), math.log(aspect) - math.log(tau)
        [hits] = self._client.search(
            self._name,
            data=[np.asarray(query, np.float32).tolist()],
            filter=f"log_aspect > {low!r} and log_aspect < {high!r}",
            limit=min(top, _MOST),
            output_fields=["view_id"],
            search_params={"metric_type": "IP", "params": {}},
        )
        ids = np.array([hit["entity"]["view_id"] for hit in hits], np.int64)
        return ids, np.array([hit["distance"] for hit in hits], np.float32)

    def serve_as(self, alias: str) -> None:
        """Point the alias at this collection in one step: whoever searches by it never sees half a generation."""
        for known in self._client.list_collections():
            if alias in self._client.list_aliases(known).get("aliases", []):
                self._client.alter_alias(self._name, alias)
                return
        self._client.create_alias(self._name, alias)

    def close(self) -> None:
        self._client.close()
