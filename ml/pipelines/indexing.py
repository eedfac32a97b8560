"""Onboarded models to an index generation: embed, sort by aspect, calibrate, write, verify, put in place."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from ml import registry
from ml.adapt.linear import linear_fingerprint
from ml.errors import GenerationMismatch, IndexUnreachable, NoViews
from ml.geometry.crops import crop_of_view
from ml.kinds.products import KindsOfViews, kinds_elsewhere, kinds_of_products, kinds_of_views
from ml.memory.budget import crops_within
from ml.pipelines.cores import on_every_core
from ml.pipelines.progress import Progress, silent
from ml.protocols import Adapter, Embedder, EmbedderInfo, Features, KnowsAbsent
from ml.render.shading import RENDERER_FINGERPRINT
from ml.render.views import load_views
from ml.search.backgrounds import background_crops
from ml.search.calibration import ESTIMATOR, TAIL, fit_calibration
from ml.search.colors import NAMES, colors_of_views
from ml.search.config import SearchConfig
from ml.search.decision import FALSE_ACCEPTS, RULE, draw_cohort, fit_no_match
from ml.search.generation import (
    ADAPTER,
    ROWS_BYTES,
    camera_to_row,
    discard,
    pack_masks,
    put_in_place,
    verify_files,
)
from ml.search.indexes import EXACT, IndexChoice, add_index, check_index, drop_index
from ml.search.kinds import likeliest
from ml.search.manifest import Manifest, digest_of, write_manifest
from ml.search.rerank import quantize_cells
from ml.types import Array, FloatArray, IntArray, ViewSet

__all__ = [
    "FEATURES_VERSION",
    "CalibrationSource",
    "GenerationEntry",
    "adapter_of",
    "build_generation",
    "check_fingerprints",
    "embed_views",
    "features_of",
    "verify_generation",
]

log = logging.getLogger(__name__)

FEATURES_VERSION = 2
_BROUGHT = "the embedder's weights"
_TOLD_TOGETHER = 65_536  # views whose kinds are told at a time: 100 MB

Describe = Callable[
    [int, int, Path | None], tuple[FloatArray, str]
]  # count, seed, folder; what `_patches` gives


@dataclass(frozen=True, slots=True)
class GenerationEntry:
    """One model: view k has the id first_view_id + k. The caller keeps ids unique and stable."""

    model_id: int
    directory: Path
    first_view_id: int


@dataclass(frozen=True, slots=True)
class CalibrationSource:
    """backgrounds  folder of photos without products; None takes the patches of photographs an embedder brings,
                 and draws some where it brings none
    absent       folder of photos of things not in the catalog, for the no-match threshold; None takes the
                 photographs an embedder brings, where it knows any and no backgrounds are named, else
                 background patches the calibration has not seen
    patches      how many the calibration sees
    """

    backgrounds: Path | None = None
    absent: Path | None = None
    patches: int = 4000
    absent_patches: int = 1000
    seed: int = 1


class _Table(Protocol):
    """What a features file holds, by name."""

    def __getitem__(self, name: str) -> Array: ...


# ---- features of one model ------------------------------------------------------------------


def features_of(directory: Path, embedder_name: str, *, memory_bytes: int | None = None) -> Path:
    """The features of an onboarded model's views, made if they are not there yet.

    memory_bytes: what the network, its crops and all it computes may take, beside the process and the views
    themselves; None for no limit. Raises BudgetTooSmall.

    The file is named by the embedder's fingerprint and says which views it was made from, so one of
    another network or of views rendered again is never taken. Written beside and renamed.
    """
    embedder = registry.embedder(embedder_name)
    path = directory / f"features-{embedder.info.fingerprint}.npz"
    source = digest_of(directory / "views.npz").sha256
    if _is_current(path, source):
        return path
    views = load_views(directory)
    if views.fingerprint != RENDERER_FINGERPRINT:
        raise GenerationMismatch(
            f"the views of {directory} were rendered by {views.fingerprint}, this is {RENDERER_FINGERPRINT}; "
            "onboard the model again"
        )
    features = embed_views(views, embedder_name, memory_bytes=memory_bytes)
    content: dict[str, Any] = {
        "version": np.int64(FEATURES_VERSION),
        "views": np.array(source),
        "vectors": features.vectors.astype(np.float16),
        "aspects": views.aspects.astype(np.float64),
        "angles": np.array([(view.azimuth, view.elevation) for view in views.grid], dtype=np.float64),
        "cameras": np.stack([camera_to_row(camera) for camera in views.cameras]),
        "masks": pack_masks(views.masks),
        "colors": colors_of_views(views),
    }
    if features.cells is not None:
        content["cells"] = quantize_cells(features.cells)
    _save(path, content)
    return path


def embed_views(views: ViewSet, embedder_name: str, *, memory_bytes: int | None = None) -> Features:
    """All views, as many at a time as `memory_bytes` allow. Raises BudgetTooSmall."""
    embedder = registry.embedder(embedder_name)
    size, count = embedder.info.input_size, len(views.grid)
    step = count if memory_bytes is None else _crops_within(embedder_name, memory_bytes)
    parts = [
        embedder.embed([crop_of_view(views, k, size) for k in range(start, min(start + step, count))])
        for start in range(0, count, step)
    ]
    cells = [part.cells for part in parts if part.cells is not None]
    vectors = np.concatenate([part.vectors for part in parts])
    return Features(vectors, np.concatenate(cells) if cells else None)


@cache
def _crops_within(embedder_name: str, memory_bytes: int) -> int:
    return crops_within(registry.embedder(embedder_name), memory_bytes)


def _is_current(path: Path, source: str) -> bool:
    try:
        with np.load(path, allow_pickle=False) as table:
            return int(table["version"]) == FEATURES_VERSION and str(table["views"]) == source
    except (OSError, ValueError, KeyError, EOFError):
        return False


def _save(path: Path, content: dict[str, Any]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}.tmp-", suffix=".npz")
    staged = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **content)
        staged.chmod(0o644)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


# ---- the generation -------------------------------------------------------------------------


def build_generation(
    entries: Sequence[GenerationEntry],
    out: Path,
    *,
    embedder_name: str = registry.DEFAULT_EMBEDDER,
    adapter_name: str = "identity",
    config: SearchConfig | None = None,
    calibration: CalibrationSource | None = None,
    memory_bytes: int | None = None,
    choice: IndexChoice = EXACT,
    progress: Progress | None = None,
) -> Manifest:
    """Build a generation of these models in the new folder `out`, verified before it stands there.

    adapter_name: "identity" or "linear:FILE", whose file becomes a part of the generation.
    memory_bytes: what embedding may take, as `features_of` says. choice: what it may be searched by beside the
    exact scan; inverted lists that find too little are left out, and the manifest says so.
    progress(stage, done, total) with the stages embedding, writing, calibrating, indexing (beside the exact scan),
    verifying.
    Raises NoViews without entries, ValueError where ids repeat, FileExistsError where `out` exists,
    GenerationMismatch where a model was rendered by another renderer, IndexUnreachable.
    """
    tell = progress or silent
    if out.exists():
        raise FileExistsError(f"{out} exists; a generation is never overwritten, choose another folder")
    embedder = registry.embedder(embedder_name)
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = out.parent / f"{out.name}.tmp-{uuid.uuid4().hex[:8]}"
    staged.mkdir()
    try:
        kind, _, file = adapter_name.partition(":")
        if file:  # read from the copy: what is kept by path would miss that the file was fitted anew
            shutil.copyfile(file, staged / ADAPTER)
            adapter_name = f"{kind}:{staged / ADAPTER}"
        adapter = registry.adapter(adapter_name)
        if adapter.embedder not in {"", embedder.info.fingerprint}:
            raise GenerationMismatch(
                f"the adaptation was fitted to embedder {adapter.embedder}, this is "
                f"{embedder.info.fingerprint}; run manage.py adapt_catalog"
            )
        tables = _embed_all(entries, embedder_name, memory_bytes, tell)
        vectors = _write_rows(staged, entries, tables, embedder.info, tell)
        source = calibration or CalibrationSource()
        patches = partial(_patches, embedder_name, adapter_name, kept=out.parent, memory_bytes=memory_bytes)
        fitted, threshold = _calibrate(
            staged, vectors, (patches, _elsewhere(embedder, adapter)), source, choice, tell
        )
        index = _index(staged, vectors, patches, source, choice, tell)
        manifest = Manifest(
            embedder=embedder_name,
            embedder_fingerprint=embedder.info.fingerprint,
            adapter=kind,
            adapter_fingerprint=adapter.fingerprint,
            renderer_fingerprint=RENDERER_FINGERPRINT,
            dim=embedder.info.dim,
            cells=embedder.info.cells,
            grid=_grid(tables[0]),
            models=len(entries),
            views=len(vectors),
            calibration=fitted,
            no_match=threshold,
            search=config or SearchConfig(),
            files={},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            index=index,
        )
        del vectors
        names = sorted(path.name for path in staged.iterdir())
        manifest = replace(manifest, files={name: digest_of(staged / name) for name in names})
        write_manifest(manifest, staged)
        tell("verifying", 0, 1)
        verify_files(staged)
        put_in_place(staged, out)
        tell("verifying", 1, 1)
    except BaseException:
        _drop(staged, choice)
        raise
    finally:
        discard(staged)
    return manifest


def _drop(staged: Path, choice: IndexChoice) -> None:
    try:
        drop_index(staged, choice)
    except IndexUnreachable as error:
        log.warning("what the failed build had put elsewhere stays there: %s", error)


def verify_generation(path: Path, choice: IndexChoice = EXACT) -> Manifest:
    """Read every byte of a generation and check what made it.

    choice: what it is searched by is there, whole. Raises GenerationCorrupt where a file, or a view in a server,
    is missing, truncated or altered, GenerationMismatch where it was built with another embedder, renderer or
    adapter than this release has, IndexUnreachable.
    """
    manifest = verify_files(path)
    check_fingerprints(manifest)
    check_index(path, manifest, choice)
    return manifest


def check_fingerprints(manifest: Manifest, *, embedder_name: str | None = None) -> None:
    """Raises GenerationMismatch with what to run. embedder_name: the one to search with; None takes the
    manifest's."""
    way_out = "run manage.py build_index"
    wanted = embedder_name or manifest.embedder
    made_by = [
        ("embedder", manifest.embedder_fingerprint, registry.embedder(wanted).info.fingerprint),
        ("adapter", manifest.adapter_fingerprint, _adapter_fingerprint(manifest)),
        ("renderer", manifest.renderer_fingerprint, RENDERER_FINGERPRINT),
    ]
    for kind, built, present in made_by:
        if built != present:
            raise GenerationMismatch(f"the index was built with {kind} {built}, this is {present}; {way_out}")


