"""What can't be done, in sentences for a person. `code` never changes."""

from __future__ import annotations

from catalog.engine import (
    BadBox,
    BadPhoto,
    BadSource,
    GenerationCorrupt,
    IndexUnreachable,
    ShapelensError,
)

__all__ = [
    "BadBox",
    "BadPhoto",
    "BadSource",
    "Busy",
    "Conflict",
    "GenerationCorrupt",
    "IndexUnreachable",
    "MediaDown",
    "NoIndex",
    "NotPossible",
    "ShapelensError",
    "StorageFull",
]


class NoIndex(ShapelensError):
    """Nothing can be searched yet."""

    code = "no_index"


class Busy(ShapelensError):
    """Another process does it already, or too much is waiting."""

    code = "busy"


class Conflict(ShapelensError):
    """The same key was used for something else."""

    code = "conflict"


class StorageFull(ShapelensError):
    """The disk has no room."""

    code = "storage_full"


class MediaDown(ShapelensError):
    """The bucket of photos and models does not answer; to be tried again."""

    code = "media_down"


class NotPossible(ShapelensError):
    """The state of things doesn't allow it."""

    code = "not_possible"
