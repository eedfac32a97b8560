"""The whole training by its one command, made small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from ml.embed.networks import LITE, ViewNet, ViewNetShape
from ml.embed.viewnet import networks_of
from ml.train.cli import main
from ml.train.loop import _kin
from ml.train.pretrained import take_pretrained
from ml.weights import FOLDER, read_weights


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("backgrounds", "furniture/chair", "furniture/table", "caltech/lamp", "caltech/ant"):
        (folder / name).mkdir(parents=True)
        for number in range(44):
            coarse = rng.integers(0, 255, (6, 6), dtype=np.uint8)
            cv2.imwrite(str(folder / name / f"{number}.png"), cv2.resize(coarse, (150, 130)))
    return folder


def test_two_stages_make_weights_a_curve_and_can_go_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = [
        "--out", str(out), "--libraries", "--a-family", "1",
        "--backgrounds", str(photos / "backgrounds"), "--furniture", str(photos / "furniture"),
        "--caltech", str(photos / "caltech"), "--steps", "2", "--second-steps", "2",
    ]  # fmt: skip
    assert main(asked) == 0
    weights = load_file(out / "viewnet.safetensors")
    assert all(np.isfinite(value).all() for value in weights.values())
    assert (out / "loss.png").stat().st_size > 1000
    assert (out / "viewnet.safetensors").stat().st_size < 15 << 20
    steps = [len((out / stage / "history.jsonl").read_text().splitlines()) for stage in ("first", "second")]
    assert steps == [2, 2]

    # more of the second stage alone, from the shipped network
    other = tmp_path / "more"
    other.mkdir()
    for name in ("pairs", "backgrounds.npz", "furniture.npz", "caltech.npz"):
        (other / name).symlink_to(out / name)
    asked[1] = str(other)
    assert main([*asked, "--start-from", "viewnet", "--threads", "1"]) == 0
    assert not (other / "first").exists()
    assert load_file(other / "viewnet.safetensors").keys() == weights.keys()

    # and both in one
    files = [str(folder / "viewnet.safetensors") for folder in (out, other)]
    joined = tmp_path / "joined.safetensors"
    rest = ["--trained", str(out), "--backgrounds", str(photos / "backgrounds"), "--out", str(joined)]
    assert main(["join", *files, *rest]) == 0
    tensors, facts, _ = read_weights(joined, "")
    assert [training["steps"] for training in facts["trainings"]] == [4, 2]
    assert tensors["absent"].shape == (44, 128)  # 22 photographs and their middles
    assert tensors["patches"].shape == (176, 128)
    seen = torch.cat([tensors["absent"], tensors["patches"]])
    assert torch.allclose(seen.norm(dim=1), torch.ones(220), atol=2e-3)
    members = networks_of(tensors, facts).nets
    of_first = weights["members.0.to_vector.weight"].astype(np.float32)
    assert np.array_equal(members[0].to_vector.weight.detach().numpy(), of_first)
    assert main(["join", str(tmp_path / "none.safetensors"), *rest]) == 2

    # and of those two, the second with the first's file
    assert main(["join", f"{joined}#1", files[0], *rest]) == 0
    tensors, facts, _ = read_weights(joined, "")
    assert [training["steps"] for training in facts["trainings"]] == [2, 4]
    assert np.array_equal(networks_of(tensors, facts).nets[1].to_vector.weight.detach().numpy(), of_first)
    assert main(["join", f"{joined}#2", *rest]) == 2


@pytest.mark.parametrize("beginning", ["imagenet", "viewnet_lite"])
def test_what_others_learned_first_stays_and_what_follows_is_trained_on(
    beginning: str, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = [
        "--out", str(out), "--libraries", "--a-family", "1", "--backgrounds", str(photos / "backgrounds"),
        "--furniture", str(photos / "furniture"), "--second-steps", "2", "--start-from", beginning,
    ]  # fmt: skip
    assert main(asked) == 0
    trained = network(out / "viewnet.safetensors")
    before = network(FOLDER / "viewnet_lite.safetensors")
    if beginning == "imagenet":
        take_pretrained(before)
    for name, value in before.trunk[:6].state_dict().items():
        assert torch.allclose(trained.trunk[:6].state_dict()[name], value, rtol=2e-3, atol=1e-6), name
    for name in ("trunk.6.body.0.0.weight", "trunk.11.body.2.1.running_mean", "to_vector.weight"):
        assert not torch.allclose(trained.state_dict()[name], before.state_dict()[name], rtol=2e-3), name

    # beside ours
    joined = tmp_path / "joined.safetensors"
    files = [str(FOLDER / "viewnet.safetensors#0"), str(out / "viewnet.safetensors")]
    rest = ["--trained", str(out), "--backgrounds", str(photos / "backgrounds"), "--out", str(joined)]
    assert main(["join", *files, *rest]) == 0
    tensors, facts, _ = read_weights(joined, "")
    assert [net.shape for net in networks_of(tensors, facts).nets] == [ViewNetShape(), LITE]


def network(path: Path) -> ViewNet:
    tensors, facts, _ = read_weights(path, "")
    return networks_of(tensors, facts).nets[0]


def test_photographs_are_described_anew_by_weights_that_are_there(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "anew.safetensors"
    weights = FOLDER / "viewnet.safetensors"
    rest = ["--backgrounds", str(photos / "backgrounds"), "--out", str(out)]
    assert main(["absent", str(weights), *rest]) == 0
    tensors, facts, _ = read_weights(out, "")
    shipped, as_shipped, _ = read_weights(weights, "")
    assert facts == as_shipped
    assert tensors["absent"].shape == (44, 128)
    assert all(torch.equal(tensors[name], shipped[name]) for name in shipped.keys() - {"absent", "patches"})
    assert main(["absent", str(tmp_path / "none.safetensors"), *rest]) == 2


def test_kin_are_models_of_one_kind() -> None:
    kin = _kin(["Oak chair", "Chair 2", "Table", "chair", "Coffee table", "17"])
    assert [rows.tolist() for rows in kin] == [[0, 1, 3], [0, 1, 3], [2, 4], [0, 1, 3], [2, 4], [5]]
