"""Which models may be trained on: Sweet Home 3D's libraries without the one kept back, and our own families."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ml.mesh.sources import content_hash, open_source
from ml.train.pairs import ModelSpec
from ml.types import ModelFile

__all__ = ["HELD_OUT_LIBRARY", "family_name", "held_out", "libraries_or_default", "library_specs"]

_DEFAULT_LIBRARIES = Path("/usr/share/sweethome3d/furniture")  # Debian's sweethome3d-furniture
HELD_OUT_LIBRARY = "KatorLegaz"
"""Never trained on, so that its products say how well unseen ones are found."""


def family_name(name: str) -> str:
    """A product's name without numbers, sizes and punctuation: "Armchair 2" and "armchair" are one."""
    return " ".join(re.findall(r"[a-z]+", name.lower()))


def libraries_or_default(libraries: Sequence[Path] | None) -> Sequence[Path]:
    """Those named, even if none; else all that are installed."""
    return sorted(_DEFAULT_LIBRARIES.glob("*.sh3f")) if libraries is None else libraries


def library_specs(
    libraries: Sequence[Path],
    workdir: Path,
    *,
    exclude_categories: Iterable[str] = ("Characters",),
    held_out_library: str = HELD_OUT_LIBRARY,
) -> tuple[list[ModelSpec], list[str]]:
    """Models to train on, and the lines of the list of those left out (library, id, name, why).

    Left out: the held-out library, and elsewhere what has its mesh (by content hash) or its name.
    """
    excluded = {category.casefold() for category in exclude_categories}
    models: list[tuple[str, ModelFile, str]] = []
    for path in libraries:
        folder = workdir / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        for model in open_source(path, workdir=folder).models:
            if model.category.casefold() not in excluded:
                models.append((path.stem, model, content_hash(model)))
    hashes, names = held_out(models, held_out_library)
    specs, left_out = [], []
    for library, model, digest in models:
        reason = (
            "held-out library"
            if library == held_out_library
            else "same mesh"
            if digest in hashes
            else "same name"
            if family_name(model.name) in names
            else ""
        )
        if reason:
            left_out.append(f"{library}\t{model.key}\t{model.name}\t{reason}")
        else:
            specs.append(ModelSpec(model.name, file=model))
    return specs, left_out


def held_out(
    models: Sequence[tuple[str, ModelFile, str]], held_out_library: str = HELD_OUT_LIBRARY
) -> tuple[set[str], set[str]]:
    """Content hashes and family names of the held-out library's models.

    A name of one word ("Chair") is a category that every library has, not a product family.
    """
    kept = [(model, digest) for library, model, digest in models if library == held_out_library]
    families = {family_name(model.name) for model, _ in kept}
    return {digest for _, digest in kept}, {family for family in families if " " in family}
