"""Errors a caller can show: each says what is wrong, with the value, and what to do."""

from __future__ import annotations

__all__ = [
    "BadBox",
    "BadMesh",
    "BadPhoto",
    "BadSource",
    "BudgetTooSmall",
    "GenerationCorrupt",
    "GenerationMismatch",
    "IndexUnreachable",
    "NetworkNotTraceable",
    "NoViews",
    "ShapelensError",
    "UnknownName",
    "ViewsCorrupt",
    "WeightsMissing",
]


class ShapelensError(Exception):
    """Base of every error whose message is written for a person.

    code: a stable machine-readable word, the same in every release.
    """

    code = "error"


class BadPhoto(ShapelensError):
    """The photo can't be decoded, or exceeds a limit."""

    code = "bad_photo"


class BadBox(ShapelensError):
    """The box is empty, inverted or outside the photo."""

    code = "bad_box"


class BadMesh(ShapelensError):
    """A model can't become a usable mesh: unreadable, empty, not finite, over a limit."""

    code = "bad_mesh"


class BadSource(ShapelensError):
    """A catalog source (folder, archive, .sh3f) can't be opened at all."""

    code = "bad_source"


class NoViews(ShapelensError):
    """A search was asked of an index that holds no view."""

    code = "no_views"


class GenerationCorrupt(ShapelensError):
    """A file of an index generation is missing, truncated or altered."""

    code = "generation_corrupt"


class GenerationMismatch(ShapelensError):
    """An index generation was built with another embedder, renderer or adapter."""

    code = "generation_mismatch"


class IndexUnreachable(ShapelensError):
    """The server that holds an index's views doesn't answer, or can't be asked from here."""

    code = "index_unreachable"


class UnknownName(ShapelensError):
    """No implementation is registered under that name."""

    code = "unknown_name"


class WeightsMissing(ShapelensError):
    """The weights of a network are neither in the repository nor to be downloaded."""

    code = "weights_missing"


class ViewsCorrupt(ShapelensError):
    """The rendered views of a model are missing, damaged or of another layout."""

    code = "views_corrupt"


class NetworkNotTraceable(ShapelensError):
    """A network can't be run on tensors without data, or not on that input."""

    code = "network_not_traceable"


class BudgetTooSmall(ShapelensError):
    """Not even a batch of one fits into the memory given."""

    code = "budget_too_small"
