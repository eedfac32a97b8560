"""By what a generation is searched: the exact scan, inverted lists, or Milvus.

The exact scan is always there, as a generation's folder holds every vector. The other two are made with the
generation where they are asked for, and only propose: what they propose is scored by the exact one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ml.errors import GenerationCorrupt
from ml.search.generation import Generation
from ml.search.lists import LISTS_FILE, InvertedLists, write_lists
from ml.search.manifest import Manifest
from ml.search.milvus import MilvusViews, drop_collection
from ml.search.scan import ExactScan, Scan
from ml.types import FloatArray

__all__ = ["EXACT", "IndexChoice", "add_index", "check_index", "drop_index", "open_scan", "serve_index"]

COLLECTION_FILE = "collection.txt"  # whoever deletes the folder learns from it what to drop


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """kind: what new generations are built with, and searched by where they have it
    milvus_url: of the server, for milvus; see `MilvusViews`"""

    kind: Literal["exact", "lists", "milvus"] = "exact"
    milvus_url: str = ""


EXACT = IndexChoice()


def add_index(
    staged: Path,
    vectors: npt.NDArray[np.float16],
    backgrounds: FloatArray,
    choice: IndexChoice,
) -> Mapping[str, Any]:
    """Make what is chosen for a generation that is being built; what the manifest says of it.

    backgrounds (m, d): descriptors of photos without products. Raises IndexUnreachable.
    """
    if choice.kind == "lists":
        log_aspects = np.load(staged / "log_aspects.npy")
        return write_lists(vectors, log_aspects, backgrounds, staged / LISTS_FILE)
    if choice.kind == "milvus":
        name = f"shapelens_{uuid.uuid4().hex}"
        (staged / COLLECTION_FILE).write_text(name, encoding="ascii")  # first: a build may be killed
        MilvusViews.create(choice.milvus_url, name, vectors).close()
        return {"kind": "milvus", "collection": name}
    return {"kind": "exact"}


def open_scan(generation: Generation, choice: IndexChoice) -> Scan:
    """What was chosen, where the generation has it; else the exact scan.

    Raises GenerationCorrupt, IndexUnreachable.
    """
    made = generation.manifest.index
    if choice.kind == "exact" or choice.kind != made.get("kind"):
        return ExactScan(generation.vectors, generation.rows)
    if choice.kind == "lists":
        return InvertedLists(generation.folder / LISTS_FILE, probed=made["probed"])
    return MilvusViews(choice.milvus_url, made["collection"])


def check_index(folder: Path, manifest: Manifest, choice: IndexChoice) -> None:
    """Whether what would be searched by holds every view. Raises GenerationCorrupt, IndexUnreachable."""
    made = manifest.index
    if choice.kind != made.get("kind"):
        return
    if choice.kind == "lists":
        _refuse_other_count(folder, len(InvertedLists(folder / LISTS_FILE, probed=1)), manifest)
    if choice.kind == "milvus":
        views = MilvusViews(choice.milvus_url, made["collection"])
        try:
            _refuse_other_count(folder, len(views), manifest)
        finally:
            views.close()


def _refuse_other_count(folder: Path, count: int, manifest: Manifest) -> None:
    if count != manifest.views:
        kind = manifest.index["kind"]
        raise GenerationCorrupt(
            f"{folder}: {kind} has {count} of {manifest.views} views; run manage.py build_index"
        )


def serve_index(manifest: Manifest, choice: IndexChoice) -> None:
    """Tell a server which generation answers. Raises GenerationCorrupt, IndexUnreachable."""
    if choice.kind == "milvus" and manifest.index.get("kind") == "milvus":
        views = MilvusViews(choice.milvus_url, manifest.index["collection"])
        views.serve()
        views.close()


def drop_index(folder: Path, choice: IndexChoice) -> None:
    """Before a generation's folder is deleted, finished or not: what it has elsewhere. Raises IndexUnreachable."""
    path = folder / COLLECTION_FILE
    if choice.kind == "milvus" and path.is_file():
        drop_collection(choice.milvus_url, path.read_text(encoding="ascii"))
