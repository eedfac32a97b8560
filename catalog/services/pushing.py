"""What an installation has on its disk, sent to the bucket that is to keep it from now on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import Model

from catalog import bucket, media
from catalog.errors import NotPossible
from catalog.models import Catalog, ImportRun

__all__ = ["Pushed", "push"]


@dataclass(frozen=True, slots=True)
class Pushed:
    """files and bytes sent; held: files that were there already."""

    files: int
    bytes: int
    held: int


def push(tell: Callable[[str, int, int], None]) -> Pushed:
    """Send what is missing there or of another size; goes on where it was broken off.

    tell: folder, files done, files in all; called by several threads. Raises NotPossible without a bucket, MediaDown.
    """
    if not bucket.is_configured():
        raise NotPossible("no bucket is configured; set SHAPELENS_MEDIA_URL, e.g. s3://bucket/prefix")
    sent = size = held = 0
    for root in media.KEPT:
        there = {row.key: row.size for row in bucket.entries(root)}
        files = list(media.finished_files(Path(settings.SHAPELENS_DATA) / root))
        missing = [path for path in files if there.get(media.key_of(path)) != path.stat().st_size]
        _send(root, missing, tell)
        sent, held = sent + len(missing), held + len(files) - len(missing)
        size += sum(path.stat().st_size for path in missing)
    for model in (ImportRun, Catalog):
        _name_sources(model)
    return Pushed(sent, size, held)


def _send(root: str, files: list[Path], tell: Callable[[str, int, int], None]) -> None:
    """An index's manifest goes after all that it speaks of."""
    done: list[Path] = []

    def send(path: Path) -> None:
        bucket.upload(path, media.key_of(path))
        done.append(path)
        tell(root, len(done), len(files))

    bucket.each(send, [path for path in files if path.name != media.MARKER])
    bucket.each(send, [path for path in files if path.name == media.MARKER])


def _name_sources(model: type[Model]) -> None:
    """Catalogs that were sent are found by their place in the bucket, no longer by that on this disk."""
    uploads = f"{Path(settings.SHAPELENS_DATA) / 'uploads'}/"
    for row in model._default_manager.filter(source__startswith=uploads):
        model._default_manager.filter(pk=row.pk).update(source=media.name_of(Path(row.source)))
