"""Whole Sweet Home 3D libraries through the browser, with the worker killed in the middle, and every model
accounted for; then the same with twelve files broken on purpose, each named with its reason in the page.

A small library made here stands for them, broken. Five real ones take a quarter of an hour, so they come only where
SHAPELENS_LIBRARIES names the folder with the .sh3f files:

    SHAPELENS_LIBRARIES=/usr/share/sweethome3d/furniture pytest tests/e2e/test_staff_libraries.py -s
"""

from __future__ import annotations

import html
import os
import re
import signal
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Site
from tests.e2e.broken import BROKEN, Broken, break_library
from tests.e2e.conftest import keep, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(6 * 3600)]

LIBRARIES = os.environ.get("SHAPELENS_LIBRARIES", "")
LIMIT_MS = 3600 * 1000
SOUND = ("tall-shelf", "three-sofa")
LAST = "(SELECT MAX(id) FROM catalog_importrun)"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A library to send; name: of its catalog; broken: what was done to which of its items."""

    path: Path
    name: str
    broken: dict[str, Broken] = field(default_factory=dict)


@pytest.fixture(scope="module")
def deliveries(models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Delivery]:
    folder = tmp_path_factory.mktemp("libraries")
    found = sorted(Path(LIBRARIES).glob("*.sh3f")) if LIBRARIES else []
    assert found or not LIBRARIES, f"no .sh3f in {LIBRARIES}"
    sent = [Delivery(path, path.stem) for path in found]
    for path in found or [_small_library(models, folder / "Small.sh3f")]:
        broken = folder / f"{path.stem} broken.sh3f"
        sent.append(Delivery(broken, path.stem, break_library(path, broken)))
    return sent


def _small_library(models: Path, path: Path) -> Path:
    """Twelve items to be broken, and two that stay sound."""
    import trimesh

    lines = []
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("box.stl", trimesh.creation.box().export(file_type="stl"))
        for number, kind in enumerate(BROKEN, start=1):
            lines += _entry(number, kind, "/box.stl")
        for number, name in enumerate(SOUND, start=len(BROKEN) + 1):
            mesh = trimesh.load(models / f"{name}.glb").to_geometry()
            out.writestr(f"{name}.stl", mesh.export(file_type="stl"))
            lines += _entry(number, name, f"/{name}.stl")
        out.writestr("PluginFurnitureCatalog.properties", "id=small\nname=Small\n" + "\n".join(lines))
    return path


def _entry(number: int, name: str, model: str) -> list[str]:
    fields = {"id": f"small#{name}", "name": name, "category": "Things", "model": model, "width": "80",
              "depth": "60", "height": "90", "movable": "true", "doorOrWindow": "false"}  # fmt: skip
    return [f"{key}#{number}={value}" for key, value in fields.items()]


def test_every_model_of_every_library_is_accounted_for_though_the_worker_is_killed_and_files_are_broken(
    browser: Browser, staffed: Site, deliveries: list[Delivery]
) -> None:
    page = signed_in(browser, staffed, "cat")
    for number, sent in enumerate(deliveries):
        page.goto("/admin/catalog/importrun/add/")
        page.set_input_files("#file", str(sent.path))
        expect(page.locator("#told")).to_have_text(f"{sent.path.name} is here.", timeout=LIMIT_MS)
        page.fill("[name=name]", sent.name)
        page.uncheck("[name=builds_index]")
        page.get_by_role("button", name="Import at once").click()
        expect(page.locator("[data-progress]")).to_be_visible()
        if number == 0:
            _kill_the_importer(staffed)
        expect(page.get_by_text("Done.", exact=True)).to_be_visible(timeout=LIMIT_MS)
        outcomes = _accounted(staffed, sent)
        _check_broken(page, staffed, sent)
        if not LIBRARIES:
            warned = sum(one.is_imported for one in sent.broken.values())
            failed = len(BROKEN) - warned
            assert outcomes == {"imported": len(SOUND) + warned, "failed": failed}
    page.context.close()


def _kill_the_importer(site: Site) -> None:
    """Once its first model is done; another takes its place."""
    site.until(
        lambda: site.rows(
            f"SELECT 1 FROM catalog_importitem i JOIN catalog_importrun r ON r.id = i.run_id "
            f"WHERE r.id = {LAST} AND r.state = 'running' AND r.processed < r.total"
        ),
        "the first model",
        every=0.02,
    )
    worker = next(one for one in site.processes if "import,index" in one.args and one.poll() is None)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    site.start_worker("import,index")


def _accounted(site: Site, sent: Delivery) -> dict[str, int]:
    """Outcomes by kind; each file has one, and each failure its reason."""
    [(total, processed, items, named)] = site.rows(
        "SELECT total, processed, COUNT(i.id), SUM(i.outcome != 'failed' OR i.reason != '') FROM catalog_importrun r "
        f"JOIN catalog_importitem i ON i.run_id = r.id WHERE r.id = {LAST}"
    )
    assert total == processed == items == named, sent.path.name
    outcomes = dict(
        site.rows(f"SELECT outcome, COUNT(*) FROM catalog_importitem WHERE run_id = {LAST} GROUP BY outcome")
    )
    print(f"{sent.path.name}: {total} models: {outcomes}")
    return outcomes


def _check_broken(page: Page, site: Site, sent: Delivery) -> None:
    """The pages of what failed and of what came with a warning name each with its reason."""
    said = {}
    for show in ("failed", "warned"):
        number, pages = 1, 1
        while number <= pages:
            page.goto(f"{page.url.partition('?')[0]}?show={show}&page={number}")
            if sent.broken and number == 1:
                keep(page, f"import-broken-{show}")
            cards = page.locator("[data-key]")
            said |= dict(cards.evaluate_all("cards => cards.map(card => [card.dataset.key, card.innerText])"))
            found = re.search(r"page \d+ of (\d+)", html.unescape(page.content()))
            pages = int(found[1]) if found else 1
            number += 1
    outcomes = dict(site.rows(f"SELECT key, outcome FROM catalog_importitem WHERE run_id = {LAST}"))
    for key, one in sent.broken.items():
        assert re.search(one.reason, said.get(key, "not named")), (key, one.file, said.get(key))
        assert (outcomes[key] != "failed") == one.is_imported
        line = next(line for line in said[key].splitlines() if re.search(one.reason, line))
        print(f"  {key} ({one.file or 'its size'}): {line}")
