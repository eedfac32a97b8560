"""Layers, similarities, the aspect filter and fewer models, on numbers worked out by hand; the command on a
small gallery."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ml import registry
from ml.embed.viewnet import networks_of
from ml.mesh.glb import write_glb
from ml.mesh.parametric.families import random_mesh
from ml.render.raycast import RayScene
from ml.render.views import ViewGrid, render_views
from ml.study.cli import main
from ml.study.features.layers import describe, layers_of
from ml.study.features.matching import (
    Task,
    best_of_models,
    first_category,
    passing,
    ranks,
    sampled_ranks,
    scores,
)
from ml.types import Crop
from ml.weights import load_weights

NEAR, LONG = np.array([[3.0, 4.0]]), np.array([[4.0, 3.0], [30.0, 40.0], [0.0, 1.0]])


def _task(view_aspects: list[float], model: list[int], right: int = 0, models: int = 2) -> Task:
    is_right = np.arange(models)[None] == right
    return Task(np.array([1.0]), np.array(view_aspects), np.array(model), is_right, is_right)


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        ("dot", [24, 250, 4]),
        ("cosine", [24 / 25, 1, 4 / 5]),
        ("L2", [-2, -(27**2 + 36**2), -(9 + 9)]),
    ],
)
def test_similarities(similarity, expected) -> None:
    assert scores(NEAR, LONG, similarity)[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_similarities_disagree_about_length() -> None:
    best = {name: int(scores(NEAR, LONG, name)[0].argmax()) for name in ("dot", "cosine", "L2")}
    assert best == {"dot": 1, "cosine": 1, "L2": 0}


def test_a_view_passes_within_a_factor_tau_and_where_none_does_all_do() -> None:
    task = _task([0.7, 0.8, 1.2, 1.3], [0, 0, 1, 1])
    assert passing(task, 0.75)[0].tolist() == [False, True, True, True]
    assert passing(task, 0.0).all()
    assert passing(task, 0.999).all()  # widened


def test_a_model_is_as_good_as_its_best_passing_view() -> None:
    task = _task([1, 1, 1, 1], [1, 0, 1, 0])
    scored = np.array([[0.9, 0.2, 0.3, 0.4]])
    passes = np.array([[False, True, True, True]])
    best = best_of_models(scored, passes, task)
    assert best[0].tolist() == pytest.approx([0.4, 0.3])
    assert ranks(best, task.right).tolist() == [1]


def test_ranks_count_ties_against_the_right_one_and_know_what_was_not_compared() -> None:
    right = np.array([[True, False, False]] * 3)
    best = np.array([[0.5, 0.5, 0.1], [-np.inf, 0.2, 0.1], [0.6, 0.5, 0.1]])
    assert ranks(best, right).tolist() == [2, np.inf, 1]
    assert first_category(best, right).tolist() == [1, 0, 1]


def test_among_fewer_models_the_right_one_comes_first_more_often() -> None:
    # third of four: first among two where the other drawn is the one behind it, one in three
    best, right = np.array([[0.2, 0.9, 0.5, 0.1]]), np.array([[True, False, False, False]])
    exact, _ = sampled_ranks(best, right, right, 2, draws=3000)
    assert exact[0] == pytest.approx(1 / 3, abs=0.03)
    assert sampled_ranks(best, right, right, 4, draws=5)[0][0] == 0


def test_layers_are_what_the_network_says_before_length_one(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = registry.embedder("viewnet")
    monkeypatch.setattr(embedder.network, "is_halved", False)  # as exact as what it is compared with
    rng = np.random.default_rng(1)
    crops = [Crop(rng.random((3, 96, 96), dtype=np.float32), np.eye(3), 1.0) for _ in range(3)]
    found = describe(embedder, layers_of("viewnet"), [crops[:2], crops[2:]])

    vector = found["vector"]
    unit = vector / np.linalg.norm(vector, axis=1, keepdims=True)
    tensors, facts, _ = load_weights("viewnet")
    first = networks_of(tensors, facts).nets[0].eval()
    gray = torch.from_numpy(np.stack([crop.pixels for crop in crops])) * torch.tensor(
        [0.299, 0.587, 0.114]
    ).view(3, 1, 1)
    with torch.inference_mode():
        seen, _ = first.seen(gray.sum(1, keepdim=True))
    assert np.allclose(unit, seen.numpy(), atol=1e-4)
    assert not np.allclose(np.linalg.norm(vector, axis=1), 1, atol=1e-2)
    assert {name: rows.shape[1] for name, rows in found.items()} == {
        "stage 2": 32 * 36,
        "stage 3": 64 * 36,
        "stage 4": 128 * 36,
        "cells": 32 * 36,
        "vector": 256,
    }


def test_the_layer_of_a_spec_is_named() -> None:
    assert list(layers_of("resnet18:layer2,weights=none")) == ["layer2"]
    assert list(layers_of("hog")) == ["votes", "blocks"]


def test_the_command_writes_table_plot_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery, queries = tmp_path / "gallery", []
    gallery.mkdir()
    for name in ("sofa", "vase", "bookcase"):
        mesh = random_mesh(name, np.random.default_rng(3))
        write_glb(mesh, gallery / f"{name}.glb")
        view = render_views(RayScene(mesh), ViewGrid(1, (15.0,)), size=96)
        aspect = float(view.aspects[0])
        size = (round(200 * min(1, 1 / aspect)), round(200 * min(1, aspect)))
        Image.fromarray(view.pixels[0]).resize(size).save(tmp_path / f"{name}.png")
        queries.append({"photo": f"{name}.png", "box": "full", "relevant": [name], "category": ""})
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    arguments = ["features", "--gallery", str(gallery), "--queries", str(tmp_path / "queries.jsonl")]
    arguments += ["--embedder", "hog", "--azimuths", "4", "--workers", "1"]
    arguments += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]

    assert main(arguments) == 0

    assert "3 photos, 3 models of 12 views" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "features.json").read_text())
    blocks = [row for row in found["rows"] if row["layer"] == "blocks" and row["tau"] == 0.75]
    assert [row["top1"]["mean"] for row in blocks] == [1.0] * 3
    assert (tmp_path / "out" / "features.md").read_text().count("\n") == 2 + 2 * 3
    assert Image.open(tmp_path / "out" / "features.png").width > 1000


def test_a_query_without_a_box_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"photo": "a.png", "box": null, "relevant": ["a"]}')

    assert main(["features", "--gallery", str(tmp_path), "--queries", str(path)]) == 2

    assert "give boxes" in capsys.readouterr().err