def adapter_of(folder: Path, manifest: Manifest) -> str:
    """What `registry.adapter` and `build_generation` call a generation's adapter."""
    return f"linear:{folder / ADAPTER}" if manifest.adapter == "linear" else manifest.adapter


def _adapter_fingerprint(manifest: Manifest) -> str:
    if manifest.adapter == "linear":
        return linear_fingerprint(manifest.files[ADAPTER].sha256)
    return registry.adapter(manifest.adapter).fingerprint


def _embed_all(
    entries: Sequence[GenerationEntry], embedder_name: str, memory_bytes: int | None, tell: Progress
) -> list[Path]:
    if not entries:
        raise NoViews("an index needs at least one model with views; import some products first")
    if len({entry.model_id for entry in entries}) < len(entries):
        raise ValueError("two entries have the same model id; each model is indexed once")
    registry.embedder(embedder_name)  # loaded once, before several ask for it

    def embedded(entry: GenerationEntry) -> Path:
        return features_of(entry.directory, embedder_name, memory_bytes=memory_bytes)

    paths: list[Path] = []
    tell("embedding", 0, len(entries))
    most = None if memory_bytes is None else 1  # a budget is the whole process's
    with closing(on_every_core(embedded, entries, most=most)) as made:
        for path in made:
            paths.append(path)
            tell("embedding", len(paths), len(entries))
    return paths


