"""Imports, price tables and the index by the API, for those who may."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import REPOSITORY, Site

STAFF = ("manager", "a long password")
READER = ("reader", "another password")


@pytest.fixture
def managed(site: Site) -> Site:
    """With a manager who may do everything and a member of staff who may do nothing."""
    code = (
        "from django.contrib.auth.models import User;"
        f"User.objects.create_superuser('{STAFF[0]}', password='{STAFF[1]}');"
        f"User.objects.create_user('{READER[0]}', password='{READER[1]}', is_staff=True)"
    )
    site.manage("shell", "--no-imports", "-c", code)
    site.start_web()
    return site


def _call(site: Site, method: str, path: str, auth: Any = STAFF, **more: Any) -> requests.Response:
    return requests.request(method, f"{site.url}/api/v1{path}", auth=auth, timeout=60, **more)


def test_a_catalog_is_sent_imported_indexed_and_updated(managed: Site, models: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.write(models / "bunk-bed.glb", "beds/bunk bed.glb")
        file.writestr("beds/broken.glb", b"glTF but no more")
        file.writestr("read me.txt", "hello")
    managed.start_worker("import,index")

    sent = _call(
        managed,
        "POST",
        "/imports",
        files={"file": ("beds.zip", archive.getvalue())},
        data={"name": "Beds"},
    )
    assert sent.status_code == 202, sent.text
    state = managed.until(lambda: _ended(managed, sent.json()["url"]), "the import")

    assert state["state"] == "done", state
    assert state["counts"] == {"imported": 1, "failed": 1}
    items = requests.get(managed.url + state["items_url"], auth=STAFF, timeout=30).json()["items"]
    failed = next(item for item in items if item["outcome"] == "failed")
    assert failed["key"] == "beds/broken"
    assert failed["reason"]
    index = managed.until(lambda: _indexed(managed), "the index")
    assert index["waiting"] == 0
    assert index["generations"][0]["is_active"]
    assert index["generations"][0]["models"] == 4  # the same bed as before: one model, two products

    table = "key;name;price;stock;colour\nbeds/bunk bed;Bunk;199,90;3;red\nnobody;x;1;1;1\n"
    before = managed.rows("select count(*), max(id) from catalog_asset")
    updated = _call(managed, "POST", "/catalogs/Beds/table", files={"file": ("prices.csv", table)})
    assert updated.status_code == 200, updated.text
    assert updated.json()["updated"] == 1
    assert updated.json()["unknown"] == [[2, "nobody"]]
    assert "colour" in updated.json()["warnings"][0]
    assert managed.rows("select count(*), max(id) from catalog_asset") == before
    product = managed.get("/api/v1/products?q=Bunk")["products"][0]
    assert (product["name"], product["price"], product["stock"]) == ("Bunk", "199.90", 3)

    back = _call(managed, "POST", "/index/rollback")
    assert back.status_code == 202, back.text
    managed.until(
        lambda: _call(managed, "GET", "/index").json()["active"] == back.json()["id"], "the index before"
    )


def test_only_those_who_may(managed: Site) -> None:
    nobody = _call(managed, "GET", "/index", auth=None)
    assert nobody.status_code == 401
    assert nobody.headers["Content-Type"].startswith("application/problem+json")
    assert _call(managed, "GET", "/index", auth=("manager", "wrong")).status_code == 401
    refused = _call(managed, "POST", "/index/builds", auth=READER)
    assert refused.status_code == 403
    assert "catalog.add_indexgeneration" in refused.json()["detail"]


def test_an_import_needs_one_source_that_is_there(managed: Site) -> None:
    neither = _call(managed, "POST", "/imports", data={"name": "x"})
    assert neither.status_code == 422
    missing = _call(managed, "POST", "/imports", data={"path": "/nowhere/at/all.zip"})
    assert missing.status_code == 422
    assert "/nowhere/at/all.zip" in missing.json()["detail"]


def test_no_request_the_description_allows_breaks_the_server(managed: Site, tmp_path: Path) -> None:
    """schemathesis sends what the OpenAPI document allows, and what it doesn't, to every address."""
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{managed.url}/api/v1/openapi.json",
            "--checks", "not_a_server_error,content_type_conformance,response_schema_conformance",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "6", "--seed", "1",
            "--auth", ":".join(STAFF), "--request-timeout", "30", "--generation-database", "none",
            "--report", "ndjson", "--report-ndjson-path", str(report), "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    events = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(events) > 20
    assert managed.get("/health/live") is not None


def _ended(site: Site, url: str) -> Any:
    state = requests.get(site.url + url, auth=STAFF, timeout=30).json()
    return state if state["state"] in {"done", "failed", "cancelled"} else None


def _indexed(site: Site) -> Any:
    index = _call(site, "GET", "/index").json()
    newest = index["generations"][0]
    return index if newest["id"] > 1 and newest["is_active"] else None
