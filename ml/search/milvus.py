"""Views in Milvus, for catalogs that one machine's memory doesn't hold: by a server's address or, for tests, in a
file (milvus-lite).

A collection is a generation and never changes: filled beside the one that serves, found by its own name. An alias
says to others which one serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt

from ml.errors import GenerationCorrupt, IndexUnreachable
from ml.search.scan import CANDIDATES, Found
from ml.types import FloatArray

__all__ = ["ALIAS", "MilvusViews", "drop_collection"]

ALIAS = "shapelens"  # of the collection that serves

_BATCH = 2000  # rows sent at a time: 2 MB
_SECONDS = 10.0  # a search waits for the server
_BUILD_SECONDS = 600.0  # a collection is loaded or flushed in


class MilvusViews:
    """The nearest views by their row in the generation. Needs `pip install shapelens[milvus]`."""

    def __init__(self, url: str, name: str) -> None:
        """url: http://[user:password@]host:19530[/database], or a file's path ending in .db; name: a collection.

        Raises IndexUnreachable, and GenerationCorrupt where there is none of that name.
        """
        self._url, self._name = url, name
        with _told(url):
            self._client = _connect(url)
            if not self._client.has_collection(name, timeout=_SECONDS):
                self._client.close()
                raise GenerationCorrupt(
                    f"{_place(url)} has no collection {name!r}; run manage.py build_index"
                )
            self._client.load_collection(name, timeout=_BUILD_SECONDS)

    @classmethod
    def create(cls, url: str, name: str, vectors: npt.NDArray[np.floating[Any]]) -> MilvusViews:
        """A new collection of these views (n, d) of length 1, loaded. Its index is FLAT: exact, over as many
        machines as the server has. Raises IndexUnreachable."""
        with _told(url):
            from pymilvus import DataType

            client = _connect(url)
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("row", DataType.INT64, is_primary=True)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
            indexes = client.prepare_index_params()
            indexes.add_index("vector", index_type="FLAT", metric_type="IP", params={})
            client.create_collection(name, schema=schema, index_params=indexes, timeout=_BUILD_SECONDS)
            for start in range(0, len(vectors), _BATCH):
                part = np.asarray(vectors[start : start + _BATCH], np.float32)
                rows = [{"row": start + k, "vector": vector} for k, vector in enumerate(part)]
                client.insert(name, rows, timeout=_BUILD_SECONDS)
            client.flush(name, timeout=_BUILD_SECONDS)
            client.close()
        return cls(url, name)

    def __len__(self) -> int:
        with _told(self._url):
            [counted] = self._client.query(
                self._name, output_fields=["count(*)"], consistency_level="Strong", timeout=_SECONDS
            )
        return int(counted["count(*)"])

    def nearest(self, query: FloatArray, rows: slice) -> Found:
        most = min(CANDIDATES, rows.stop - rows.start)
        if most <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        with _told(self._url):
            [hits] = self._client.search(
                self._name,
                data=[np.asarray(query, np.float32).tolist()],
                filter=f"row >= {rows.start} and row < {rows.stop}",
                limit=most,
                search_params={"metric_type": "IP", "params": {}},
                timeout=_SECONDS,
            )
        found = np.array([hit["row"] for hit in hits], np.int64)
        cosines = np.array([hit["distance"] for hit in hits], np.float32)
        order = np.argsort(found)
        return found[order], cosines[order]

    def serve(self) -> None:
        """Point the alias at this collection, in one step. Raises IndexUnreachable."""
        with _told(self._url):
            known = self._client.list_collections(timeout=_SECONDS)
            aliases = [self._client.list_aliases(name, timeout=_SECONDS).get("aliases", []) for name in known]
            is_there = any(ALIAS in found for found in aliases)
            move = self._client.alter_alias if is_there else self._client.create_alias
            move(self._name, ALIAS, timeout=_SECONDS)

    def close(self) -> None:
        self._client.close()


def drop_collection(url: str, name: str) -> None:
    """Nothing where it is gone already. Raises IndexUnreachable."""
    with _told(url):
        client = _connect(url)
        if client.has_collection(name, timeout=_SECONDS):
            for alias in client.list_aliases(name, timeout=_SECONDS).get("aliases", []):
                client.drop_alias(alias, timeout=_SECONDS)
            client.drop_collection(name, timeout=_SECONDS)
        client.close()


def _connect(url: str) -> Any:
    from pymilvus import MilvusClient

    parts = urlsplit(url)
    if not parts.hostname:
        return MilvusClient(url)
    token = f"{parts.username}:{parts.password}" if parts.username else ""
    server = urlunsplit((parts.scheme, _host(url), "", "", ""))
    return MilvusClient(server, token=token, db_name=parts.path.strip("/"), timeout=_SECONDS)


def _host(url: str) -> str:
    """Without who asks."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _place(url: str) -> str:
    return f"Milvus at {_host(url) or url}"


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What its client says, as an error of ours."""
    try:
        import grpc
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        raise IndexUnreachable(
            f"{_place(url)} can't be asked without its client: pip install shapelens[milvus]"
        ) from error
    try:
        yield
    except (MilvusException, grpc.RpcError, ConnectionError) as error:
        raise IndexUnreachable(
            f"{_place(url)} doesn't answer ({error}); start it, or set SHAPELENS_INDEX=exact and restart the workers"
        ) from error
