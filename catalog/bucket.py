"""The S3-compatible bucket that keeps what must not be lost, where SHAPELENS_MEDIA_URL names one.

SHAPELENS_DATA is then a machine's cache of it, and an object's key is its file's path in there. An object appears whole
or not at all, and before the database row that speaks of it. boto3 is loaded when the bucket is first asked.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.utils.translation import gettext

from catalog.errors import MediaDown

__all__ = [
    "Blob",
    "Entry",
    "answers",
    "delete",
    "download",
    "each",
    "entries",
    "exists",
    "get",
    "is_configured",
    "put",
    "upload",
]

log = logging.getLogger(__name__)

T = TypeVar("T")

_THREADS = 16  # requests at a time: most files are small, so the way there and back is what takes time
_DELETED = 1000  # keys a request may name
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True, slots=True)
class _Patience:
    """Seconds to connect and between two pieces of an answer; attempts of a request, with pauses of some seconds."""

    connect: float
    read: float
    attempts: int


_PATIENT = _Patience(4.0, 20.0, 4)
_HASTY = _Patience(2.0, 2.0, 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """size in bytes; modified: when it was uploaded."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Blob:
    """changed_ns: since 1970, as a file's st_mtime_ns."""

    data: bytes
    changed_ns: int


def is_configured() -> bool:
    return settings.SHAPELENS_MEDIA is not None


def put(key: str, data: bytes) -> None:
    """Raises MediaDown, as everything here does."""
    with _asking():
        _client().put_object(Bucket=_name(), Key=_full(key), Body=data)


def get(key: str) -> Blob | None:
    """None where there is none."""
    with _asking():
        found = _client().get_object(Bucket=_name(), Key=_full(key))
        return Blob(found["Body"].read(), int(found["LastModified"].timestamp()) * 10**9)
    return None


def exists(key: str) -> bool:
    with _asking():
        _client().head_object(Bucket=_name(), Key=_full(key))
        return True
    return False


def upload(path: Path, key: str) -> None:
    with _asking():
        _client().upload_file(str(path), _name(), _full(key))


def download(key: str, path: Path) -> bool:
    """Write the file, of the object's size and checksum; False where there is none. Raises OSError as well."""
    with _asking():
        _client().download_file(_name(), _full(key), str(path))
        return True
    return False


def entries(folder: str) -> Iterator[Entry]:
    """Everything below a folder, by key."""
    start = len(_start())
    with _asking():
        pages = (
            _client().get_paginator("list_objects_v2").paginate(Bucket=_name(), Prefix=_full(f"{folder}/"))
        )
        for page in pages:
            for row in page.get("Contents", []):
                yield Entry(row["Key"][start:], row["Size"], row["LastModified"])


def delete(keys: Iterable[str]) -> None:
    """A key that is not there is no error."""
    names = [{"Key": _full(key)} for key in keys]
    with _asking():
        for start in range(0, len(names), _DELETED):
            wanted = {"Objects": names[start : start + _DELETED], "Quiet": True}
            failed = _client().delete_objects(Bucket=_name(), Delete=wanted).get("Errors")
            if failed:
                raise _down(f"{len(failed)} objects were not deleted, the first: {failed[0]}")


def answers() -> bool:
    """Whether it is there and ours, asked once and with little patience."""
    try:
        with _asking():
            _client(_HASTY).head_bucket(Bucket=_name())
            return True
    except MediaDown:
        return False
    return False


def each(work: Callable[[T], Any], items: Iterable[T]) -> None:
    """Do it to every item, several at a time. Raises an error once what has begun has ended."""
    waiting = list(items)
    if len(waiting) < 2:
        for item in waiting:
            work(item)
        return
    with _asking():
        _client()  # made once, before threads ask for it
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for done in [pool.submit(work, item) for item in waiting]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


# ---- boto3 --------------------------------------------------------------------------------


def _client(patience: _Patience | None = None) -> Any:
    media = settings.SHAPELENS_MEDIA
    return _made_client(media.endpoint, media.region, patience or _PATIENT)


@lru_cache(maxsize=8)
def _made_client(endpoint: str, region: str, patience: _Patience) -> Any:
    """Its threads may share it. Credentials, and what isn't said here, as boto3 finds them (AWS_…, roles).

    A server of one's own rarely has a name for each bucket: where its address is given, the bucket is in the path.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        max_pool_connections=_THREADS,
        s3={"addressing_style": "path"} if endpoint else None,
    )
    session = boto3.session.Session()
    return session.client("s3", endpoint_url=endpoint or None, region_name=region or None, config=config)


def _name() -> str:
    return str(settings.SHAPELENS_MEDIA.bucket)


def _start() -> str:
    """Of every key in the bucket."""
    prefix = settings.SHAPELENS_MEDIA.prefix
    return f"{prefix}/" if prefix else ""


def _full(key: str) -> str:
    return _start() + key


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """Leaves quietly where the object is not there. Raises MediaDown."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _ABSENT:
            raise _down(str(error)) from error
    except (BotoCoreError, Boto3Error) as error:
        raise _down(str(error)) from error


def _down(reason: str) -> MediaDown:
    log.warning("the media bucket %s: %s", _name(), reason)
    return MediaDown(gettext("the store of photos and models does not answer; try again in a minute"))
