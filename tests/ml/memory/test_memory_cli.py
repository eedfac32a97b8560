"""`python -m ml memory`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torchvision.models
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensor

from ml.memory import cli
from ml.memory.cli import main
from ml.memory.networks import build, classification_networks

KEYS = {"parameters", "outputs_before", "outputs_greedy", "outputs_arena", "lower_bound"}


def _answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, float]:
    assert main([*arguments, "--json"]) == 0
    answer: dict[str, float] = json.loads(capsys.readouterr().out)
    return answer


def test_vgg16_as_the_thesis_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _answer(capsys, "vgg16")

    assert set(answer) >= KEYS
    assert answer["parameters"] == pytest.approx(138357544 * 4 / 2**20, abs=1e-3)
    assert round(answer["outputs_before"]) == 58
    # conv1_1's and conv1_2's results, 64 x 224 x 224 float32 each
    assert answer["outputs_greedy"] == answer["outputs_arena"] == answer["lower_bound"] == 24.5


@pytest.mark.parametrize(("name", "before"), [("resnet18", 20), ("alexnet", 2)])
def test_other_rows_of_the_thesis(capsys: pytest.CaptureFixture[str], name: str, before: int) -> None:
    answer = _answer(capsys, name)

    assert round(answer["outputs_before"]) == before
    assert answer["outputs_greedy"] >= answer["outputs_arena"] >= answer["lower_bound"]


def test_memory_grows_with_batch_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    one = _answer(capsys, "squeezenet1_1", "--size", "64")
    four = _answer(capsys, "squeezenet1_1", "--size", "64", "--batch", "4")

    assert four["outputs_before"] == pytest.approx(4 * one["outputs_before"], rel=1e-2)
    assert four["parameters"] == one["parameters"]


def test_training_adds_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _answer(capsys, "squeezenet1_1", "--train", "--size", "64")

    assert answer["parameter_gradients"] == answer["parameters"]
    assert answer["gradients_before"] > answer["gradients_arena"] >= answer["gradients_lower_bound"]
    assert answer["outputs_before"] >= answer["outputs_arena"] >= answer["lower_bound"]
    assert answer["together_arena"] >= answer["together_lower_bound"]


def test_a_budget_gives_a_batch_that_keeps_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _answer(capsys, "squeezenet1_1", "--size", "64", "--budget", "32")

    assert answer["largest_batch"] > 1
    assert answer["largest_batch_needs"] <= 32


def test_a_run_agrees_and_a_picture_is_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "lifetimes.png"

    answer = _answer(capsys, "squeezenet1_1", "--size", "64", "--run", "--plot", str(path))

    assert answer["run_is_equal"] is True
    assert answer["run_outside_measured"] <= answer["run_outside_planned"]
    assert Image.open(path).size[0] > 1000


def test_text_lists_the_same_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["squeezenet1_1", "--size", "64"]) == 0

    words = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert set(words) >= KEYS


def test_an_unknown_network_is_named_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vgg61"]) == 2

    assert "'vgg61'" in (message := capsys.readouterr().err)
    assert "vgg16" in message


def test_a_size_too_small_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alexnet", "--size", "16"]) == 2

    assert "input size" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["alexnet", "--all"], ["alexnet", "--batch", "0"]])
def test_a_call_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)


def test_networks_are_built_without_data_and_exactly() -> None:
    for name in ("regnet_y_400mf", "squeezenet1_1", "vit_b_32"):
        network = build(name)
        assert all(isinstance(p, FakeTensor) for p in network.module.parameters())
        with torch.device("meta"):
            if name == "regnet_y_400mf":
                continue  # computes its widths with tensors
            real = torchvision.models.get_model(name)
        assert [tuple(p.shape) for p in network.module.parameters()] == [
            tuple(p.shape) for p in real.parameters()
        ]


def test_every_classification_model_is_known() -> None:
    assert {"alexnet", "vgg16", "googlenet", "resnet18", "resnet152"} <= set(classification_networks())


def test_all_goes_on_past_a_network_that_refuses_the_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "classification_networks", lambda: ["inception_v3", "squeezenet1_1"])

    assert main(["--all", "--size", "64", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert [row["network"] for row in answer["networks"]] == ["squeezenet1_1"]
    assert "input size" in answer["refused"]["inception_v3"]


def test_a_worker_needs_a_budget() -> None:
    with pytest.raises(SystemExit):
        main(["--worker", "hog"])
