"""Servers of the tests' own, on their own ports, to be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import is_required


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def missing(service: str, reason: str) -> None:
    """Skip, or fail where this machine should have the service."""
    if is_required(service):
        pytest.fail(f"{reason}, and this machine should have it")
    pytest.skip(reason)


@dataclass
class Server:
    """command: what runs it; port: where it listens; url: how it is reached."""

    command: list[str]
    port: int
    url: str
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A server killed a moment ago may still hold its files: then it is begun again."""
        end = time.monotonic() + 90
        self._run()
        while not listens(self.port):
            assert time.monotonic() < end, f"{self.command[0]} does not listen on {self.port}"
            time.sleep(0.1)
            if self.process is None or self.process.poll() is not None:
                self._run()

    def _run(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self, with_signal: int = signal.SIGKILL) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, with_signal)
        self.process.wait()
        self.process = None
        while listens(self.port):
            time.sleep(0.05)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """Keeps what it is told in a log, as a shop's does."""
    program = shutil.which("redis-server")
    if not program:
        missing("redis", "redis-server is not installed")
    port = free_port()
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    server = Server(
        [*command, "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
        port,
        f"redis://127.0.0.1:{port}/0",
    )
    server.start()
    yield server
    server.kill()


@pytest.fixture
def rabbitmq(tmp_path: Path) -> Iterator[Server]:
    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if not program.exists():
        missing("rabbitmq", "rabbitmq-server is not installed")
    port = free_port()
    conf = tmp_path / "rabbitmq.conf"
    conf.write_text(f"listeners.tcp.default = 127.0.0.1:{port}\n")
    server = Server(
        [str(program)],
        port,
        f"amqp://guest:guest@127.0.0.1:{port}//",
        {
            "HOME": str(tmp_path),
            "RABBITMQ_NODENAME": f"test-{uuid.uuid4().hex[:8]}@localhost",
            "RABBITMQ_CONFIG_FILE": str(conf),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(tmp_path / "mnesia"),
            "RABBITMQ_LOG_BASE": str(tmp_path / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(tmp_path / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        },
    )
    server.start()
    yield server
    server.kill()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Server]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found or os.geteuid() != 0:
        missing("postgres", "PostgreSQL is not installed, or this is not root")
    programs = found[-1].parent
    data, port = Path("/var/tmp") / f"shapelens-{uuid.uuid4().hex[:10]}", free_port()
    run_as = ["runuser", "-u", "postgres", "--"]
    made = [str(programs / "initdb"), "-D", str(data), "-U", "shop", "--auth=trust", "-E", "UTF8"]
    subprocess.run([*run_as, *made], check=True, capture_output=True)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(data)]
    command = [*run_as, str(programs / "postgres"), "-D", str(data), *options]
    server = Server(command, port, f"postgres://shop@127.0.0.1:{port}/postgres")
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(data, ignore_errors=True)
