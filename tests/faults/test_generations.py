"""Index files damaged on disk, no room for new ones, two builds or activations at once, a worker that dies in one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Site, draw_photo


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _active(site: Site) -> int:
    [(pk,)] = site.rows("SELECT generation_id FROM catalog_activegeneration")
    return int(pk)


def test_a_flipped_bit_is_found_by_the_hourly_check_and_the_index_before_answers(site: Site) -> None:
    site.manage("build_index")
    assert _active(site) == 2
    _flip_a_bit(site.data / "index" / "2" / "vectors.npy")
    site.manage("shell", "--no-imports", "-c", "from catalog.services import tidying; tidying.tidy()")
    assert _active(site) == 1
    [(status, error)] = site.rows("SELECT status, error FROM catalog_indexgeneration WHERE id = 2")
    assert status == "failed"
    assert "vectors.npy was altered" in error
    assert site.rows("SELECT status FROM catalog_indexgeneration WHERE id = 3") == [("queued",)]


def test_a_truncated_index_answers_by_the_one_before_and_is_built_anew(site: Site, photo: bytes) -> None:
    site.manage("build_index")
    _truncate(site.data / "index" / "2" / "vectors.npy")
    site.start_web()
    site.start_worker("search")

    search = site.answer(site.post_photo(photo)[1])

    assert search["state"] == "done", search["error"]
    assert search["results"][0]["product"]["name"] == "Thistle wing armchair"
    assert _active(site) == 1
    site.start_worker("import,index")
    site.until(lambda: _active(site) == 3, "the new index")
    site.manage("check_index")


@pytest.fixture
def small_disk(site: Site) -> Iterator[Path]:
    """The index's and the photos' folder on a disk of 16 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    with contextlib.ExitStack() as stack:
        for name in ("index", "photos"):
            folder, keep = site.data / name, site.data / f"{name}-before"
            folder.mkdir(exist_ok=True)
            folder.rename(keep)
            folder.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("a small disk can't be mounted here")
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
            subprocess.run(["cp", "-a", f"{keep}/.", str(folder)], check=True)
        stack.callback(site.stop)
        yield site.data


def _fill(folder: Path) -> Path:
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return path


def test_a_full_disk_is_told_and_what_was_there_goes_on(small_disk: Path, site: Site, photo: bytes) -> None:
    site.start_web()
    site.start_worker("search")
    fillings = [_fill(small_disk / name) for name in ("index", "photos")]
    before = sorted(path.name for path in (small_disk / "index").iterdir())
    big = draw_photo("wing-armchair", 2400, 1800)

    failed = subprocess.run(
        [sys.executable, "manage.py", "build_index"],
        cwd=REPOSITORY,
        env=site.settings,
        capture_output=True,
        text=True,
        check=False,
    )
    status, said = site.post_photo(big)

    assert failed.returncode == 1
    assert "disk is full" in failed.stderr
    assert status == 507
    assert "disk is full" in said["detail"]
    assert _active(site) == 1
    assert sorted(path.name for path in (small_disk / "index").iterdir()) == before
    assert not site.rows("SELECT 1 FROM catalog_photo")
    for path in fillings:
        path.unlink()
    site.manage("build_index")
    assert site.answer(site.post_photo(photo)[1])["results"]


def test_two_builds_and_two_activations_at_once_leave_one_sound_index(site: Site, photo: bytes) -> None:
    def at_once(*arguments: str) -> list[tuple[int, str]]:
        command = [sys.executable, "manage.py", *arguments]
        both = [
            subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=site.settings,
                stderr=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        return [(process.wait(), "".join(process.communicate())) for process in both]

    builds = at_once("build_index")
    assert 0 in [code for code, _ in builds]
    assert all(code == 0 or "another index build runs" in said for code, said in builds), builds
    ready = [pk for (pk,) in site.rows("SELECT id FROM catalog_indexgeneration WHERE status = 'ready'")]
    assert _active(site) == max(ready)
    activate = f"from catalog.services import indexing; indexing.activate({ready[0]})"
    assert [code for code, _ in at_once("shell", "--no-imports", "-c", activate)] == [0, 0]
    assert _active(site) == ready[0]
    site.manage("check_index")


def test_a_worker_killed_in_an_activation_leaves_the_index_that_served(site: Site) -> None:
    site.manage("build_index")
    slow = "import ml.search.generation as g, time; g.digest_of = lambda path: (print('reading', flush=True), time.sleep(600))"
    code = (
        f"import django; django.setup(); {slow}; from catalog.services import indexing; indexing.activate(1)"
    )
    site.settings["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
    worker = site.start(sys.executable, "-c", code)
    log = site.data / "processes.log"
    site.until(lambda: "reading" in log.read_text(), "the files to be read")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert _active(site) == 2
    assert site.rows("SELECT DISTINCT status FROM catalog_indexgeneration") == [("ready",)]
    site.manage("rollback_index")
    assert _active(site) == 1
