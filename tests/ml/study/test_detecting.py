"""Detection against views and models: counts worked out by hand, and the command on drawn pictures."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.mesh.glb import write_glb
from ml.mesh.parametric.families import random_mesh
from ml.pipelines.galleries import IndexOptions
from ml.pipelines.indexing import CalibrationSource
from ml.study.cli import main
from ml.study.features import detecting
from ml.study.features.detecting import _measured, _overlapping, _Proposals, _Task, _Truths
from ml.types import Box

LEFT, RIGHT = Box(0, 0, 10, 10), Box(20, 0, 30, 10)


def _task(boxes: list[Box]) -> _Task:
    """Two objects in one picture, of models 0 (category 0) and 2 (category 1); models 1 and 3 are their like."""
    truths = _Truths(np.array([0, 0]), (LEFT, RIGHT), np.array([0, 2]), np.array([0, 1]))
    proposals = _Proposals(
        np.zeros(len(boxes), np.int64), tuple(boxes), np.zeros((len(boxes), 1), np.float32)
    )
    return _Task(truths, proposals, np.array([0, 0, 1, 1]), _overlapping(truths, proposals))


def test_a_category_is_found_by_other_models_and_a_product_by_its_own() -> None:
    scored = np.array([[0.9, 0.5, 0.1, 0.2], [0.1, 0.2, 0.3, 0.8]], np.float32)
    category_ap, category_hits, product_ap, product_hits = _measured(
        _task([LEFT, RIGHT]), scored, np.ones(4, np.bool_)
    )
    assert category_ap == 1
    assert category_hits.tolist() == [1, 1]
    # the right box is said to be model 3, whose own object is not in the picture
    assert product_hits.tolist() == [1, 0]
    assert product_ap == pytest.approx(0.5)


def test_an_object_no_box_overlaps_is_missed_whatever_is_said() -> None:
    scored = np.array([[0.9, 0.5, 0.1, 0.2]], np.float32)
    category_ap, category_hits, product_ap, product_hits = _measured(
        _task([LEFT]), scored, np.ones(4, np.bool_)
    )
    assert category_hits.tolist() == product_hits.tolist() == [1, 0]
    assert category_ap == pytest.approx(0.5)
    assert product_ap == pytest.approx(0.5)


def test_what_was_not_compared_is_not_a_hit() -> None:
    scored = np.full((2, 4), -np.inf, np.float32)
    category_ap, category_hits, product_ap, product_hits = _measured(
        _task([LEFT, RIGHT]), scored, np.ones(4, np.bool_)
    )
    assert category_ap == product_ap == 0
    assert not category_hits.any()
    assert not product_hits.any()


def test_the_command_writes_a_row_for_each_number_of_views_and_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    rows = ["model,product,category"]
    for family in ("table", "bookcase"):
        for k in range(2):
            mesh = random_mesh(family, np.random.default_rng(k))
            write_glb(mesh, shop / f"{family}{k}.glb")
            rows.append(f"{family}{k},{family},{family}")
    (shop / "models.csv").write_text("\n".join(rows) + "\n")
    photos = tmp_path / "photos"
    photos.mkdir()
    for k in range(8):
        noise = np.random.default_rng(k).integers(90, 130, (7, 7, 3), dtype=np.uint8)
        cv2.imwrite(str(photos / f"{k}.jpg"), cv2.resize(noise, (224, 224)))
    monkeypatch.setattr(detecting, "MODELS", (1,))
    monkeypatch.setattr(detecting, "LEAST", 2)
    quick = CalibrationSource(patches=400, absent_patches=200)
    monkeypatch.setattr(detecting, "IndexOptions", partial(IndexOptions, calibration=quick))
    told = ["--gallery", str(shop), "--backgrounds", str(photos), "--objects", "8", "--workers", "1"]
    out = tmp_path / "out"

    code = main(
        ["detection", *told, "--embedder", "hog", "--cache", str(tmp_path / "cache"), "--out", str(out)]
    )

    assert code == 0, capsys.readouterr().err
    study = json.loads((out / "detection.json").read_text())
    assert [row["count"] for row in study["rows"]] == [1, 4, 12, 36, 108, 1, 0]
    assert study["categories"] == ["bookcase", "table"]
    assert 0 < study["found"]["mean"] <= 1
    every = next(row for row in study["rows"] if row["count"] == 108)
    assert (
        every["category_ap"] == study["rows"][-1]["category_ap"]
    )  # all views, all models: the same question
    assert max(row["category_hits"]["mean"] for row in study["rows"]) <= study["found"]["mean"]
    assert (out / "detection.png").stat().st_size > 10_000
