"""The only door from Django into `ml`. Lazy: importing this module loads neither torch nor numpy.

Values that come through it (Photo, Match, Manifest, ...) are `ml`'s own.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from ml.errors import (
    BadBox,
    BadPhoto,
    BadSource,
    GenerationCorrupt,
    IndexUnreachable,
    ShapelensError,
)

if TYPE_CHECKING:
    from ml.mesh.sources import Source
    from ml.pipelines.adapting import AdaptReport
    from ml.pipelines.indexing import GenerationEntry
    from ml.pipelines.onboarding import OnboardJob, OnboardResult
    from ml.pipelines.searching import PhotoQuery, SearchAnswer, Searcher
    from ml.pose.front import FrontProposal
    from ml.render.views import ViewGrid
    from ml.search.answers import Match
    from ml.search.indexes import IndexChoice
    from ml.search.manifest import Manifest
    from ml.types import Frame, ModelFile, Photo

__all__ = [
    "BadBox",
    "BadPhoto",
    "BadSource",
    "GenerationCorrupt",
    "IndexUnreachable",
    "ShapelensError",
    "adapt_models",
    "adapter_in",
    "adapter_of",
    "build_generation",
    "check_files",
    "colors_of_model",
    "colors_of_photo",
    "content_hash",
    "drop_index",
    "embedder_fingerprint",
    "embedder_name",
    "encode_photo",
    "entry",
    "frame",
    "is_current",
    "most_alike",
    "onboard_job",
    "onboard_many",
    "open_photo",
    "open_source",
    "outline_in_photo",
    "propose_front",
    "query",
    "read_table",
    "renderer_fingerprint",
    "reset",
    "search",
    "serve_index",
    "verify_generation",
    "view_jpeg",
    "warm",
    "write_sample_catalog",
]

_lock = threading.Lock()
_opened: tuple[tuple[Path, ...], Searcher] | None = None


# ---- names ------------------------------------------------------------------------------


@cache
def embedder_name() -> str:
    """What this installation embeds with: the setting, else our own network where its weights are, else hog."""
    from ml.registry import DEFAULT_EMBEDDER
    from ml.weights import FOLDER

    if settings.SHAPELENS_EMBEDDER:
        return str(settings.SHAPELENS_EMBEDDER)
    return DEFAULT_EMBEDDER if (FOLDER / f"{DEFAULT_EMBEDDER}.safetensors").exists() else "hog"


@cache
def view_grid() -> ViewGrid:
    """Azimuths x elevations of SHAPELENS_VIEWS; elevations are 0, 15, 30 degrees and so on."""
    from ml.render.views import DEFAULT_GRID, ViewGrid

    azimuths, _, elevations = settings.SHAPELENS_VIEWS.partition("x")
    if (azimuths, elevations) == ("36", "3"):
        return DEFAULT_GRID
    return ViewGrid(azimuths=int(azimuths), elevations_deg=tuple(15.0 * i for i in range(int(elevations))))


def renderer_fingerprint() -> str:
    """What made the views: two assets of one file differ where it differs."""
    from ml.render.shading import RENDERER_FINGERPRINT

    return f"{RENDERER_FINGERPRINT}-{settings.SHAPELENS_VIEWS}"


# ---- models in --------------------------------------------------------------------------


def open_source(path: Path, *, workdir: Path) -> Source:
    from ml.mesh.sources import open_source as opened

    return opened(path, workdir=workdir)


def read_table(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Rows of a CSV or JSON table by our own column names, and warnings. Raises ValueError, OSError."""
    from ml.mesh.manifests import read_table as table

    return table(path)


def content_hash(model: ModelFile) -> str:
    """SHA-256 over the model's file and everything it refers to."""
    from ml.mesh.sources import content_hash as hashed

    return hashed(model)


def frame(model: ModelFile, *, unit: str, up: str, front: str) -> Frame:
    """The model's own frame, overridden by what is not ''."""
    from dataclasses import replace

    given: dict[str, Any] = {k: v for k, v in {"unit": unit, "up": up, "front": front}.items() if v}
    return replace(model.frame, **given)


def onboard_job(model: ModelFile, frame: Frame, out: Path) -> OnboardJob:
    from ml.pipelines.onboarding import OnboardJob

    return OnboardJob(model=model, frame=frame, out=out)


def onboard_many(jobs: Sequence[OnboardJob]) -> Iterator[OnboardResult]:
    """Each in a child process that can be killed singly; a failure never stops the rest."""
    from ml.pipelines.onboarding import onboard_many as onboarded

    return onboarded(jobs, workers=settings.SHAPELENS_JOB_WORKERS, grid=view_grid())


