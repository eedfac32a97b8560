"""Scenes with known boxes, what each cell should say of them, and the training's command made small."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ml.detect.networks import ObjectNet, ObjectNetShape, decoded
from ml.errors import BadSource
from ml.train.cli import main
from ml.train.finding import finder_loss, mask_loss, targets
from ml.train.pairs import open_pairs, parametric_specs, render_pairs
from ml.train.scenes import Scene, SceneComposer, load_cutouts


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of a few models, as a training leaves them."""
    folder = tmp_path_factory.mktemp("trained")
    render_pairs(parametric_specs(1, 1)[:3], folder / "pairs", seed=1)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three of a dark disk on white, one of them kept back, and one with no even background."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("kept", "one", "two"):
        picture = np.full((200, 160, 3), 250, np.uint8)
        cv2.ellipse(picture, (80, 100), (25, 50), 0, 0, 360, (30, 60, 140), -1)
        cv2.imwrite(str(folder / f"{name}.jpg"), picture)
    cv2.imwrite(str(folder / "busy.jpg"), rng.integers(0, 255, (200, 160, 3), dtype=np.uint8))
    (folder / "queries.jsonl").write_text('{"photo": "kept.jpg"}\n')
    return folder


def _scene(boxes: list[tuple[float, float, float, float]], side: int = 32) -> Scene:
    masks = torch.zeros(1, len(boxes), side, side)
    for place, (x0, y0, x1, y1) in enumerate(boxes):
        masks[0, place, int(y0) : int(y1), int(x0) : int(x1)] = 1
    return Scene(
        torch.zeros(1, 3, side, side),
        masks,
        torch.tensor([boxes]),
        torch.ones(1, len(boxes), dtype=torch.bool),
    )


def test_a_cell_answers_for_the_smallest_box_whose_core_it_is_in() -> None:
    large, small = (0.0, 0.0, 32.0, 32.0), (12.0, 12.0, 20.0, 20.0)
    wanted = targets(_scene([small, large]), stride=4)
    answers = wanted.boxes[0].reshape(8, 8, 4)
    is_object = wanted.is_object[0].reshape(8, 8)
    # centers of cells 3 and 4 are at 14 and 18: 2 from the middle; the small core reaches 2 (half a stride)
    assert answers[3, 3].tolist() == list(small)
    assert answers[4, 4].tolist() == list(small)
    # 0.3 / 2 * 32 = 4.8 from the middle: cells 3 and 4 only, as 2 and 5 lie 6 away
    assert is_object.sum() == 4
    alone = targets(_scene([large]), stride=4)
    assert alone.boxes[0].reshape(8, 8, 4)[3, 4].tolist() == list(large)


def test_a_perfect_answer_costs_next_to_nothing_and_a_shifted_one_more() -> None:
    scene = _scene([(4.0, 8.0, 28.0, 24.0)])
    wanted = targets(scene, stride=4)
    center = torch.tensor([[x + 0.5, y + 0.5, x + 0.5, y + 0.5] for y in range(8) for x in range(8)]) * 4
    distance = (center - wanted.boxes[0]) * torch.tensor([1.0, 1.0, -1.0, -1.0])
    perfect = torch.zeros(1, 5, 8, 8)
    perfect[0, 0] = torch.where(wanted.is_object[0] > 0, 20.0, -20.0).reshape(8, 8)
    perfect[0, 1:] = torch.log(distance.clamp(min=1e-3) / 32).T.reshape(4, 8, 8)
    found, boxes = decoded(perfect, 4)
    chosen = wanted.is_object[0] > 0
    assert torch.allclose(boxes[0, chosen], wanted.boxes[0, chosen], atol=1e-3)
    assert finder_loss(perfect, scene, 4) < 1e-4
    shifted = perfect.clone()
    shifted[0, 1] += 0.5
    assert finder_loss(shifted, scene, 4) > 0.05
    assert finder_loss(-perfect, scene, 4) > 10
    assert found.shape == (1, 64)


