"""The same search over PostgreSQL, Redis and RabbitMQ, where they run on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Site, is_required, settings_for

PORTS = {"postgres": 5432, "redis": 6379, "rabbitmq": 5672}


def _needs(service: str) -> None:
    with socket.socket() as probe:
        probe.settimeout(2)
        is_there = probe.connect_ex(("127.0.0.1", PORTS[service])) == 0
    if is_there:
        return
    reason = f"{service} does not listen on 127.0.0.1:{PORTS[service]}"
    if is_required(service):
        pytest.fail(f"{reason}, and this machine should have it")
    pytest.skip(reason)


@pytest.mark.service("redis")
@pytest.mark.service("rabbitmq")
@pytest.mark.parametrize(
    ("service", "broker"),
    [("redis", "redis://127.0.0.1:6379/9"), ("rabbitmq", "amqp://guest:guest@127.0.0.1:5672//")],
)
def test_a_search_goes_through_the_broker(
    installed: Path, tmp_path: Path, photo: bytes, service: str, broker: str
) -> None:
    _needs(service)
    data = tmp_path / "data"
    shutil.copytree(installed, data)
    site = Site(data, settings_for(data, CELERY_BROKER_URL=broker))
    try:
        site.start_web()
        site.start_worker("search")
        search = site.answer(site.post_photo(photo)[1])
        assert search["state"] == "done", search["error"]
        assert search["results"][0]["product"]["name"] == "Thistle wing armchair"
        assert not (data / "broker").exists()
    finally:
        site.stop()


@pytest.fixture
def database() -> Iterator[str]:
    """A PostgreSQL database of this test's own."""
    _needs("postgres")
    name = f"shapelens_{uuid.uuid4().hex[:10]}"
    server = ["-h", "127.0.0.1", "-U", os.environ.get("PGUSER", "root")]
    made = subprocess.run(["createdb", *server, name], capture_output=True, text=True, check=False)
    if made.returncode:
        server[-1] = "postgres"
        subprocess.run(["createdb", *server, name], check=True)
    yield f"postgres://{server[-1]}@127.0.0.1:5432/{name}"
    subprocess.run(["dropdb", "--force", *server, name], check=True)


@pytest.mark.service("postgres")
def test_everything_works_over_postgresql(database: str, models: Path, tmp_path: Path, photo: bytes) -> None:
    data = tmp_path / "data"
    data.mkdir()
    site = Site(data, settings_for(data, DATABASE_URL=database))
    try:
        site.manage("migrate", "--verbosity", "0")
        assert "4 imported" in site.manage("import_catalog", str(models))
        site.manage("build_index")
        assert "4 unchanged" in site.manage("import_catalog", str(models))
        assert not (data / "db.sqlite3").exists()
        site.start_web()
        site.start_worker("search")
        search = site.answer(site.post_photo(photo)[1])
        assert search["state"] == "done", search["error"]
        assert search["results"][0]["product"]["name"] == "Thistle wing armchair"
    finally:
        site.stop()