def _grid(table: Path) -> tuple[tuple[float, float], ...]:
    with np.load(table, allow_pickle=False) as content:
        angles = np.degrees(content["angles"])
    return tuple((round(float(azimuth), 6), round(float(elevation), 6)) for azimuth, elevation in angles)


def _write_rows(
    staged: Path,
    entries: Sequence[GenerationEntry],
    tables: Sequence[Path],
    info: EmbedderInfo,
    tell: Progress,
) -> npt.NDArray[np.float16]:
    """Scatter every model's rows to their place in aspect order; only one model's are in memory."""
    aspects = np.concatenate([_read(path, "aspects") for path in tables])
    counts = [len(_read(path, "aspects")) for path in tables]
    view_ids = np.concatenate(
        [entry.first_view_id + np.arange(n) for entry, n in zip(entries, counts, strict=True)]
    ).astype(np.int64)
    if len(np.unique(view_ids)) < len(view_ids):
        raise ValueError(
            "two views have the same id; give each model a first_view_id with room for its views"
        )
    model_ids = np.repeat(np.array([entry.model_id for entry in entries], dtype=np.int64), counts)
    log_aspects = np.log(aspects)
    order = np.lexsort((view_ids, log_aspects))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    for name, column in [
        ("aspects", aspects),
        ("log_aspects", log_aspects),
        ("view_ids", view_ids),
        ("model_ids", model_ids),
    ]:
        np.save(staged / f"{name}.npy", column[order])
    return _scatter(staged, tables, place, counts, info, tell)


