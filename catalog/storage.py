"""Where files lie under SHAPELENS_DATA. Every path into it is made here.

assets/ab/<hash>/          a model's derived files (asset.hash)
index/<id>/                an index generation
adapters/<embedder>        phi of thesis 4.2, that the next build takes (manage.py adapt_catalog)
icons/<id>.png             the picture a product came with
photos/ab/<uuid>/          original and upright picture of a photo
uploads/<uuid>/            a catalog that was sent
imports/<id>/              an import's unpacked source, deleted when it ends
cache/                     may be deleted at any time

Where a bucket keeps them, all but imports/ and cache/ are copies of what this machine used (`catalog.media`).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from pathlib import Path

from django.conf import settings

from catalog.errors import StorageFull

__all__ = [
    "FULL",
    "NO_ROOM",
    "adapter_file",
    "addition_directory",
    "asset_directory",
    "assets_root",
    "cache_file",
    "cached_views",
    "cached_views_root",
    "generation_directory",
    "import_directory",
    "imports_root",
    "index_root",
    "photo_directory",
    "photo_original",
    "photo_picture",
    "photos_root",
    "product_icon",
    "remove_tree",
    "sample_catalog_directory",
    "size_of",
    "sizes",
    "upload_directory",
    "uploads_root",
    "write_atomically",
]

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_ROOM = "this server's disk is full: whoever runs it has to make room"
_HASH = re.compile(r"[0-9a-f]{16,64}")


def _root(name: str) -> Path:
    folder = Path(settings.SHAPELENS_DATA) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def assets_root() -> Path:
    return _root("assets")


def index_root() -> Path:
    return _root("index")


def photos_root() -> Path:
    return _root("photos")


def imports_root() -> Path:
    return _root("imports")


def sample_catalog_directory() -> Path:
    return Path(settings.SHAPELENS_DATA) / "sample-catalog"


def asset_directory(asset_hash: str) -> Path:
    """Of a model's derived files. Raises ValueError for anything but a hash."""
    if not _HASH.fullmatch(asset_hash):
        raise ValueError(f"{asset_hash!r} is not a model's hash")
    return assets_root() / asset_hash[:2] / asset_hash


def adapter_file(embedder_fingerprint: str) -> Path:
    return _root("adapters") / f"{embedder_fingerprint}.safetensors"


def generation_directory(generation_id: int) -> Path:
    return index_root() / str(int(generation_id))


def addition_directory(generation_id: int) -> Path:
    """A new one, beside the generation's own."""
    return index_root() / f"{int(generation_id)}+{uuid.uuid4().hex[:12]}"


def import_directory(run_id: int) -> Path:
    return imports_root() / str(int(run_id))


def uploads_root() -> Path:
    return _root("uploads")


def upload_directory() -> Path:
    """A new folder for a catalog that is being sent."""
    folder = uploads_root() / uuid.uuid4().hex
    folder.mkdir()
    return folder


def product_icon(product_id: int) -> Path:
    return _root("icons") / f"{int(product_id)}.png"


def photo_directory(photo: uuid.UUID) -> Path:
    return photos_root() / photo.hex[:2] / photo.hex


def photo_original(photo: uuid.UUID) -> Path:
    """The photo as it was sent."""
    return photo_directory(photo) / "original"


def photo_picture(photo: uuid.UUID) -> Path:
    """The upright, bounded JPEG that boxes and cameras refer to."""
    return photo_directory(photo) / "photo.jpg"


def cache_file(*parts: str) -> Path:
    """A file under cache/, its folder made. parts: made by us, never by a request."""
    path = _root("cache").joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def cached_views_root() -> Path:
    """Pictures of views, by model; each is drawn again when it is asked for."""
    return _root("cache/views")


def cached_views(asset_hash: str) -> Path:
    return cached_views_root() / asset_hash[:2] / asset_hash


def sizes() -> dict[str, int]:
    """Bytes under SHAPELENS_DATA by its first folders; ".": files that are in none."""
    found = {".": 0}
    for entry in os.scandir(settings.SHAPELENS_DATA):
        if entry.is_dir(follow_symlinks=False):
            found[entry.name] = size_of(Path(entry.path))
        else:
            found["."] += _bytes(entry)
    return found


def size_of(folder: Path) -> int:
    """Bytes on disk of all files below; 0 where there is no such folder, or it goes while it is read."""
    try:
        with os.scandir(folder) as entries:
            return sum(
                size_of(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else _bytes(entry)
                for entry in entries
            )
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _bytes(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0


def write_atomically(path: Path, data: bytes) -> None:
    """The whole file or none of it, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"{NO_ROOM}. Nothing was kept: try again later") from error
        raise
    finally:
        aside.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Delete a folder of ours; refuses anything outside SHAPELENS_DATA."""
    root = Path(settings.SHAPELENS_DATA).resolve()
    if root not in folder.resolve().parents:
        raise ValueError(f"{folder} is not under {root}")
    shutil.rmtree(folder, ignore_errors=True)
