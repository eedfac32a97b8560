"""The verifier's training on a few drawn models: it learns, stops, goes on, and ships what a search reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ml.embed.networks import LITE, ViewNet
from ml.embed.viewnet import networks_of
from ml.train.cli import main
from ml.train.pairs import PairSet, open_pairs, parametric_specs, render_pairs
from ml.train.sightings import Sightings
from ml.train.verifying import Candidates, VerifierRecipe, VerifierTraining
from ml.verify.networks import VerifierShape
from ml.verify.verifier import network_of
from ml.weights import load_weights, read_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `python -m ml train --interiors` leaves behind, of 16 models."""
    root = tmp_path_factory.mktemp("trained")
    specs = parametric_specs(1, 5)[:8]
    assert render_pairs(specs, root / "pairs", seed=1, workers=2) == []
    pairs = open_pairs(root / "pairs")
    rng = np.random.default_rng(0)
    rows = rng.choice(len(pairs.model), 6, replace=False)
    pictures = np.stack([cv2.resize(pairs.plain[row], (136, 136)) for row in rows])
    (root / "rooms").mkdir()
    np.savez(
        root / "rooms" / "0000.npz",
        pictures=pictures,
        plain=pairs.plain[rows],
        coarse=pairs.coarse[rows],
        spec=pairs.specs[pairs.model[rows]],
    )
    photos = root / "photos"
    photos.mkdir()
    for number in range(6):
        coarse = rng.integers(0, 255, (6, 6), dtype=np.uint8)
        cv2.imwrite(str(photos / f"{number}.png"), cv2.resize(coarse, (150, 130)))
    return root


@pytest.fixture(scope="module")
def pairs(folder: Path) -> PairSet:
    return open_pairs(folder / "pairs")


@pytest.fixture(scope="module")
def rooms(pairs: PairSet) -> Sightings:
    rows = np.arange(0, len(pairs.model), 30)
    pictures = np.stack([cv2.resize(pairs.plain[row], (136, 136)) for row in rows])
    return Sightings(pictures, pairs.plain[rows], pairs.coarse[rows], pairs.specs[pairs.model[rows]])


def backgrounds() -> torch.Tensor:
    return torch.randint(0, 255, (8, 112, 112), dtype=torch.uint8)


@pytest.fixture(scope="module")
def networks():
    tensors, facts, _ = load_weights("viewnet")
    return networks_of(tensors, facts)


RECIPE = VerifierRecipe(steps=14, queries=6, wrong=4, turned=2, among=6, begin_among=6, warmup=2, average=0.5)


def test_wrong_views_are_of_other_models_or_clearly_from_elsewhere(pairs: PairSet, networks) -> None:
    candidates = Candidates(pairs, networks)
    rows = np.array([3, 30, 60, 100])
    right = np.asarray(pairs.plain[rows])
    photos = torch.from_numpy(right).float()[:, None] / 255
    own = pairs.model[rows].astype(np.int64)
    views, counts = candidates.drawn(photos, own, right, "plain", RECIPE, 6, np.random.default_rng(0))
    assert views.shape == (4, 1 + 4 + 2, 96, 96)
    assert np.array_equal(views[:, 0], right)
    assert counts[:, 0].all()
    for query, row in enumerate(rows):
        for view in views[query, 1:5]:
            of = {
                int(pairs.model[k]) for k in range(len(pairs.model)) if np.array_equal(pairs.plain[k], view)
            }
            assert of
            assert int(pairs.model[row]) not in of
        for view, is_wrong in zip(views[query, 5:], counts[query, 5:], strict=True):
            if is_wrong:
                assert np.abs(view.astype(float) - right[query]).mean() > 1


def test_it_learns_and_can_be_taken_up_again(pairs: PairSet, rooms, networks, tmp_path: Path) -> None:
    behind = backgrounds()

    def training() -> VerifierTraining:
        return VerifierTraining(RECIPE, pairs, rooms, behind, networks, networks.nets, tmp_path)

    losses: list[float] = []
    first = training()
    eyes = {name: value.clone() for name, value in first.network.near.state_dict().items()}
    assert first.run(10, lambda step, loss, found: losses.append(loss))
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert all(torch.equal(value, eyes[name]) for name, value in first.network.near.state_dict().items())
    again = training()
    assert again.resume()
    assert again.step == RECIPE.steps
    assert again.progress >= 1


def test_another_eye_counts_nothing_until_it_is_trained(
    pairs: PairSet, rooms, networks, tmp_path: Path
) -> None:
    earlier = network_of(*load_weights("verifier")[:2]).eval()
    eyes = [*networks.nets, ViewNet(LITE)]
    recipe = replace(RECIPE, shape=VerifierShape(tuple(eye.shape for eye in eyes)))
    training = VerifierTraining(recipe, pairs, rooms, backgrounds(), networks, eyes, tmp_path)
    training.start_from(earlier)
    views = torch.from_numpy(np.array(pairs.plain[:6])).float()[:, None] / 255
    photos = views.roll(1, 0)
    now = training.averaged.eval()
    with torch.inference_mode():
        before = earlier.compared(earlier.seen(photos), earlier.seen(views))
        since = now.compared(now.seen(photos), now.seen(views))
    np.testing.assert_allclose(since, before, atol=1e-3)
    assert training.run(10, lambda step, loss, found: None)
    with torch.inference_mode():
        assert float((now.compared(now.seen(photos), now.seen(views)) - before).abs().max()) > 0.01
    assert bool(now.thin_fine[0].weight[:, -24:].any())


def test_the_command_writes_what_a_search_reads(folder: Path, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    asked = ["verifier", "--trained", str(folder), "--out", str(out), "--backgrounds", str(folder / "photos")]
    assert main([*asked, "--steps", "2", "--minutes", "0"]) == 3
    assert main([*asked, "--steps", "2"]) == 0
    tensors, facts, _ = read_weights(out / "verifier.safetensors", "")
    assert facts["steps"] == 2
    network = network_of(tensors, facts)
    shipped, _, _ = load_weights("viewnet")
    assert torch.equal(network.near[0][1].weight, shipped["members.0.trunk.1.weight"])
    assert main([*asked, "--steps", "3"]) == 2  # another recipe, the same folder
    more = tmp_path / "more"
    asked[4] = str(more)
    assert main([*asked, "--steps", "1", "--start-from"]) == 0
    _, facts, _ = read_weights(more / "verifier.safetensors", "")
    assert facts["steps"] > 1000
    assert main(["verifier", "--trained", str(tmp_path / "none"), *asked[3:]]) == 2
