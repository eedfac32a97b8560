"""Catalogs sent in pieces: an upload that breaks off goes on where it stopped.

The parts of the tus 1.0 protocol (https://tus.io/protocols/resumable-upload) that have to do with files: what is
there, how much of it, and the next piece. `tus-js-client` is at the other end.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from catalog import media, storage
from catalog.errors import BadSource, Conflict, NotPossible

__all__ = ["Upload", "append", "begin", "finished_file", "open_upload"]

_ID = re.compile(r"[0-9a-f]{32}")
_BLOCK = 1 << 20
_NOTE, _PART = ".upload.json", ".part"


@dataclass(frozen=True, slots=True)
class Upload:
    """name: of the file, without a folder; size, offset: bytes it will have, and has."""

    id: str
    name: str
    size: int
    offset: int

    @property
    def is_finished(self) -> bool:
        return self.offset == self.size


def begin(name: str, size: int) -> Upload:
    """Raises BadSource for a size that is nothing or too much, or a name that is none."""
    limit = settings.UPLOAD_CATALOG_BYTES
    if not 0 < size <= limit:
        raise BadSource(
            f"{name} has {size / 2**20:.0f} MB; send up to {limit // 2**20} MB, or name its path on the server"
        )
    clean = Path(name.replace("\\", "/")).name.lstrip(".")[:120]
    if not clean or "\0" in clean:
        raise BadSource(f"{name!r} is no name of a file; rename it")
    folder = storage.upload_directory()
    (folder / _PART).touch()
    (folder / _NOTE).write_text(json.dumps({"name": clean, "size": size}), encoding="utf-8")
    return Upload(folder.name, clean, size, 0)


def open_upload(upload_id: str) -> Upload:
    """Raises NotPossible where there is none."""
    folder = _folder(upload_id)
    note = folder / _NOTE
    if not note.exists():
        raise NotPossible("this upload is not here any more; send the file again")
    said = json.loads(note.read_text(encoding="utf-8"))
    done = folder / said["name"]
    offset = said["size"] if done.exists() else (folder / _PART).stat().st_size
    return Upload(upload_id, said["name"], said["size"], offset)


def append(upload_id: str, offset: int, body: BinaryIO) -> Upload:
    """Write the next piece. Raises Conflict where it doesn't begin where the last one ended, BadSource where it
    is longer than the file was said to be."""
    upload = open_upload(upload_id)
    if offset != upload.offset:
        raise Conflict(f"{upload.offset} bytes are here, and the piece begins at {offset}")
    folder = _folder(upload_id)
    part = folder / _PART
    with part.open("ab") as out:
        while block := body.read(_BLOCK):
            if offset + len(block) > upload.size:
                raise BadSource("more was sent than the file was said to have; send it again")
            out.write(block)
            offset += len(block)
    if offset == upload.size:
        part.replace(folder / upload.name)
    return Upload(upload_id, upload.name, upload.size, offset)


def finished_file(upload_id: str) -> Path:
    """For whoever imports it, on whichever machine. Raises NotPossible where it is not all there, MediaDown."""
    upload = open_upload(upload_id)
    if not upload.is_finished:
        raise NotPossible(f"{upload.name} is not all here yet: {upload.offset} of {upload.size} bytes")
    path = _folder(upload_id) / upload.name
    media.keep(path)
    return path


def _folder(upload_id: str) -> Path:
    if not _ID.fullmatch(upload_id):
        raise NotPossible(f"{upload_id[:40]!r} is no upload")
    return storage.uploads_root() / upload_id