def propose_front(items: Sequence[tuple[Path, Path]]) -> FrontProposal:
    """Which way the models face, by the pictures they came with; items: picture, model's directory."""
    from ml.pipelines.fronts import propose_front as proposed

    return proposed(items, embedder_name())


def view_jpeg(directory: Path, k: int) -> bytes:
    """View k of a model, in its true proportions. Raises ViewsCorrupt, IndexError."""
    from ml.render.views import view_jpeg as viewed

    return viewed(directory, k)


def write_sample_catalog(folder: Path) -> None:
    from ml.mesh.parametric.sample import write_sample_catalog as written

    written(folder)


# ---- index ------------------------------------------------------------------------------


def entry(model_id: int, directory: Path, first_view_id: int) -> GenerationEntry:
    from ml.pipelines.indexing import GenerationEntry

    return GenerationEntry(model_id=model_id, directory=directory, first_view_id=first_view_id)


def build_generation(
    entries: Sequence[GenerationEntry],
    out: Path,
    *,
    adapter: str,
    progress: Callable[[str, int, int], None],
    is_small: bool = False,
) -> Manifest:
    """adapter: of `adapter_in` or `adapter_of`. is_small: an addition of a few models, for which the exact scan is
    enough."""
    from ml.pipelines.indexing import build_generation as built
    from ml.search.indexes import EXACT

    return built(
        entries,
        out,
        embedder_name=embedder_name(),
        adapter_name=adapter,
        memory_bytes=settings.SHAPELENS_EMBED_MIB << 20 or None,
        choice=EXACT if is_small else _index_choice(),
        progress=progress,
    )


def _index_choice() -> IndexChoice:
    from ml.search.indexes import IndexChoice

    return IndexChoice(settings.SHAPELENS_INDEX, settings.SHAPELENS_MILVUS_URL)


def adapter_in(file: Path) -> str:
    """What takes photos' descriptors to the renders': the file, where there is one."""
    return f"linear:{file}" if file.exists() else "identity"


def adapter_of(generation: Path) -> str:
    """The one a generation was built with."""
    from ml.pipelines.indexing import adapter_of as named
    from ml.search.manifest import read_manifest

    return named(generation, read_manifest(generation))


def embedder_fingerprint() -> str:
    from ml import registry

    return registry.embedder(embedder_name()).info.fingerprint


