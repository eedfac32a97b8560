"""What an index generation says of itself: what made it, what is in it, the digest of every file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ml.errors import GenerationCorrupt
from ml.search.config import SearchConfig
from ml.search.decision import NoMatchRule

__all__ = ["MANIFEST", "FileDigest", "Manifest", "digest_of", "read_manifest", "write_manifest"]

MANIFEST = "manifest.json"
VERSION = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileDigest:
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """embedder, adapter     registered names, with the fingerprints that made the vectors; the adapter "linear" is
                          the generation's own file ADAPTER
    renderer              fingerprint of the renderer that made the views
    dim, cells            of the vectors; (channels, rows, columns) or None
    grid                  (azimuth_deg, elevation_deg) of each view of a model, in order
    models, views         counts
    calibration           how c and d were fitted, in words and numbers
    no_match              threshold on a query's best calibrated score, and how it was set
    index                 what it may be searched by beside the exact scan, and the recall that was measured, or why not
    files                 name -> digest of every other file of the generation
    """

    embedder: str
    embedder_fingerprint: str
    adapter: str
    adapter_fingerprint: str
    renderer_fingerprint: str
    dim: int
    cells: tuple[int, int, int] | None
    grid: tuple[tuple[float, float], ...]
    models: int
    views: int
    calibration: Mapping[str, Any]
    no_match: Mapping[str, Any]
    search: SearchConfig
    files: Mapping[str, FileDigest]
    created: str
    version: int = VERSION
    notes: Mapping[str, Any] = field(default_factory=dict)
    index: Mapping[str, Any] = field(default_factory=dict)

    @property
    def no_match_rule(self) -> NoMatchRule:
        return NoMatchRule.from_json(self.no_match)


def digest_of(path: Path) -> FileDigest:
    """SHA-256 and size in bytes of a file."""
    sha = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            size += len(block)
    return FileDigest(sha.hexdigest(), size)


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write and fsync it, sealed with a digest of its own content."""
    body = json.loads(json.dumps(asdict(manifest)))
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({"seal": _seal(body), **body}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Raises GenerationCorrupt where it is missing, unreadable, altered or of another version."""
    path = folder / MANIFEST
    way_out = "run manage.py build_index, or roll back to the generation before"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        seal = body.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise GenerationCorrupt(f"{path} can't be read ({error}); {way_out}") from error
    if seal != _seal(body):
        raise GenerationCorrupt(f"{path} was altered after it was written; {way_out}")
    if body.get("version") != VERSION:
        raise GenerationCorrupt(f"{path} has version {body.get('version')}, not {VERSION}; {way_out}")
    body["files"] = {name: FileDigest(**value) for name, value in body["files"].items()}
    body["search"] = SearchConfig.from_json(body["search"])
    body["grid"] = tuple((azimuth, elevation) for azimuth, elevation in body["grid"])
    body["cells"] = tuple(body["cells"]) if body["cells"] else None
    return Manifest(**body)
