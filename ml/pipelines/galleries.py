"""Sources of meshes to an index generation, without a database: what an evaluation searches."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ml import registry
from ml.errors import NoViews
from ml.evaluation.queries import Gallery, GalleryItem
from ml.mesh.sources import content_hash, open_source
from ml.pipelines.indexing import FEATURES_VERSION, CalibrationSource, GenerationEntry, build_generation
from ml.pipelines.onboarding import OnboardJob, onboard_many
from ml.pipelines.progress import Progress, silent
from ml.render.shading import RENDERER_FINGERPRINT
from ml.render.views import DEFAULT_GRID
from ml.search.decision import RULE
from ml.search.generation import open_generation
from ml.search.manifest import Manifest
from ml.types import ModelFile

__all__ = [
    "VIEW_IDS_A_MODEL",
    "BuiltGallery",
    "Failure",
    "IndexOptions",
    "OnboardedSources",
    "build_gallery",
    "found_models",
    "onboard_sources",
]

VIEW_IDS_A_MODEL = 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """A model that did not come in, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexOptions:
    embedder: str = registry.DEFAULT_EMBEDDER
    adapter: str = "identity"
    calibration: CalibrationSource = field(default_factory=CalibrationSource)
    workers: int = 2


@dataclass(frozen=True, slots=True)
class BuiltGallery:
    """items and directories run in parallel; a model's id in the generation is its place in them."""

    items: Gallery
    directories: tuple[Path, ...]
    generation: Path
    manifest: Manifest
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class OnboardedSources:
    """items and directories run in parallel."""

    items: Gallery
    directories: tuple[Path, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    item: GalleryItem
    model: ModelFile


def build_gallery(
    sources: Sequence[Path],
    cache: Path,
    *,
    exclude_categories: Iterable[str] = (),
    options: IndexOptions | None = None,
    progress: Progress | None = None,
) -> BuiltGallery:
    """Onboard every model of the sources and index them, taking from `cache` what is there already.

    A model is cached by its content, its frame and the renderer; a generation by its models and all that
    made it. Raises BadSource for a source that can't be opened, NoViews where no model came in.
    """
    options = options or IndexOptions()
    tell = progress or silent
    onboarded = onboard_sources(
        sources, cache, exclude_categories=exclude_categories, workers=options.workers, progress=tell
    )
    entries = [
        GenerationEntry(place, directory, place * VIEW_IDS_A_MODEL)
        for place, directory in enumerate(onboarded.directories)
    ]
    generation = cache / "generations" / _generation_name(entries, options)
    manifest = _generation(entries, generation, options, tell)
    return BuiltGallery(onboarded.items, onboarded.directories, generation, manifest, onboarded.failures)


def onboard_sources(
    sources: Sequence[Path],
    cache: Path,
    *,
    exclude_categories: Iterable[str] = (),
    workers: int = 2,
    progress: Progress | None = None,
) -> OnboardedSources:
    """Read and render every model of the sources, taking from `cache` what is there already.

    Raises BadSource for a source that can't be opened, NoViews where no model came in.
    """
    tell = progress or silent
    found, failures = found_models(sources, cache / "sources", exclude_categories, tell)
    directories, failed = _onboard(found, cache / "models", workers, tell)
    failures += [Failure(found[at].item.id, reason) for at, reason in sorted(failed.items())]
    kept = [at for at in range(len(found)) if at not in failed]
    if not kept:
        raise NoViews(f"no model of {', '.join(map(str, sources))} could be indexed; see the reasons above")
    return OnboardedSources(
        tuple(found[at].item for at in kept), tuple(directories[at] for at in kept), tuple(failures)
    )


def found_models(
    sources: Sequence[Path], workdir: Path, exclude_categories: Iterable[str], tell: Progress
) -> tuple[list[_Found], list[Failure]]:
    """Models of all sources in order, with family and category from a models.csv where there is one."""
    excluded = {category.casefold() for category in exclude_categories}
    found: list[_Found] = []
    failures: list[Failure] = []
    for done, path in enumerate(sources):
        tell("opening", done, len(sources))
        folder = workdir / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        source = open_source(path, workdir=folder)
        failures += [Failure(failure.key, failure.reason) for failure in source.failures]
        table = _models_table(path)
        for model in source.models:
            product, category = table.get(model.key, ("", model.category))
            if category.casefold() not in excluded:
                found.append(_Found(GalleryItem(model.key, model.name, category, product), model))
    tell("opening", len(sources), len(sources))
    return found, failures


def _models_table(source: Path) -> Mapping[str, tuple[str, str]]:
    """id -> (product, category) of the models.csv in a folder or beside it."""
    if not source.is_dir():
        return {}
    for path in (source / "models.csv", source.parent / "models.csv"):
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                return {
                    row["model"]: (row.get("product") or "", row.get("category") or "")
                    for row in csv.DictReader(file)
                    if row.get("model")
                }
    return {}


def _onboard(
    found: Sequence[_Found], cache: Path, workers: int, tell: Progress
) -> tuple[list[Path], dict[int, str]]:
    """A directory a model, in order, and why some failed. Equal content is onboarded once."""
    cache.mkdir(parents=True, exist_ok=True)
    directories = []
    for done, one in enumerate(found):
        tell("hashing", done, len(found))
        directories.append(cache / _model_name(one.model))
    tell("hashing", len(found), len(found))
    waiting = {
        directory: OnboardJob(one.model, one.model.frame, directory)
        for one, directory in zip(found, directories, strict=True)
        if not (directory / "views.npz").is_file()
    }
    reasons: dict[Path, str] = {}
    tell("rendering", 0, len(waiting))
    results = onboard_many(list(waiting.values()), workers=workers) if waiting else iter(())
    for done, result in enumerate(results, start=1):
        if result.model is None:
            reasons[result.job.out] = str(result.error)
        tell("rendering", done, len(waiting))
    failed = {at: reasons[path] for at, path in enumerate(directories) if path in reasons}
    return directories, failed


def _model_name(model: ModelFile) -> str:
    parts = (content_hash(model), repr(model.frame), RENDERER_FINGERPRINT, repr(DEFAULT_GRID))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _generation_name(entries: Sequence[GenerationEntry], options: IndexOptions) -> str:
    parts = [entry.directory.name for entry in entries]
    parts += [
        registry.embedder(options.embedder).info.fingerprint,
        registry.adapter(options.adapter).fingerprint,
        RENDERER_FINGERPRINT,
        repr(options.calibration),
        RULE,
        f"features {FEATURES_VERSION}",
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return f"{options.embedder}-{digest}"


def _generation(
    entries: Sequence[GenerationEntry], path: Path, options: IndexOptions, tell: Progress
) -> Manifest:
    if path.is_dir():
        return open_generation(path).manifest
    return build_generation(
        entries,
        path,
        embedder_name=options.embedder,
        adapter_name=options.adapter,
        calibration=options.calibration,
        progress=tell,
    )
