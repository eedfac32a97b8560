"""Whole Sweet Home 3D libraries through the browser, with the worker killed in the middle, and every model
accounted for. It takes an hour, so it runs only where SHAPELENS_LIBRARIES names the folder with the .sh3f files:

    SHAPELENS_LIBRARIES=/usr/share/sweethome3d/furniture pytest tests/e2e/test_staff_libraries.py

With no such folder, a library made here stands for them.
"""

from __future__ import annotations

import os
import signal
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Site
from tests.e2e.test_staff import signed_in, staffed

__all__ = ["staffed"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3 * 3600)]

LIBRARIES = os.environ.get("SHAPELENS_LIBRARIES", "")
LIMIT_MS = 3600 * 1000


@pytest.fixture(scope="module")
def libraries(models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    if LIBRARIES:
        found = sorted(Path(LIBRARIES).glob("*.sh3f"))
        assert found, f"no .sh3f in {LIBRARIES}"
        return found
    return [_small_library(models, tmp_path_factory.mktemp("library") / "Small.sh3f")]


def _small_library(models: Path, path: Path) -> Path:
    """Two models that are read, and one whose entry is missing."""
    import trimesh

    lines = []
    with zipfile.ZipFile(path, "w") as out:
        for number, name in enumerate(("tall-shelf", "three-sofa"), start=1):
            mesh = trimesh.load(models / f"{name}.glb").to_geometry()
            out.writestr(f"{name}.stl", mesh.export(file_type="stl"))
            lines += _entry(number, name, f"/{name}.stl")
        lines += _entry(3, "gone", "/gone.obj")
        out.writestr("PluginFurnitureCatalog.properties", "id=small\nname=Small\n" + "\n".join(lines))
    return path


def _entry(number: int, name: str, model: str) -> list[str]:
    fields = {"id": f"small#{name}", "name": name, "category": "Things", "model": model, "width": "80",
              "depth": "60", "height": "90", "movable": "true", "doorOrWindow": "false"}  # fmt: skip
    return [f"{key}#{number}={value}" for key, value in fields.items()]


def test_every_model_of_every_library_is_accounted_for_though_the_worker_is_killed(
    browser: Browser, staffed: Site, libraries: list[Path]
) -> None:
    page = signed_in(browser, staffed, "cat")
    worker = staffed.processes[2]
    for number, library in enumerate(libraries):
        page.goto("/admin/catalog/importrun/add/")
        page.set_input_files("#file", str(library))
        expect(page.locator("#told")).to_have_text(f"{library.name} is here.", timeout=LIMIT_MS)
        page.fill("[name=name]", library.stem)
        page.uncheck("[name=builds_index]")
        page.get_by_role("button", name="Import at once").click()
        expect(page.locator("[data-progress]")).to_be_visible()
        if number == 0:
            staffed.until(lambda: _items(staffed) > 0, "the first model", every=0.02)
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            staffed.start_worker("import,index")
        expect(page.get_by_text("Done.", exact=True)).to_be_visible(timeout=LIMIT_MS)
        last = "(SELECT MAX(id) FROM catalog_importrun)"
        [(total, processed, items, named)] = staffed.rows(
            "SELECT total, processed, COUNT(i.id), SUM(i.outcome != 'failed' OR i.reason != '') FROM catalog_importrun r "
            f"JOIN catalog_importitem i ON i.run_id = r.id WHERE r.id = {last}"
        )
        assert total == processed == items == named, library.name
        outcomes = dict(
            staffed.rows(
                f"SELECT outcome, COUNT(*) FROM catalog_importitem WHERE run_id = {last} GROUP BY outcome"
            )
        )
        print(f"{library.name}: {total} models: {outcomes}")
        if not LIBRARIES:
            assert outcomes == {"imported": 2, "failed": 1}
    page.context.close()


def _items(site: Site) -> int:
    return int(
        site.rows(
            "SELECT COUNT(*) FROM catalog_importitem WHERE run_id = (SELECT MAX(id) FROM catalog_importrun WHERE state = 'running')"
        )[0][0]
    )
