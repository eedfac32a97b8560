"""Kinds by the command, from rendered pairs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ml import registry
from ml.kinds.products import KindsOfViews
from ml.kinds.vocabulary import OTHER
from ml.train.cli import main
from ml.train.kinds import Labelled, train_kinds
from ml.train.pairs import parametric_specs, render_pairs
from ml.weights import read_weights


def test_what_is_rendered_is_told_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    specs = [
        spec
        for spec in parametric_specs(2, 5)
        if spec.family in {"bed", "chair", "sofa", "table", "vase", "mug"}
    ]
    render_pairs(specs, tmp_path / "pairs", seed=1)
    (tmp_path / "photos").mkdir()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), noise)
    out = tmp_path / "kinds.safetensors"
    asked = [
        "kinds",
        "--trained",
        str(tmp_path),
        "--backgrounds",
        str(tmp_path / "photos"),
        "--out",
        str(out),
    ]
    asked.append("--embedder")
    assert main([*asked, "viewnet_lite"]) == 0
    assert "of unseen models' views" in capsys.readouterr().out
    first, facts, _ = read_weights(out, "")
    assert first["absent"].shape == (2 * 2, OTHER + 1), (
        "the half that is no wrong answer in training, and their middles"
    )
    assert facts["embedders"] == {"viewnet_lite": registry.embedder("viewnet_lite").info.fingerprint}
    assert main([*asked, "viewnet"]) == 0
    both, facts, _ = read_weights(out, "")
    assert set(facts["embedders"]) == {"viewnet", "viewnet_lite"}
    assert all((both[name] == tensor).all() for name, tensor in first.items()), "the other embedder's stay"


def test_it_learns_rare_kinds_too() -> None:
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(5, 32))
    label = np.repeat(np.arange(5), [400, 400, 400, 400, 15])
    vectors = middles[label] + 0.6 * rng.normal(size=(len(label), 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    kinds = np.zeros((len(label), KindsOfViews(32).layers[-1].out_features), np.float32)
    kinds[np.arange(len(label)), label] = 1
    told = train_kinds(Labelled(vectors, kinds, np.arange(len(label)))).told(vectors).argmax(axis=1)
    right = [(told[label == one] == one).mean() for one in range(5)]
    assert min(right) > 0.8, right


def test_without_pairs_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path)
    asked = [
        "kinds",
        "--trained",
        folder,
        "--backgrounds",
        folder,
        "--out",
        f"{folder}/k",
        "--embedder",
        "viewnet",
    ]
    assert main(asked) == 2
    assert "error: " in capsys.readouterr().err
