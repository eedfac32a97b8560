"""Work on strangers' files in child processes that can be killed one by one. Imports nothing heavy: a
child starts in a moment."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

from ml.errors import BadMesh, ShapelensError
from ml.pipelines.confinement import confine

__all__ = ["ChildLimits", "Confinement", "Outcome", "run_in_children"]

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Made = TypeVar("Made")

_TASKS_A_CHILD = 100  # then it is replaced, so that what a library leaks stays small
_KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "OPENCV_LOG_LEVEL"}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Of one job: seconds of wall clock, memory_mb of private memory."""

    seconds: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Confinement:
    """All that children may read and write, beside Python's own files; they have no network either."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome(Generic[Job, Made]):
    """Either what was made or why there is nothing."""

    job: Job
    made: Made | None
    error: ShapelensError | None


def run_in_children(
    task: Callable[[Job], Made],
    jobs: Sequence[Job],
    *,
    workers: int,
    limits: ChildLimits,
    confinement: Confinement | None = None,
) -> Generator[Outcome[Job, Made], None, None]:
    """task(job) for every job, in any order, as each is done.

    task and jobs must pickle. A job over a limit, or one that crashes its child, costs only itself: the
    child is killed and replaced. Closing the iterator stops all children.
    """
    if not jobs:
        return
    pool = ProcessPool(
        max_workers=max(1, min(workers, len(jobs))),
        max_tasks=_TASKS_A_CHILD,
        initializer=_start_child,
        initargs=(limits.memory_mb, confinement),
        context=multiprocessing.get_context("spawn"),
    )
    try:
        waiting = {pool.schedule(task, args=(job,), timeout=limits.seconds): job for job in jobs}
        for future in as_completed(waiting):
            error = _failure(future.exception(), limits)
            yield Outcome(waiting[future], future.result() if error is None else None, error)
    finally:
        pool.stop()
        pool.join()


def _start_child(memory_mb: int, confinement: Confinement | None) -> None:
    limit = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in set(os.environ) - _KEPT:
        del os.environ[name]  # keys and passwords are none of a reader's business
    for name in _THREADS:
        os.environ[name] = "1"
    if confinement and (missing := confine(confinement.readable, confinement.writable)):
        log.warning("this system can't confine the readers of models: %s", ", ".join(missing))


def _failure(error: BaseException | None, limits: ChildLimits) -> ShapelensError | None:
    if error is None or isinstance(error, ShapelensError):
        return error
    if isinstance(error, FutureTimeout | TimeoutError):
        return BadMesh(
            f"reading took longer than {limits.seconds:g} s; simplify the model and import it again"
        )
    if isinstance(error, MemoryError):
        return BadMesh(
            f"it needs more than {limits.memory_mb} MB of memory; simplify the model, import it again"
        )
    if isinstance(error, ProcessExpired):
        return BadMesh(
            f"its reader crashed (exit code {error.exitcode}), perhaps over {limits.memory_mb} MB of memory; "
            "export the model again, or simplify it"
        )
    log.error("a child failed in an unforeseen way", exc_info=error)
    return BadMesh(f"it can't be read ({type(error).__name__}: {error}); export the model again")
