"""A model file to everything that is made from it, each in a child process that can be killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ml.errors import ShapelensError
from ml.geometry.normals import merged_vertices
from ml.mesh.compact import write_compact
from ml.mesh.glb import write_glb
from ml.mesh.limits import MeshLimits
from ml.mesh.models import load_model
from ml.mesh.resources import references, source_root
from ml.mesh.storage import save_mesh
from ml.pipelines.children import ChildLimits, Confinement, run_in_children
from ml.render.inspecting import symmetry, view_warnings
from ml.render.raycast import RayScene
from ml.render.thumbnails import thumbnail
from ml.render.views import DEFAULT_GRID, ViewGrid, encode_jpeg, render_views, save_views
from ml.types import Frame, Mesh, ModelFile, ViewSet

__all__ = [
    "OnboardJob",
    "OnboardLimits",
    "OnboardResult",
    "OnboardedModel",
    "mesh_hash",
    "onboard",
    "onboard_many",
]

_HASH_STEP = 1e-6  # metres: finer differences are rounding


@dataclass(frozen=True, slots=True)
class OnboardJob:
    """frame: how the model measures; out: its final directory, replaced where it exists."""

    model: ModelFile
    frame: Frame
    out: Path


@dataclass(frozen=True, slots=True)
class OnboardLimits:
    """Of one model. seconds of wall clock; memory_mb of private memory; faces before decimation."""

    seconds: float = 180.0
    memory_mb: int = 4096
    faces: int = 6_000_000


@dataclass(frozen=True, slots=True)
class OnboardedModel:
    """What was made. extents: width, height, depth in metres. mesh_hash: SHA-256 of the geometry.
    symmetry: as `ml.render.inspecting` finds it."""

    directory: Path
    faces: int
    materials: int
    extents: tuple[float, float, float]
    view_count: int
    mesh_hash: str
    warnings: tuple[str, ...]
    symmetry: str = "none"


@dataclass(frozen=True, slots=True, eq=False)
class OnboardResult:
    """Either the model or why there is none."""

    job: OnboardJob
    model: OnboardedModel | None = None
    error: ShapelensError | None = None


# ---- one model ------------------------------------------------------------------------------


def onboard(
    job: OnboardJob, *, grid: ViewGrid = DEFAULT_GRID, limits: OnboardLimits | None = None
) -> OnboardedModel:
    """Write the model's directory: model.glb, mesh.npz, views.jpg, views-gray.jpg, views.npz, thumbnail.jpg,
    original.zip and facts.json; viewer.glb.gz where that is much lighter than model.glb. It appears whole or not at all. Raises BadMesh.
    """
    limits = limits or OnboardLimits()
    mesh, warnings = load_model(job.model, job.frame, limits=MeshLimits(max_faces=limits.faces))
    scene = RayScene(mesh)
    views = render_views(scene, grid)
    staged = job.out.with_name(f"{job.out.name}.tmp-{os.getpid()}")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        write_glb(mesh, staged / "model.glb")
        write_compact(staged / "model.glb", staged / "viewer.glb.gz")
        save_mesh(mesh, staged / "mesh.npz")
        save_views(views, staged)
        (staged / "thumbnail.jpg").write_bytes(encode_jpeg(thumbnail(scene)))
        _keep_original(job.model.path, staged / "original.zip")
        made = OnboardedModel(
            directory=job.out,
            faces=len(mesh.faces),
            materials=len(mesh.materials),
            extents=(float(mesh.extents[0]), float(mesh.extents[1]), float(mesh.extents[2])),
            view_count=len(views.grid),
            mesh_hash=mesh_hash(mesh),
            warnings=tuple(dict.fromkeys([*warnings, *view_warnings(views, mesh.extents.tolist())])),
            symmetry=symmetry(views),
        )
        _write_facts(made, mesh, views, staged / "facts.json")
        _put_in_place(staged, job.out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return made


def mesh_hash(mesh: Mesh) -> str:
    """SHA-256 of the geometry alone: equal for the same shape in other colors."""
    digest = hashlib.sha256(b"mesh 1")
    digest.update(np.rint(mesh.vertices / _HASH_STEP).astype("<i8").tobytes())
    digest.update(mesh.faces.astype("<i4").tobytes())
    return digest.hexdigest()


def _write_facts(made: OnboardedModel, mesh: Mesh, views: ViewSet, path: Path) -> None:
    facts = {
        "faces": made.faces,
        "watertight": _is_watertight(mesh),
        "extents_m": [round(side, 6) for side in made.extents],
        "materials": [material.name for material in mesh.materials],
        "warnings": list(made.warnings),
        "mesh_hash": made.mesh_hash,
        "symmetry": made.symmetry,
        "renderer": views.fingerprint,
        "views": made.view_count,
    }
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_watertight(mesh: Mesh) -> bool:
    """Every edge belongs to two faces."""
    place = merged_vertices(mesh.vertices)[mesh.faces]
    edges = np.sort(np.concatenate([place[:, [0, 1]], place[:, [1, 2]], place[:, [2, 0]]]), axis=1)
    _, counts = np.unique(edges[:, 0] * np.int64(len(mesh.vertices)) + edges[:, 1], return_counts=True)
    return bool((counts == 2).all())


def _keep_original(model: Path, path: Path) -> None:
    """The file as it came and the files it refers to, in their folders."""
    files = [model, *(file for file in references(model).found if file != model)]
    root = Path(os.path.commonpath([file.parent.resolve() for file in files]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=5) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.resolve().relative_to(root).as_posix())
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as out, file.open("rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)


def _put_in_place(staged: Path, out: Path) -> None:
    """fsync, then rename; what stood there before is removed afterwards."""
    for path in (*staged.iterdir(), staged):
        _fsync(path)
    before = out.with_name(f"{out.name}.tmp-old-{os.getpid()}")
    if out.exists():
        out.rename(before)
    staged.rename(out)
    _fsync(out.parent)
    shutil.rmtree(before, ignore_errors=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- many, each in a child ------------------------------------------------------------------


def onboard_many(
    jobs: Sequence[OnboardJob],
    *,
    workers: int = 2,
    grid: ViewGrid = DEFAULT_GRID,
    limits: OnboardLimits | None = None,
    on_result: Callable[[OnboardResult], None] | None = None,
) -> Generator[OnboardResult, None, None]:
    """Every job's result as it is ready, in any order.

    A model that takes too long, too much memory or crashes its reader costs only itself: its child is
    killed and replaced. Closing the iterator stops the children.
    """
    limits = limits or OnboardLimits()
    task = partial(onboard, grid=grid, limits=limits)
    outcomes = run_in_children(
        task,
        jobs,
        workers=workers,
        limits=ChildLimits(limits.seconds, limits.memory_mb),
        confinement=_confinement(jobs),
    )
    with closing(outcomes):
        for outcome in outcomes:
            result = OnboardResult(outcome.job, outcome.made, outcome.error)
            if result.error is not None:
                _discard_staged(outcome.job.out)
            if on_result is not None:
                on_result(result)
            yield result


def _confinement(jobs: Sequence[OnboardJob]) -> Confinement:
    """A reader sees the sources and writes where models go: no photos, no database, no keys."""
    for job in jobs:
        job.out.parent.mkdir(parents=True, exist_ok=True)
    readable = {source_root(job.model.path.resolve()) for job in jobs}
    return Confinement(tuple(sorted(readable)), tuple(sorted({job.out.parent.resolve() for job in jobs})))


def _discard_staged(out: Path) -> None:
    """What a killed child left behind."""
    for path in out.parent.glob(f"{out.name}.tmp-*"):
        shutil.rmtree(path, ignore_errors=True)
