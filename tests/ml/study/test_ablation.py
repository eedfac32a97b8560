"""The table of steps, on three models drawn in code, and the pages of what fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.__main__ import main
from ml.evaluation.metrics import Scores
from ml.evaluation.queries import Query
from ml.mesh.glb import write_glb
from ml.mesh.parametric.families import random_mesh
from ml.pipelines.evaluating import QueryResult
from ml.render.raycast import RayScene
from ml.render.shading import shade_hits
from ml.render.views import ViewGrid, render_views
from ml.study.ablation import CAUSES, cause

FAMILIES = ("chair", "mug", "floor lamp")
NONE = Scores(0, 0, 0, 0, 0)
FIRST = Scores(1, 1, 1, 0.2, 1)
LATER = Scores(0, 1, 1, 0.2, 0.25)
LAST = Scores(0, 0, 0, 0, 0.01)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Three models; a picture of each, and one that is said to show another."""
    (tmp_path / "models").mkdir()
    lines = []
    for number, family in enumerate(FAMILIES):
        mesh = random_mesh(family, np.random.default_rng(number))
        write_glb(mesh, tmp_path / "models" / f"{family}.glb")
        camera = render_views(mesh, ViewGrid(azimuths=5, elevations_deg=(10.0,)), 128).cameras[1]
        picture = shade_hits(RayScene(mesh).hits(camera), camera)
        cv2.imwrite(str(tmp_path / f"{family}.png"), picture[:, :, ::-1])
        lines.append({"photo": f"{family}.png", "box": "full", "relevant": [family]})
    lines.append({"photo": "mug.png", "box": "full", "relevant": ["chair"]})
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_each_step_is_a_row_and_failures_have_a_page(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shop / "out"
    said = f"drawn,{shop / 'queries.jsonl'},0.3,{shop / 'models'}"
    arguments = ["--set", said, "--embedder", "hog", "--cache", str(shop / "cache"), "--out", str(out)]

    assert main(["study", "ablation", *arguments]) == 0

    rows = json.loads((out / "ablation.json").read_text())
    assert [row["step"].startswith("...") for row in rows] == [False] * 2 + [True] * 8
    assert rows[0]["gains"] is None
    assert rows[1]["gains"]["exact top1"]["mean"] == 0  # the same embedder, ranked the same
    assert {row["values"]["exact top1"]["mean"] for row in rows} == {0.75}
    assert "| exact top1 |" in capsys.readouterr().out
    pages = sorted(path.name for path in out.glob("failures-*.html"))
    assert len(pages) == 1
    assert "mug.png" in (out / pages[0]).read_text()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("drawn,queries.jsonl,0.3", "say NAME,QUERIES.jsonl,TAU,SRC"),
        ("drawn,queries.jsonl,much,models", "'much' is no number"),
    ],
)
def test_a_set_that_is_none_is_told(said: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "ablation", "--set", said]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_a_failure_has_one_cause() -> None:
    query = Query((Path("a.png"),), ("full",))
    right = QueryResult(query, None, (), FIRST, None, None, True, False, False, 0.0, None, None, None, {})

    assert cause(right) is None
    assert cause(replace(right, is_found=False)) == CAUSES[0]
    assert cause(replace(right, exact=NONE)) == CAUSES[1]
    assert cause(replace(right, exact=LATER, category=FIRST)) == CAUSES[2]
    assert cause(replace(right, exact=LAST, category=FIRST)) == CAUSES[3]
    assert cause(replace(right, exact=LAST)) == CAUSES[4]
