from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ml.errors import BadMesh
from ml.pipelines.children import ChildLimits, Confinement, run_in_children

TASKS = '''
"""What a child does: the job's name says what happens to it."""
import os, signal, socket, subprocess, sys, time
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

def attempt(job):
    """What a reader that was taken over might do; the error's name, or 'done'."""
    what, _, path = job.partition(" ")
    try:
        if what == "read":
            open(path, "rb").read(1)
        if what == "write":
            open(path, "wb").write(b"x")
        if what == "list":
            os.listdir(path)
        if what == "know":
            os.environ[path]
        if what == "connect":
            socket.create_connection(("127.0.0.1", int(path)), timeout=5)
        if what == "resolve":
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if what == "run":
            subprocess.run([path], check=True)
        if what == "import":
            __import__(path)
    except Exception as error:
        return type(error).__name__
    return "done"

def touch(path):
    time.sleep(600 if path.name == "hang" else 0)
    path.touch()
'''


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that children can import too."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "tasks_of_children.py").write_text(TASKS)
    monkeypatch.syspath_prepend(code)
    monkeypatch.delitem(sys.modules, "tasks_of_children", raising=False)
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


@pytest.mark.skipif(sys.platform != "linux", reason="confinement is Linux's")
def test_a_reader_that_is_taken_over_reaches_its_folders_and_nothing_else(
    tasks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "a key")
    for name in ("source", "made", "private"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x")
    (tmp_path / "source" / "way-out").symlink_to(tmp_path / "private" / "file")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        expected = {
            f"read {tmp_path}/source/file": "done",
            f"write {tmp_path}/made/new": "done",
            "import scipy.spatial": "done",
            f"write {tmp_path}/source/file": "PermissionError",
            f"read {tmp_path}/private/file": "PermissionError",
            f"read {tmp_path}/source/way-out": "PermissionError",
            f"list {tmp_path}/private": "PermissionError",
            "know SECRET_KEY": "KeyError",
            "read /proc/self/environ": "PermissionError",
            f"read /proc/{os.getpid()}/environ": "PermissionError",
            "read /etc/passwd": "PermissionError",
            "write /tmp/shapelens-was-here": "PermissionError",
            f"connect {port}": "PermissionError",
            "resolve": "PermissionError",
            "run /bin/true": "PermissionError",
        }
        outcomes = run_in_children(
            tasks.attempt,
            list(expected),
            workers=1,
            limits=ChildLimits(60, 2048),
            confinement=Confinement(
                (tmp_path / "source", tmp_path / "code"),
                (tmp_path / "made",),
            ),
        )
        found = {outcome.job: outcome.made or str(outcome.error) for outcome in outcomes}
    assert found == expected