def _scatter(
    staged: Path,
    tables: Sequence[Path],
    place: npt.NDArray[np.int64],
    counts: Sequence[int],
    info: EmbedderInfo,
    tell: Progress,
) -> npt.NDArray[np.float16]:
    n = len(place)
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "vectors": (np.float16, (n, info.dim)),
        "angles": (np.float64, (n, 2)),
        "cameras": (np.float64, (n, 22)),
        "masks": (np.uint8, (n, 128)),
        "colors": (np.uint8, (n, len(NAMES))),
    }
    if info.cells:
        shapes["cells"] = (np.int8, (n, *info.cells))
    maps = {
        name: _reserved_map(staged / f"{name}.npy", dtype, shape) for name, (dtype, shape) in shapes.items()
    }
    if n * info.dim * 4 <= ROWS_BYTES:
        maps["rows"] = _reserved_map(staged / "rows.npy", np.float32, (n, info.dim))
    start = 0
    for done, (path, count) in enumerate(zip(tables, counts, strict=True)):
        tell("writing", done, len(tables))
        with np.load(path, allow_pickle=False) as content:
            for name, rows in maps.items():
                # the rows are the float16 numbers exactly, in another width
                rows[place[start : start + count]] = content["vectors" if name == "rows" else name]
        start += count
    for rows in maps.values():
        rows.flush()
    tell("writing", len(tables), len(tables))
    return cast("npt.NDArray[np.float16]", maps["vectors"])