def adapt_models(
    directories: Sequence[Path],
    out: Path,
    *,
    backgrounds: Path | None,
    most: int,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> AdaptReport:
    """Fit photos' descriptors to the renders of these models, into the file `out`. Raises NoViews, BadSource."""
    from ml.pipelines.adapting import adapt_models as adapted

    return adapted(
        directories,
        out,
        embedder_name=embedder_name(),
        backgrounds=backgrounds,
        most=most,
        seed=seed,
        progress=progress,
    )


def check_files(path: Path) -> Manifest:
    """Every byte of a generation as it was written, whatever made it. Raises GenerationCorrupt."""
    from ml.search.generation import verify_files

    return verify_files(path)


def verify_generation(path: Path) -> Manifest:
    """Raises GenerationCorrupt, GenerationMismatch, IndexUnreachable."""
    from ml.pipelines.indexing import verify_generation as verified

    return verified(path, _index_choice())


def serve_index(path: Path) -> None:
    """Tell a server that holds this generation's views that it answers. Raises IndexUnreachable."""
    from ml.search.indexes import serve_index as served
    from ml.search.manifest import read_manifest

    served(read_manifest(path), _index_choice())


def drop_index(path: Path) -> None:
    """Before a generation's folder is deleted: what of it lies in a server. Raises IndexUnreachable."""
    from ml.search.indexes import drop_index as dropped

    dropped(path, _index_choice())


def is_current(path: Path) -> bool:
    """Whether a generation was made by the embedder and renderer of this installation."""
    from ml.pipelines.indexing import check_fingerprints
    from ml.search.manifest import read_manifest

    try:
        manifest = read_manifest(path)
        check_fingerprints(manifest)
    except (ShapelensError, OSError):
        return False
    return manifest.embedder == embedder_name()


# ---- search -----------------------------------------------------------------------------


def open_photo(source: Path | bytes) -> Photo:
    """Upright, bounded, sRGB. Raises BadPhoto."""
    from ml.pipelines.photos import open_photo as opened

    return opened(source)


def encode_photo(photo: Photo) -> bytes:
    """JPEG without metadata."""
    from ml.pipelines.photos import encode_photo as encoded

    return encoded(photo)


def query(photo: Photo, box: Sequence[float] | None, turn_deg: float | None = None) -> PhotoQuery:
    """box: edges in the photo's pixels; None where the object has to be found. turn_deg: as `SearchPhoto` has it."""
    from ml.pipelines.searching import PhotoQuery
    from ml.types import Box

    turn = None if turn_deg is None else math.radians(turn_deg)
    return PhotoQuery(photo=photo, box=None if box is None else Box(*map(float, box)), turn=turn)


def search(
    folders: Sequence[Path],
    queries: Sequence[PhotoQuery],
    *,
    tau: float,
    top: int,
    withdrawn: frozenset[int],
    model_directory: Callable[[int], Path] | None,
    on_stage: Callable[[str], None] | None = None,
    on_matches: Callable[[SearchAnswer], None] | None = None,
    pose_top: int = 5,
    why_top: int | None = None,
) -> SearchAnswer:
    """folders: a generation's, and those of what was added to it since."""
    searcher = _searcher(folders)
    return searcher.search(
        queries,
        tau=tau,
        top=top,
        withdrawn=withdrawn,
        model_directory=model_directory,
        on_stage=on_stage,
        on_matches=on_matches,
        pose_top=pose_top,
        why_top=why_top,
    )


def colors_of_photo(photo: Photo, box: Sequence[float]) -> list[float]:
    """Share of each basic color (`ml.search.colors.NAMES`) in the box's object."""
    from ml.search.colors import colors_of_photo as found
    from ml.types import Box

    return found(photo, Box(*map(float, box)))


def outline_in_photo(
    photo: Photo, box: Sequence[float], match: Match | None = None, directory: Path | None = None
) -> list[list[list[float]]]:
    """Rings of [x, y] around the box's object, in tenths of the photo's pixels (`ml.pose.outlines`); empty where it
    can't be told from what is around it.

    match: a product whose pose in that photo is known, its model in `directory`: it helps where it was recognized.
    """
    from ml.pose.cutouts import cut_out
    from ml.pose.fitting import scene_of
    from ml.pose.masks import estimate_mask
    from ml.pose.outlines import outlined
    from ml.types import Box

    edges = Box(*map(float, box))
    if match is None or match.pose is None or directory is None:
        mask = estimate_mask(photo, edges)
    else:
        mask = cut_out(photo, edges, partial(scene_of, directory), match.pose, match.recognized)
    rings = [] if mask is None else outlined(mask)
    return [[[round(float(x), 1), round(float(y), 1)] for x, y in ring] for ring in rings]


@lru_cache(maxsize=20_000)
def colors_of_model(directory: Path) -> list[float]:
    """The same of a model's thumbnail; all 0 where it has none."""
    from ml.search.colors import colors_of_thumbnail

    return colors_of_thumbnail(directory / "thumbnail.jpg")


def most_alike(folder: Path, model_id: int, *, top: int) -> list[tuple[int, float]]:
    """Models of the index that look like that one, best first. Needs no network. Raises GenerationCorrupt."""
    from ml.search.alike import most_alike as found
    from ml.search.generation import open_generation

    return found(open_generation(folder), model_id, top=top)


def warm(folders: Sequence[Path]) -> None:
    """Load the network and the index, so that the first search is as fast as the next.

    From then on this process computes with one thread. A search's pictures are small: a second thread gains little
    where the other cores are idle, and where an import keeps them busy both wait for one another many times over.
    """
    import cv2
    import numpy as np
    import torch

    from ml.types import Photo

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    photo = Photo(np.full((64, 64, 3), 128, np.uint8))
    searcher = _searcher(folders)
    searcher.search([query(photo, (8, 8, 56, 56))], tau=0.9, top=1, model_directory=None)


def reset() -> None:
    """Forget the opened index and cached names (tests)."""
    global _opened
    with _lock:
        _opened = None
    embedder_name.cache_clear()
    view_grid.cache_clear()


def _searcher(folders: Sequence[Path]) -> Searcher:
    """One opened index a process, replaced when another generation is asked for, or one with additions."""
    global _opened
    from ml.pipelines.searching import Searcher

    with _lock:
        if _opened is None or _opened[0] != tuple(folders):
            _opened = (
                tuple(folders),
                Searcher.open(folders[0], appended=folders[1:], choice=_index_choice()),
            )
        return _opened[1]
