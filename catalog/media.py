"""Files that a bucket keeps, and this machine's copies of them.

Who makes a file keeps it (`keep`) before a row says that it is there; who needs one fetches it. Photos are read from the
bucket each time and never lie on a disk, so that one that is deleted is gone from every machine. Without a bucket, files
lie where `catalog.storage` says and nothing here does more than it must.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from django.conf import settings

from catalog import bucket, storage
from catalog.errors import StorageFull

__all__ = [
    "KEPT",
    "MARKER",
    "asset_files",
    "data_path",
    "delete",
    "delete_file",
    "exists",
    "fetch",
    "fetch_all",
    "fetch_folder",
    "finished_files",
    "is_copy",
    "keep",
    "key_of",
    "name_of",
    "read_photo",
    "searched_files",
    "write_photo",
]

KEPT = ("adapters", "assets", "icons", "photos", "uploads", "index")
"""Folders of SHAPELENS_DATA that a bucket holds."""
MARKER = "manifest.json"  # of an index: says what else is in its folder, and goes last
_REMADE = "features-"  # what begins so is computed again where it is missing


def key_of(path: Path) -> str:
    return path.relative_to(settings.SHAPELENS_DATA).as_posix()


def name_of(path: Path) -> str:
    """What a row says of a source: of one that was sent and a bucket keeps, a name that any machine understands."""
    is_kept = bucket.is_configured() and storage.uploads_root() in path.parents
    return key_of(path) if is_kept else str(path)


def data_path(name: str) -> Path:
    """Where what a row names is on this machine."""
    return Path(settings.SHAPELENS_DATA) / name


# ---- copies -------------------------------------------------------------------------------


def exists(path: Path) -> bool:
    """Here, or in the bucket. Raises MediaDown."""
    return path.exists() or (_may_be_kept(path) and bucket.exists(key_of(path)))


def fetch(path: Path) -> Path:
    """The file, here wherever it is kept at all. Raises MediaDown, StorageFull."""
    fetch_all([path])
    return path


def fetch_all(paths: Iterable[Path]) -> None:
    """Raises MediaDown, StorageFull."""
    missing = [path for path in paths if _may_be_kept(path) and not path.exists()]
    bucket.each(lambda path: _download(key_of(path), path), missing)


def asset_files(asset_hash: str, *names: str) -> Path:
    """A model's directory, with these of its files here. Raises ValueError, MediaDown, StorageFull."""
    folder = storage.asset_directory(asset_hash)
    fetch_all(folder / name for name in names)
    return folder


def searched_files(asset_hash: str) -> Path:
    """A model's directory, with what a search looks at here: its mesh and its views, gray where they are kept so.
    Raises ValueError, MediaDown, StorageFull."""
    gray = storage.asset_directory(asset_hash) / "views-gray.jpg"
    return asset_files(asset_hash, "mesh.npz", gray.name if exists(gray) else "views.jpg")


def fetch_folder(folder: Path, check: Callable[[Path], object]) -> Path:
    """A folder that is never changed, here wherever it is kept at all.

    Fetched beside, checked (raises what `check` raises), then put in place; by one process of a machine while others
    wait, and a fetch that was broken off is gone on with. Raises MediaDown, StorageFull.
    """
    if not bucket.is_configured() or folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = folder.with_name(f".{folder.name}.fetched")
    with _alone(folder.with_name(f".{folder.name}.lock")):
        if folder.exists():
            return folder
        wanted = {
            staged / Path(row.key).relative_to(key_of(folder)): row for row in bucket.entries(key_of(folder))
        }
        missing = [
            path for path, row in wanted.items() if not path.exists() or path.stat().st_size != row.size
        ]
        bucket.each(lambda path: _download(wanted[path].key, path), missing)
        if wanted:
            try:
                check(staged)
            except Exception:
                shutil.rmtree(staged, ignore_errors=True)
                raise
            staged.rename(folder)
    return folder


def is_copy(folder: Path) -> bool:
    """Whether the bucket holds all of a folder that can't be made again, so that it may go here. Raises MediaDown."""
    held = {row.key: row.size for row in bucket.entries(key_of(folder))}
    here = {key_of(path): path.stat().st_size for path in finished_files(folder)}
    return bool(held) and here.items() <= held.items()


def _may_be_kept(path: Path) -> bool:
    return bucket.is_configured() and Path(settings.SHAPELENS_DATA) in path.parents


def _download(key: str, path: Path) -> None:
    """The whole file, or none of it, and no folder for what is nowhere."""
    if not path.parent.exists() and not bucket.exists(key):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        if bucket.download(key, aside):
            aside.replace(path)
    except OSError as error:
        if error.errno in storage.FULL:
            raise StorageFull(storage.NO_ROOM) from error
        raise
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process of this machine at a time; a turn ends with its process."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- what is kept -------------------------------------------------------------------------


def keep(path: Path) -> None:
    """Let the bucket have a file, or a folder whole. Raises MediaDown."""
    if not bucket.is_configured():
        return
    files = list(finished_files(path)) if path.is_dir() else [path]
    bucket.each(_upload, [file for file in files if file.name != MARKER])
    bucket.each(_upload, [file for file in files if file.name == MARKER])


def finished_files(folder: Path) -> Iterator[Path]:
    """Below a folder; what is being written begins with a dot or has .tmp- in it, and what is made again is left out."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", _REMADE)) or ".tmp-" in part for part in parts):
            yield path


def delete(folder: Path) -> None:
    """Here and in the bucket. Raises MediaDown with nothing left here."""
    storage.remove_tree(folder)
    if bucket.is_configured():
        bucket.delete([row.key for row in bucket.entries(key_of(folder))])


def delete_file(path: Path) -> None:
    """Here and in the bucket. Raises MediaDown with nothing left here."""
    path.unlink(missing_ok=True)
    if bucket.is_configured():
        bucket.delete([key_of(path)])


def _upload(path: Path) -> None:
    bucket.upload(path, key_of(path))


# ---- photos -------------------------------------------------------------------------------


def write_photo(path: Path, data: bytes) -> None:
    """The whole file or none of it. Raises MediaDown, StorageFull."""
    if bucket.is_configured():
        bucket.put(key_of(path), data)
    else:
        storage.write_atomically(path, data)


def read_photo(path: Path) -> bucket.Blob:
    """Raises FileNotFoundError, MediaDown."""
    if not bucket.is_configured():
        return bucket.Blob(path.read_bytes(), path.stat().st_mtime_ns)
    found = bucket.get(key_of(path))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "the bucket has no such photo", str(path))
    return found
