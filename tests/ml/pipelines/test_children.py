from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from ml.errors import BadMesh
from ml.pipelines.children import ChildLimits, run_in_children

TASKS = '''
"""What a child does: the job's name says what happens to it."""
import os, signal, time
from ml.errors import BadMesh

def task(job):
    if job == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "hang":
        time.sleep(600)
    if job == "hog":
        kept = bytearray(3 << 30)
    if job == "bug":
        raise RuntimeError("unexpected")
    if job == "bad":
        raise BadMesh("no faces; export it again")
    return f"{job} done"

def touch(path):
    time.sleep(600 if path.name == "hang" else 0)
    path.touch()
'''


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that children can import too."""
    (tmp_path / "tasks_of_children.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    import tasks_of_children

    return tasks_of_children


def test_a_job_that_hangs_crashes_or_overeats_costs_only_itself(tasks: ModuleType) -> None:
    jobs = ["one", "crash", "hang", "hog", "bug", "bad", "two", "three"]
    limits = ChildLimits(seconds=3, memory_mb=1024)
    outcomes = {o.job: o for o in run_in_children(tasks.task, jobs, workers=2, limits=limits)}
    assert set(outcomes) == set(jobs)
    made = {job: o.made for job, o in outcomes.items() if o.error is None}
    assert made == {job: f"{job} done" for job in ("one", "two", "three")}
    said = {job: str(o.error) for job, o in outcomes.items() if o.error is not None}
    assert all(isinstance(o.error, BadMesh) and o.made is None for job, o in outcomes.items() if job in said)
    assert "longer than 3 s" in said["hang"]
    assert "crashed" in said["crash"]
    assert "1024 MB of memory" in said["hog"]
    assert "unexpected" in said["bug"]
    assert said["bad"] == "no faces; export it again"


def test_closing_the_outcomes_stops_the_children(tasks: ModuleType, tmp_path: Path) -> None:
    jobs = [tmp_path / name for name in ("first", "hang", "later")]
    outcomes = run_in_children(tasks.touch, jobs, workers=1, limits=ChildLimits(600, 1024))
    assert next(outcomes).job.name == "first"
    outcomes.close()
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "later").exists()


def test_no_jobs_start_no_child(tasks: ModuleType) -> None:
    assert list(run_in_children(tasks.task, [], workers=2, limits=ChildLimits(1, 64))) == []
