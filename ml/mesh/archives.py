"""ZIP archives of strangers, unpacked within limits and only inside one folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from uuid import uuid4

from ml.errors import BadSource
from ml.mesh.limits import SourceLimits
from ml.mesh.resources import ROOT_MARKER

__all__ = ["Unpacked", "file_hash", "unpack"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """root: the folder; refused: (entry name, reason) of what was left out of it."""

    root: Path
    refused: tuple[tuple[str, str], ...]


def unpack(path: Path, workdir: Path, limits: SourceLimits) -> Unpacked:
    """Unpack into workdir/<name>-<content hash>, once: a second call finds it there.

    Entries that lead outside, links and encrypted entries are left out and named. Raises
    BadSource where the archive can't be opened or breaks a limit; nothing is left behind then.
    """
    size = path.stat().st_size
    if size > limits.archive_bytes:
        raise BadSource(
            f"{path.name} has {size:,} bytes, over the limit of {limits.archive_bytes:,}: split it"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.filename or not info.is_dir()]
            _check(path.name, infos, limits)
            accepted, refused = _sorted_out(infos)
            root = workdir / f"{_folder_name(path)}-{file_hash(path)[:12]}"
            if not (root / ROOT_MARKER).exists():
                refused += _extract(archive, accepted, root, limits)
            else:
                refused += [
                    (info.filename, "damaged: its bytes don't match their checksum")
                    for relative, info in accepted.items()
                    if not (root / relative).is_file()
                ]
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError) as error:
        raise BadSource(f"{path.name} can't be unpacked ({error}): make the ZIP again") from error
    return Unpacked(root, tuple(refused))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_name(path: Path) -> str:
    plain = unicodedata.normalize("NFKD", path.stem).encode("ascii", "ignore").decode()
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in plain)[:40] or "archive"


def _check(name: str, infos: list[zipfile.ZipInfo], limits: SourceLimits) -> None:
    if len(infos) > limits.entries:
        raise BadSource(f"{name} holds {len(infos):,} files, over the limit of {limits.entries:,}: split it")
    total = sum(info.file_size for info in infos)
    if total > limits.unpacked_bytes:
        raise BadSource(f"{name} unpacks to {total:,} bytes, over the limit of {limits.unpacked_bytes:,}")
    for info in infos:
        if info.file_size > limits.entry_bytes:
            raise BadSource(f"{name}: {info.filename!r} unpacks to {info.file_size:,} bytes, over the limit")
        if info.file_size > limits.ratio_floor and info.file_size > limits.ratio * max(info.compress_size, 1):
            ratio = info.file_size / max(info.compress_size, 1)
            raise BadSource(
                f"{name}: {info.filename!r} is packed {ratio:,.0f} to 1, as a ZIP bomb is; refused"
            )


def _sorted_out(
    infos: list[zipfile.ZipInfo],
) -> tuple[dict[str, zipfile.ZipInfo], list[tuple[str, str]]]:
    """Entries by their path inside the root, and those refused, each with its reason."""
    accepted: dict[str, zipfile.ZipInfo] = {}
    refused: list[tuple[str, str]] = []
    for info in infos:
        name = _decoded(info).replace("\\", "/")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
            refused.append((name, "leads outside the archive; refused"))
        elif stat.S_ISLNK(info.external_attr >> 16):
            refused.append((name, "is a link; refused"))
        elif info.flag_bits & 1:
            refused.append((name, "is encrypted; unpack it and import the folder"))
        elif not path.parts or "\0" in name or any(len(part.encode()) > 255 for part in path.parts):
            refused.append((name[:80], "has no usable name"))
        elif str(path) in accepted:
            refused.append((name, "appears twice in the archive; the first is used"))
        else:
            accepted[str(path)] = info
    return accepted, refused


def _decoded(info: zipfile.ZipInfo) -> str:
    """The entry's name; ZIPs without the UTF-8 flag often hold UTF-8 or Latin-1, not cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        raw = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1") if max(raw) >= 0xA0 else info.filename


def _extract(
    archive: zipfile.ZipFile, accepted: dict[str, zipfile.ZipInfo], root: Path, limits: SourceLimits
) -> list[tuple[str, str]]:
    """Write every entry beside `root`, then move it into place; damaged entries are named."""
    refused: list[tuple[str, str]] = []
    beside = root.with_name(f"{root.name}.tmp-{uuid4().hex[:8]}")
    try:
        beside.mkdir(parents=True)
        left = limits.unpacked_bytes
        for relative, info in accepted.items():
            try:
                left -= _write(
                    archive, info, beside / relative, min(left, limits.entry_bytes, info.file_size)
                )
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                (beside / relative).unlink(missing_ok=True)
                refused.append((relative, f"damaged: {error}"))
            except (NotADirectoryError, FileExistsError, IsADirectoryError):
                refused.append((relative, "has the name of another entry's folder"))
        (beside / ROOT_MARKER).touch()
        try:
            beside.rename(root)
        except OSError:
            if not (root / ROOT_MARKER).exists():  # else: another process was first, with the same bytes
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return refused


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int) -> int:
    """Bytes written; a header that lies about the size is caught while reading."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with archive.open(info) as source, os.fdopen(descriptor, "wb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > most:
                raise zipfile.BadZipFile("larger than its header says")
            file.write(chunk)
    return written
