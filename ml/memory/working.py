"""A worker that embeds rendered views within a memory budget, watched from outside."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml import registry
from ml.geometry.crops import crop_of_view
from ml.memory.budget import crops_within, planned_bytes
from ml.memory.graph import MIB
from ml.mesh.parametric.families import random_mesh
from ml.pipelines.indexing import embed_views
from ml.render.views import DEFAULT_GRID, render_views

__all__ = ["WorkerRun", "watch_worker"]


@dataclass(frozen=True, slots=True)
class WorkerRun:
    """MiB, beside the process and the views themselves.

    crops     embedded at once
    planned   for the network, that many crops and all it computes
    measured  by how much the worker's resident memory grew, at most
    """

    embedder: str
    budget: float
    crops: int
    views: int
    planned: float
    measured: float


def watch_worker(spec: str, budget_bytes: int) -> WorkerRun:
    """Embed all views of a chair as the build of an index does, in a process of its own.

    spec: a registered embedder. Raises UnknownName, WeightsMissing, BudgetTooSmall.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_work, spec, budget_bytes).result()


def _work(spec: str, budget_bytes: int) -> WorkerRun:
    embedder = registry.embedder(spec)
    side = embedder.info.input_size
    crops = min(crops_within(embedder, budget_bytes), len(DEFAULT_GRID))
    # What rendering, planning and a first run load is the process's own, whatever the batch.
    views = render_views(random_mesh("chair", np.random.default_rng(1)))
    embedder.embed([crop_of_view(views, 0, side)])
    held = sum(value.untyped_storage().nbytes() for value in embedder.network.state_dict().values())
    before = _resident("VmRSS") - held
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the highest so far
    embed_views(views, spec, memory_bytes=budget_bytes)
    grown = _resident("VmHWM") - before
    planned = planned_bytes(embedder.network, (3, side, side), crops) + crops * 16 * side**2
    return WorkerRun(spec, budget_bytes / MIB, crops, len(DEFAULT_GRID), planned / MIB, grown / MIB)


def _resident(field: str) -> int:
    """Bytes, of this process (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))
