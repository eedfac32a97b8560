"""The cut-off: below which score a search says "nothing similar". Applied with a reason; undone by one click."""

from __future__ import annotations

import math

from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from catalog.errors import NotPossible
from catalog.models import CutOff, IndexGeneration

__all__ = ["apply", "built_in", "current", "embedder_of", "undo"]


def embedder_of(generation: IndexGeneration) -> str:
    """What its scores come from: scores of two networks can't be compared."""
    return str(generation.manifest.get("embedder_fingerprint") or generation.embedder)[:100]


def built_in(generation: IndexGeneration) -> float | None:
    """The threshold it was built with."""
    value = (generation.manifest.get("no_match") or {}).get("threshold")
    return None if value is None else float(value)


def current(generation: IndexGeneration) -> CutOff | None:
    """What was applied over the generation's own threshold, if anything."""
    return CutOff.objects.filter(embedder=embedder_of(generation), undone_at=None).order_by("-pk").first()


def apply(generation: IndexGeneration, value: float, reason: str, user: AbstractUser) -> CutOff:
    """Searches from now on use it. Raises NotPossible for no number or no reason."""
    if not math.isfinite(value):
        raise NotPossible("the cut-off must be a number, such as -0.25")
    if not reason.strip():
        raise NotPossible("say why: whoever looks at this later has only the reason to go by")
    return CutOff.objects.create(
        embedder=embedder_of(generation), value=value, reason=reason.strip()[:500], author=user
    )


def undo(generation: IndexGeneration) -> CutOff:
    """Back to what held before. Raises NotPossible where nothing was applied."""
    last = current(generation)
    if last is None:
        raise NotPossible("nothing was applied: the index's own threshold holds")
    last.undone_at = timezone.now()
    last.save(update_fields=["undone_at"])
    return last
