"""The broker and the database are killed in the middle of work, and come back."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.conftest import Site, settings_for
from tests.servers import Server


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_searches_queued_when_the_broker_is_killed_are_answered_when_it_is_back(
    installed: Path, tmp_path: Path, photo: bytes, broker: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(broker)
    data = tmp_path / "data"
    shutil.copytree(installed, data)
    fast = {"SHAPELENS_LEASE_SECONDS": "2", "SHAPELENS_SWEEP_SECONDS": "1"}
    site = Site(data, settings_for(data, CELERY_BROKER_URL=server.url, **fast))
    try:
        site.start_web()
        queued = [site.post_photo(photo)[1] for _ in range(2)]
        server.kill()
        status, sent_while_down = site.post_photo(photo)
        assert status == 202  # taken, and kept: the sweeper will enqueue it
        ready = requests.get(f"{site.url}/health/ready", timeout=30)
        assert (ready.status_code, ready.json()["broker"]) == (503, False)
        server.start()
        site.start_worker("search", supervised=True)
        site.start_worker("housekeeping", "--beat", "--schedule", str(data / "beat"), supervised=True)

        answers = [site.answer(submitted) for submitted in [*queued, sent_while_down]]

        assert [answer["state"] for answer in answers] == ["done"] * 3
        # killed once more, under workers that wait: they end, and are started again
        server.kill()
        server.start()
        assert site.answer(site.post_photo(photo)[1])["state"] == "done"
        assert site.rows("SELECT max(attempts) FROM catalog_search") == [(1,)]
    finally:
        site.stop()


def test_an_import_goes_on_when_its_database_is_killed_and_started_again(
    postgres: Server, models: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shop = tmp_path / "shop"
    shop.mkdir()
    for index, model in enumerate(sorted(models.glob("*.glb"))):
        shutil.copy(model, shop / f"{index}.glb")
    (shop / "broken.glb").write_bytes(b"glTF but no more")
    settings = settings_for(data, DATABASE_URL=postgres.url, SHAPELENS_JOB_WORKERS="1")
    site = Site(data, {**settings, "SHAPELENS_VIEWS": "36x3"})

    def ask(query: str) -> str:
        told = ["psql", "--no-psqlrc", "-tA", "-c", query, postgres.url]
        return subprocess.run(told, capture_output=True, text=True, check=False).stdout.strip()

    try:
        site.manage("migrate", "--verbosity", "0")
        site.start_worker("import,index")
        site.start_worker("housekeeping", "--beat", "--schedule", str(data / "beat"))
        start = (
            "from pathlib import Path; from catalog import jobs; from catalog.services import importing;"
            f"jobs.run_import(importing.request_import(Path({str(shop)!r}), name='shop'))"
        )
        site.manage("shell", "--no-imports", "-c", start)
        site.until(lambda: ask("SELECT 1 FROM catalog_importrun WHERE processed > 0"), "the first file", 0.02)
        assert ask("SELECT state FROM catalog_importrun") == "running"
        postgres.kill()
        postgres.start()

        site.until(lambda: ask("SELECT state FROM catalog_importrun") in {"done", "failed"}, "the import")

        assert ask("SELECT state, error FROM catalog_importrun") == "done|"
        outcomes = "SELECT outcome, count(*) FROM catalog_importitem GROUP BY 1 ORDER BY 1"
        assert ask(outcomes).split() == ["failed|1", "imported|4"]
        assert ask("SELECT count(*) FROM catalog_product") == "4"
    finally:
        site.stop()
