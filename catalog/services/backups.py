"""One consistent set of everything that can't be made again: database, models, photos, index generations.

A backup is a folder: `database.dump` (or `database.sqlite3`), `files/`, and last `backup.json` with the size
and digest of each; without it the folder is no backup. Files come before rows in this application, and are
never changed once their row is there; so the database is taken first, the files its rows name after it, and
a copy needs no pause: what is added meanwhile is not in the rows, and a photo deleted meanwhile stays deleted.

Where a bucket keeps models, photos and indexes, they are not copied: the set names the bucket, whose own versioning or
replication has to keep what is in it, and is restored only where the same bucket is configured.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from catalog import bucket, storage
from catalog.errors import NotPossible

__all__ = ["BackupReport", "restore", "take", "verify"]

FACTS = "backup.json"
KEPT = ("adapters", "assets", "icons", "index", "photos", "secret_key")
"""Of the data folder; caches, the queue and unpacked imports are made again."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """files and bytes in the set; linked: files that are the same as the last backup's and take no room; media: the
    bucket that keeps what is not in the set, or ''."""

    folder: Path
    files: int
    bytes: int
    linked: int = 0
    media: str = ""


def take(folder: Path, *, since: Path | None = None) -> BackupReport:
    """Write a backup into a new folder. since: an earlier one, whose equal files are linked, not copied.

    Raises NotPossible where the folder exists, or a program that is needed is not there.
    """
    if folder.exists():
        raise NotPossible(f"{folder} exists; a backup is never overwritten, choose another folder")
    staged = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "files").mkdir(parents=True)
    database = _dump(staged)
    digests: dict[str, list[str | int]] = {database.name: _digest(database)}
    linked = 0
    before = _facts(since)["files"] if since else {}
    for path, relative in _files():
        name = f"files/{relative}"
        target = staged / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest = _digest(path)
        except FileNotFoundError:  # a photo deleted meanwhile: its row, if it is in the set, has lost it too
            continue
        if since and before.get(name) == digest:
            os.link(since / name, target)
            linked += 1
        else:
            shutil.copy2(path, target)
        digests[name] = digest
    facts = {
        "made": timezone.now().isoformat(timespec="seconds"),
        "database": connection.vendor,
        "media": _media(),
        "files": digests,
    }
    storage.write_atomically(staged / FACTS, json.dumps(facts, indent=0, sort_keys=True).encode())
    staged.rename(folder)
    return BackupReport(
        folder, len(digests), sum(int(size) for _, size in digests.values()), linked, _media()
    )


def verify(folder: Path) -> BackupReport:
    """Every file there and as it was written. Raises NotPossible with the first that is not."""
    facts = _facts(folder)
    files = facts["files"]
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            raise NotPossible(f"{path} is missing or altered; restore from another backup")
    size = sum(int(size) for _, size in files.values())
    return BackupReport(folder, len(files), size, media=facts.get("media", ""))


def restore(folder: Path) -> BackupReport:
    """Put the whole set in place of what is here; nothing may run meanwhile. What was here is kept beside it
    under `before-restore-…` until somebody deletes it. Raises NotPossible."""
    report = verify(folder)
    facts = _facts(folder)
    if facts["database"] != connection.vendor:
        raise NotPossible(
            f"the backup is of {facts['database']}, this installation uses {connection.vendor}; set DATABASE_URL as "
            "it was"
        )
    if report.media != _media():
        raise NotPossible(
            f"the backup's photos and models are {_place(report.media)}, this installation's {_place(_media())}; set "
            "SHAPELENS_MEDIA_URL as it was"
        )
    data = Path(settings.SHAPELENS_DATA)
    aside = data / f"before-restore-{timezone.now():%Y%m%dT%H%M%S}"
    aside.mkdir()
    for name in KEPT:
        with contextlib.suppress(FileNotFoundError):
            (data / name).rename(aside / name)
    for path in sorted((folder / "files").rglob("*")):
        if path.is_file():
            target = data / path.relative_to(folder / "files")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    shutil.rmtree(data / "broker", ignore_errors=True)  # asks for rows that are not there any more
    _load(folder, aside)
    return report


def _media() -> str:
    return str(settings.SHAPELENS_MEDIA or "")


def _place(media: str) -> str:
    return f"in {media}" if media else "on the disk"


# ---- database -----------------------------------------------------------------------------


def _dump(folder: Path) -> Path:
    if connection.vendor == "sqlite":
        path = folder / "database.sqlite3"
        connection.ensure_connection()
        with contextlib.closing(sqlite3.connect(path)) as copy:
            connection.connection.backup(copy)
        return path
    path = folder / "database.dump"
    _postgres("pg_dump", "--format", "custom", "--file", str(path))
    return path


def _load(folder: Path, aside: Path) -> None:
    connections.close_all()
    if connection.vendor == "sqlite":
        database = Path(settings.DATABASES["default"]["NAME"])
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                database.with_name(database.name + suffix).rename(aside / (database.name + suffix))
        shutil.copy2(folder / "database.sqlite3", database)
        return
    _postgres("pg_dump", "--format", "custom", "--file", str(aside / "database.dump"))
    options = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
    _postgres(
        "pg_restore",
        *options,
        "--dbname",
        str(settings.DATABASES["default"]["NAME"]),
        str(folder / "database.dump"),
    )


def _postgres(program: str, *arguments: str) -> None:
    """By libpq's variables, so that no password is in a list of processes."""
    database = settings.DATABASES["default"]
    names = {
        "HOST": "PGHOST",
        "PORT": "PGPORT",
        "USER": "PGUSER",
        "PASSWORD": "PGPASSWORD",
        "NAME": "PGDATABASE",
    }
    values = {variable: str(database[name]) for name, variable in names.items() if database.get(name)}
    try:
        done = subprocess.run(
            [program, *arguments], env={**os.environ, **values}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise NotPossible(f"{program} is not installed; install PostgreSQL's client programs") from error
    if done.returncode:
        raise NotPossible(f"{program}: {done.stderr.strip()[:500]}")


# ---- files --------------------------------------------------------------------------------


def _files() -> Iterator[tuple[Path, str]]:
    """Finished files, by their path in the data folder; what is being written begins with a dot or has .tmp in it."""
    data = Path(settings.SHAPELENS_DATA)
    for name in ("secret_key",) if bucket.is_configured() else KEPT:
        root = data / name
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            relative = path.relative_to(data)
            is_finished = not any(part.startswith(".") or ".tmp-" in part for part in relative.parts)
            if path.is_file() and is_finished:
                yield path, relative.as_posix()


def _digest(path: Path) -> list[str | int]:
    with path.open("rb") as file:
        return [hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size]


def _facts(folder: Path) -> dict:  # type: ignore[type-arg]
    try:
        facts: dict = json.loads((folder / FACTS).read_text())  # type: ignore[type-arg]
    except (OSError, ValueError) as error:
        raise NotPossible(f"{folder} is no finished backup: its {FACTS} can't be read ({error})") from error
    return facts
