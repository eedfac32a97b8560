"""A real installation for the tests of pages, queue and browser: its own data folder, web server and workers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]
# tests side by side share the cores; torch would take all of them in each process
if _workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(_workers))))
WAIT_SECONDS = 120.0  # for anything that a loaded machine does in ten
STOP_SECONDS = 2.0  # a pool's worker takes six to end by itself, and nothing is asked of it any more


def is_required(part: str) -> bool:
    """Whether a missing browser or service is a failure here: SHAPELENS_REQUIRE_<PART>=1."""
    return os.environ.get(f"SHAPELENS_REQUIRE_{part.upper()}", "").casefold() in {"1", "true", "yes", "on"}


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """A password's hash is slow on purpose, half a second each; tests make hundreds of people."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@dataclass
class Site:
    """data: its folder; settings: environment of its processes; url: of its web server once started."""

    data: Path
    settings: dict[str, str]
    url: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def manage(self, *arguments: str) -> str:
        """Output of a manage.py command; fails the test where the command fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A process in a group of its own, its output in the data folder."""
        with (self.data / "processes.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, env=self.settings, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def start_web(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = [sys.executable, "-m", "gunicorn", "webapp.wsgi:application", "--worker-class", "gthread"]
        self.start(*program, "--threads", "4", "--bind", f"127.0.0.1:{port}", "--log-level", "warning")
        self.url = f"http://127.0.0.1:{port}"
        self.until(lambda: self.get("/health/live") is not None, "the web server")

    def start_worker(self, queues: str, *more: str, supervised: bool = False) -> subprocess.Popen[bytes]:
        """supervised: started anew whenever it ends with an error, as supervisord and Docker do."""
        pool = ["--pool", "prefork", "--concurrency", "1"] if queues == "search" else ["--pool", "solo"]
        program = [sys.executable, "-m", "celery", "-A", "webapp", "--quiet", "worker", "-Q", queues, *pool]
        name = f"{queues.split(',')[0]}-{uuid.uuid4().hex[:6]}@%h"
        options = ["--hostname", name, "--without-gossip", "--without-mingle", *more]
        again = ["bash", "-c", 'until "$@"; do sleep 0.5; done', "supervisor"] if supervised else []
        return self.start(*again, *program, *options)

    def get(self, path: str) -> Any:
        """JSON of an address, or None where it does not answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as response:
                return json.load(response)
        except (urllib.error.URLError, OSError):
            return None

    def post_photo(self, photo: bytes, **fields: str) -> tuple[int, Any]:
        """Status and JSON of a submitted search."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n\r\n'
        body = b"".join([*parts, head.encode(), photo, f"\r\n--{boundary}--\r\n".encode()])
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.post("/api/v1/searches", body, headers)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def answer(self, submitted: Any) -> Any:
        """The search once it has ended."""

        def ended() -> Any:
            search = self.get(submitted["api_url"])
            return search if search and search["state"] in {"done", "failed", "cancelled"} else None

        return self.until(ended, "the search to end")

    def until(self, condition: Callable[[], Any], what: str, every: float = 0.1) -> Any:
        """What the condition gives once it is true."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(every)
        log = (self.data / "processes.log").read_text(errors="replace")
        raise AssertionError(f"waited {WAIT_SECONDS:.0f} s for {what}\n{log[-4000:]}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Of the SQLite database, from outside."""
        with contextlib.closing(sqlite3.connect(self.data / "db.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchall()

    def stop(self, *, patience: float = STOP_SECONDS) -> None:
        """patience: seconds they have to end by themselves. Then whole groups are killed, children of one that
        has ended too: a graceful end takes up to 15 s, and the data is thrown away."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + patience
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, end - time.monotonic()))
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def settings_for(data: Path, **more: str) -> dict[str, str]:
    """Environment of a small installation: few views, no network to load."""
    ours = {
        "SHAPELENS_DATA": str(data),
        "SHAPELENS_EMBEDDER": "hog",
        "SHAPELENS_VIEWS": "12x2",
        "SHAPELENS_SWEEP_SECONDS": "1",
        "SHAPELENS_LEASE_SECONDS": "6",
        "SHAPELENS_CALLBACK_HOSTS": "127.0.0.1",
        "SHAPELENS_DEBUG": "false",
        "SHAPELENS_LOGIN_RATE": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "CELERY_BROKER_URL"}}
    return {**kept, **ours, **more}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models with names and prices, as GLB."""
    from ml.mesh.glb import write_glb
    from ml.mesh.parametric.sample import sample_catalog

    folder = tmp_path_factory.mktemp("catalog") / "shop"
    folder.mkdir()
    rows = []
    for product in sample_catalog():
        if product.key in {"wing-armchair", "three-sofa", "tall-shelf", "bunk-bed"}:
            write_glb(product.design.build(), folder / f"{product.key}.glb")
            rows.append(
                {
                    "file": f"{product.key}.glb",
                    "name": product.name,
                    "price": product.price,
                    "currency": "EUR",
                }
            )
    (folder / "manifest.json").write_text(json.dumps(rows))
    return folder


@pytest.fixture(scope="session")
def installed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the models imported and indexed, to be copied."""
    data = tmp_path_factory.mktemp("installed")
    site = Site(data, settings_for(data))
    site.manage("migrate", "--verbosity", "0")
    site.manage("import_catalog", str(models))
    site.manage("build_index")
    return data


@pytest.fixture
def site(installed: Path, tmp_path: Path) -> Iterator[Site]:
    """A fresh copy of the installation, nothing running yet."""
    data = tmp_path / "data"
    shutil.copytree(installed, data)
    made = Site(data, settings_for(data))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def running(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation with web and search worker, shared by tests that leave it as it is."""
    data = tmp_path_factory.mktemp("running") / "data"
    shutil.copytree(installed, data)
    made = Site(data, settings_for(data))
    made.start_web()
    made.start_worker("search")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG of 480 x 360: the wing armchair from a viewpoint between the index's, on an even gray."""
    return draw_photo("wing-armchair")


def draw_photo(key: str, width: int = 480, height: int = 360, azimuth: float = 0.45) -> bytes:
    """A sample product on a light ground, filling half of the picture's height."""
    import cv2

    from ml.geometry.boxes import around
    from ml.geometry.cameras import cropped, look_at, project
    from ml.mesh.parametric.sample import sample_catalog
    from ml.render.raycast import RayScene
    from ml.render.shading import shade
    from ml.types import Box, Camera

    mesh = next(product for product in sample_catalog() if product.key == key).design.build()
    scene = RayScene(mesh)
    radius = float(np.linalg.norm(scene.points, axis=1).max())
    camera = Camera(700.0, 700.0, 0.0, 0.0, 1, 1, look_at(azimuth, 0.2, 3.2 * radius))
    box = around(project(camera, scene.points))
    scale = 0.62 * height / box.height
    across, down = width / scale / 2, height / scale / 2
    cx, cy = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    view = cropped(camera, Box(cx - across, cy - down, cx + across, cy + down), width, height)
    buffer = scene.cast(view)
    picture = shade(buffer, view)
    picture[~buffer.alpha] = (226, 224, 219)
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return bytes(data)