def test_the_mask_loss_prefers_the_mask() -> None:
    scene = _scene([(8.0, 8.0, 24.0, 24.0)])
    logits = (scene.masks[:, :1] - 0.5) * 20
    smaller = torch.nn.functional.avg_pool2d(logits, 2)
    assert mask_loss(smaller, scene) < 0.01 < 1.0 < mask_loss(-smaller, scene)


def test_scenes_tell_where_things_are(trained: Path) -> None:
    rng = np.random.default_rng(0)
    grounds = rng.integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    composer = SceneComposer(open_pairs(trained / "pairs"), None, grounds, seed=3)
    scene = composer.scenes(12, 96)
    assert scene.pictures.shape == (12, 3, 96, 96)
    assert float(scene.pictures.min()) >= 0
    assert float(scene.pictures.max()) <= 1
    assert scene.is_there.any(dim=1).sum() >= 9
    assert (scene.masks.sum(dim=1) <= 1 + 1e-5).all(), "a pixel shows one object"
    for picture, place in torch.nonzero(scene.is_there).tolist():
        x0, y0, x1, y1 = map(int, scene.boxes[picture, place])
        inside = scene.masks[picture, place] > 0.5
        assert inside[y0:y1, x0:x1].sum() == inside.sum() > 0
        assert inside[y0].any()
        assert inside[:, x1 - 1].any()
    close = composer.scenes(12, 96, is_close=True)
    wide = close.boxes[:, 0, 2] - close.boxes[:, 0, 0]
    assert (wide[close.is_there[:, 0]] > 35).all()


def test_cutouts_come_from_even_backgrounds_that_are_not_kept_back(photos: Path, tmp_path: Path) -> None:
    cut = load_cutouts(photos, tmp_path / "cutouts.npz")
    assert len(cut.aspect) == 2
    assert cut.aspect == pytest.approx([2.0, 2.0], abs=0.06)
    red, green, blue, alpha = cut.pixels[0, 48, 48]
    assert alpha == 255
    assert abs(int(red) - 140) < 8
    assert abs(int(green) - 60) < 8
    assert abs(int(blue) - 30) < 8


@pytest.mark.parametrize("what", ["boxes", "mask"])
def test_the_command_makes_weights_and_goes_on(
    what: str, trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["finder", "--trained", str(trained), "--out", str(tmp_path), "--backgrounds", str(photos)]
    asked += ["--furniture", str(photos), "--what", what, "--batch", "4", "--threads", "1"]
    assert main([*asked, "--steps", "2"]) == 0
    weights, state = tmp_path / f"{what}.safetensors", tmp_path / what / "checkpoint.pt"
    assert torch.load(state, weights_only=True)["step"] == 2
    made = weights.read_bytes()
    assert len(made) < 3 << 20
    assert main([*asked, "--steps", "2"]) == 0, "a training that is done has nothing to do"
    assert weights.read_bytes() == made
    assert main([*asked, "--steps", "2", "--rate", "0.5"]) == 2
    assert "another recipe" in " ".join(capsys.readouterr().err.split())
    assert torch.load(state, weights_only=True)["step"] == 2


def test_finder_without_pairs_says_what_is_missing(tmp_path: Path) -> None:
    asked = ["finder", "--trained", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*asked, "--backgrounds", str(tmp_path), "--what", "mask"]) == 2


def test_photos_with_nothing_to_cut_say_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "busy.jpg"), rng.integers(0, 255, (200, 160, 3), dtype=np.uint8))
    with pytest.raises(BadSource, match="even background"):
        load_cutouts(tmp_path, tmp_path / "cutouts.npz")


def test_the_network_answers_at_its_stride() -> None:
    for stride in (2, 4):
        network = ObjectNet(ObjectNetShape(stride=stride)).eval()
        assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 5, 64 // stride, 96 // stride)
    assert math.isfinite(float(network(torch.rand(1, 3, 32, 32)).sum()))
