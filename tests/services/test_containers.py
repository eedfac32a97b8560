"""The containers' files are well formed, and what they run works outside of them, as in production."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import requests

from tests.conftest import REPOSITORY, Site, settings_for
from tests.servers import Server, free_port

DOCKER = REPOSITORY / "docker"


def test_compose_files_are_as_the_specification_says() -> None:
    files = sorted(str(path) for path in DOCKER.glob("compose*.yaml"))
    assert len(files) == 3
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_images_are_pinned_checked_and_run_as_nobody() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)(?: AS (\S+))?", text, re.M)
    stages = {name for _, name in bases}
    for image, _ in bases:
        assert image in stages or re.search(r":\d+\.\d+\.\d+-", image), f"{image} is not pinned"
    for target in ("web", "cpu", "gpu"):
        stage = text.split(f" AS {target}\n", 1)[1].split("\nFROM ", 1)[0]
        assert "USER 10001:10001" in stage
        assert "HEALTHCHECK" in stage
        assert stage.index("USER") < stage.index("CMD [")
    pinned = re.findall(r"image: (\S+)", "".join(path.read_text() for path in DOCKER.glob("compose*.yaml")))
    assert pinned
    assert all(re.search(r":\d+\.\d+", image) for image in pinned), pinned


def test_the_entry_points_serve_a_shop_in_production(
    postgres: Server, redis: Server, models: Path, tmp_path: Path, photo: bytes
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "metrics").mkdir()
    port = free_port()
    production = {
        "SHAPELENS_ENV": "production",
        "SECRET_KEY": "q7-Zp2Xw9_" * 6,
        "SHAPELENS_HOSTS": "shop.example,127.0.0.1",
        "DATABASE_URL": postgres.url,
        "CELERY_BROKER_URL": redis.url,
        "SHAPELENS_CACHE_URL": redis.url.replace("/0", "/1"),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
        "WEB_CONCURRENCY": "2",
        "LISTEN": "127.0.0.1",
        "PORT": str(port),
        "BEAT_SCHEDULE": str(tmp_path / "beat"),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    site = Site(data, settings_for(data, **production))
    entry = str(DOCKER / "entrypoint.sh")
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.2.3", "Host": "shop.example"}
    url = f"http://127.0.0.1:{port}"

    def run(*arguments: str) -> int:
        return subprocess.run(
            [entry, *arguments], cwd=REPOSITORY, env=site.settings, capture_output=True, check=False
        ).returncode

    try:
        assert run("migrate") == 0
        assert run("python", "manage.py", "import_catalog", str(models)) == 0
        assert run("python", "manage.py", "build_index") == 0
        for command in (["web"], ["worker", "search"], ["worker", "housekeeping"], ["beat"]):
            site.start(entry, *command)
        site.until(lambda: run("healthy", "web") == 0, "the web server", 0.5)
        ready = f"{url}/health/ready"
        site.until(lambda: requests.get(ready, headers=proxied, timeout=30).ok, "everything to be ready", 0.5)
        assert run("healthy", "worker") == 0
        plain = requests.get(f"{url}/", headers={"Host": "shop.example"}, allow_redirects=False, timeout=30)
        assert plain.headers["Location"] == "https://shop.example/"
        page = requests.get(f"{url}/", headers=proxied, timeout=30)
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert "Secure" in page.headers["Set-Cookie"]
        assert (
            requests.get(f"{url}/", headers={**proxied, "Host": "other.example"}, timeout=30).status_code
            == 400
        )

        sent = requests.post(f"{url}/api/v1/searches", files={"photo": photo}, headers=proxied, timeout=30)
        assert sent.status_code == 202, sent.text
        address = f"{url}{sent.json()['api_url']}"

        def ended() -> object:
            search = requests.get(address, headers=proxied, timeout=30).json()
            return search if search["state"] in {"done", "failed"} else None

        search = site.until(ended, "the search")
        assert search["state"] == "done", search["error"]
        figures = [
            requests.get(f"{url}/metrics", timeout=30).text for _ in range(4)
        ]  # of both processes, whichever answers
        [line] = [
            line for line in figures[-1].splitlines() if 'view="api-1:submit"' in line and "_total" in line
        ]
        assert line.endswith(" 1.0")
    finally:
        site.stop()