def _reserved_map(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new array on disk, its room taken at once: OSError where there is none, not a signal in mid-write."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _read(path: Path, name: str) -> Array:
    with np.load(path, allow_pickle=False) as content:
        return np.asarray(content[name])


# ---- calibration ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Elsewhere:
    """Adapted vectors of photographs of other things: (n, d) whole, and (m, d) patches of them. told: what tells a view's
    kind by its vector, and kinds (n, k) of the whole ones; None where nothing does."""

    photos: FloatArray
    patches: FloatArray
    told: tuple[KindsOfViews, FloatArray] | None


def _elsewhere(embedder: Embedder, adapter: Adapter) -> _Elsewhere | None:
    if not isinstance(embedder, KnowsAbsent):
        return None
    network = kinds_of_views(embedder.info.fingerprint)
    told = None if network is None else (network, kinds_elsewhere())
    return _Elsewhere(adapter.adapt(embedder.absent), adapter.adapt(embedder.patches), told)


def _likeliest(told: tuple[KindsOfViews, FloatArray], vectors: FloatArray, products: IntArray) -> FloatArray:
    """(n,): how likely each photograph of other things and the product that fits it best are of one kind."""
    network, kinds = told
    ids, places = np.unique(products, return_inverse=True)
    parts = (slice(start, start + _TOLD_TOGETHER) for start in range(0, len(vectors), _TOLD_TOGETHER))
    blocks = ((vectors[part], places[part]) for part in parts)
    return likeliest(kinds, kinds_of_products(network, blocks, len(ids)))


def _calibrate(
    staged: Path,
    vectors: npt.NDArray[np.float16],
    known: tuple[Describe, _Elsewhere | None],
    source: CalibrationSource,
    choice: IndexChoice,
    tell: Progress,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """known: what describes backgrounds, and what the embedder brings, if it does."""
    describe, elsewhere = known
    photos = None if elsewhere is None else elsewhere.photos
    tell("calibrating", 0, 2)
    if elsewhere is not None and source.backgrounds is None:
        patches, drawn_from = elsewhere.patches, _BROUGHT
    else:
        patches, drawn_from = describe(source.patches, source.seed, source.backgrounds)
    fitted = fit_calibration(cast("FloatArray", vectors), patches)
    np.save(staged / "calibration.npy", fitted.lines)
    tell("calibrating", 1, 2)
    folder = source.absent or source.backgrounds
    are_photos = photos is not None and folder is None
    if photos is not None and folder is None:
        absent, absent_from = photos, _BROUGHT
    else:
        absent, absent_from = describe(source.absent_patches, source.seed + 1, folder)
    products = np.load(staged / "model_ids.npy")
    cohort = None if choice.kind == "exact" else draw_cohort(products)
    told = elsewhere.told if elsewhere is not None and are_photos else None
    rule = fit_no_match(
        cast("FloatArray", vectors),
        fitted.lines,
        products,
        absent,
        cohort,
        log_aspects=np.load(staged / "log_aspects.npy"),
        elsewhere=photos,
        are_photos=are_photos,
        likeliest=None if told is None else _likeliest(told, cast("FloatArray", vectors), products),
    )
    tell("calibrating", 2, 2)
    calibration = {
        "estimator": ESTIMATOR,
        "tail": TAIL,
        "factor": fitted.factor,
        "patches": fitted.patches,
        "source": drawn_from,
        "seed": source.seed,
    }
    no_match = {
        **rule.to_json(),
        "rule": RULE,
        "false_accepts": FALSE_ACCEPTS,
        "patches": len(absent),
        "source": absent_from,
        "of": _absent_kind(source, are_photos=are_photos),
    }
    if cohort is not None:
        no_match["cohort"] = cohort.tolist()
    return calibration, no_match


def _absent_kind(source: CalibrationSource, *, are_photos: bool) -> str:
    if are_photos:
        return "photographs of anything but furniture and household things"
    return "photos of things not in the catalog" if source.absent else "background patches"


def _index(
    staged: Path,
    vectors: npt.NDArray[np.float16],
    describe: Describe,
    source: CalibrationSource,
    choice: IndexChoice,
    tell: Progress,
) -> Mapping[str, Any]:
    if choice.kind == "exact":
        return {"kind": "exact"}
    tell("indexing", 0, 1)
    backgrounds, _ = describe(source.patches, source.seed, source.backgrounds)
    made = add_index(staged, vectors, backgrounds, choice)
    tell("indexing", 1, 1)
    return made


@lru_cache(maxsize=4)
def _patches(
    embedder_name: str,
    adapter_name: str,
    count: int,
    seed: int,
    folder: Path | None,
    kept: Path,
    memory_bytes: int | None = None,
) -> tuple[FloatArray, str]:
    """Adapted descriptors (count, d) of background patches, made once and then taken from `kept`."""
    embedder, adapter = registry.embedder(embedder_name), registry.adapter(adapter_name)
    crops, name = background_crops(count, embedder.info.input_size, seed=seed, folder=folder)
    recipe = f"{embedder.info.fingerprint} {adapter.fingerprint} {count} {seed} {name}"
    path = kept / f"backgrounds-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.npy"
    known = _kept_rows(path, (count, embedder.info.dim))
    if known is not None:
        return known, name
    step = 128
    if memory_bytes is not None:
        step = min(step, _crops_within(embedder_name, memory_bytes))
    rows = [embedder.embed(batch).vectors for batch in _batches(crops, step)]
    made: FloatArray = adapter.adapt(np.concatenate(rows)).astype(np.float32)
    beside = path.with_name(f".{path.name}.{os.getpid()}.npy")
    np.save(beside, made)
    beside.replace(path)
    return made, name


def _kept_rows(path: Path, shape: tuple[int, int]) -> FloatArray | None:
    """Rows written by an earlier build; None where there are none or they are damaged."""
    try:
        rows: FloatArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.shape == shape and bool(np.isfinite(rows).all()) else None


def _batches(crops: Iterable[Any], size: int) -> Iterable[list[Any]]:
    batch: list[Any] = []
    for crop in crops:
        batch.append(crop)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
