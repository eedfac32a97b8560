"""A match outside the site: as a page that works with no server, and as a scene in a notebook."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import NotPossible
from tests.conftest import REPOSITORY, Site, draw_photo

PINHOLE = {
    "fx": 900.0,
    "fy": 880.0,
    "cx": 320.0,
    "cy": 240.0,
    "width": 640,
    "height": 480,
    # turned by 30 degrees about y, 3 metres away, a little to the right
    "camera_from_model": [0.866, 0, -0.5, 0.2, 0, -1, 0, 0.1, -0.5, 0, -0.866, 3, 0, 0, 0, 1],
}


def test_a_notebooks_camera_puts_points_where_opencvs_does() -> None:
    from catalog.notebook import camera_fields

    fields = camera_fields(PINHOLE)
    points = np.array([[0, 0, 0, 1], [0.4, -0.3, 0.2, 1], [-0.5, 0.5, -0.4, 1]], float)
    seen = points @ np.reshape(PINHOLE["camera_from_model"], (4, 4)).T
    pixels = np.c_[
        PINHOLE["fx"] * seen[:, 0] / seen[:, 2] + 320, PINHOLE["fy"] * seen[:, 1] / seen[:, 2] + 240
    ]

    placed = points @ np.reshape(fields["matrix"], (4, 4))  # by columns
    high = math.tan(math.radians(fields["fov"]) / 2)
    clip = placed[:, :2] / -placed[:, 2:3] / [high * fields["aspect"], high]
    drawn = (clip * [1, -1] + 1) / 2 * [640, 480]

    assert drawn == pytest.approx(pixels, abs=1e-6)
    with pytest.raises(NotPossible, match="optical axis"):
        camera_fields({**PINHOLE, "cx": 300.0})


@pytest.fixture
def searched(site: Site) -> Site:
    """An installation with one answered search, and nothing running any more."""
    site.start_web()
    site.start_worker("search")
    assert site.answer(site.post_photo(draw_photo("wing-armchair"))[1])["state"] == "done"
    return site


def test_the_notebook_runs_and_draws_both_scenes(searched: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("pythreejs")
    for name, value in searched.settings.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(REPOSITORY / "docs/notebooks/look.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(REPOSITORY)}}
    ).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    widgets = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data]
    assert len(widgets) == 2
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "Thistle wing armchair" in printed


@pytest.mark.browser
def test_a_saved_match_shows_its_model_with_no_server(searched: Site, browser, tmp_path: Path) -> None:
    if not (REPOSITORY / "webapp/static/dist/match.js").exists():
        pytest.skip("the front end is not built: run make test")
    saved = tmp_path / "match.html"
    write = (
        "from pathlib import Path; from catalog.models import Search; from catalog.services import exporting;"
        f"Path({str(saved)!r}).write_text(exporting.match_page(Search.objects.get()))"
    )
    searched.manage("shell", "--command", write)
    searched.stop()
    page = browser.new_context(offline=True, viewport={"width": 900, "height": 800}).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(saved.as_uri())
    page.wait_for_selector("canvas[data-model]", timeout=60_000)
    drawn = page.evaluate(
        """() => { const c = document.querySelector('canvas'), d = document.createElement('canvas');
        [d.width, d.height] = [c.width, c.height]; const x = d.getContext('2d'); x.drawImage(c, 0, 0);
        return x.getImageData(0, 0, d.width, d.height).data.filter((v, i) => i % 4 === 3 && v > 40).length; }"""
    )
    assert drawn > 5000
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    page.context.close()
