"""Weights on disk: round trip, and what is said where they are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ml import weights
from ml.errors import WeightsMissing

LIMIT = 15 * 2**20  # bytes in the repository


def test_round_trip_in_half_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    tensors = {"a": torch.randn(4, 3), "n": torch.tensor(7)}
    weights.save_weights(tmp_path / "made.safetensors", tensors, {"steps": 5})

    back, facts, digest = weights.load_weights("made")

    assert facts == {"steps": 5}
    assert len(digest) == 64
    assert back["n"] == 7
    assert back["a"].dtype == torch.float32
    assert torch.allclose(back["a"], tensors["a"], atol=2e-3)


def test_missing_or_damaged_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(WeightsMissing, match="python -m ml train"):
        weights.load_weights("made")
    (tmp_path / "made.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(WeightsMissing, match=r"made\.safetensors"):
        weights.load_weights("made")


def test_what_ships_is_small_and_has_a_card() -> None:
    shipped = sorted(weights.FOLDER.glob("*.safetensors"))
    viewnets = ["viewnet", "viewnet_lite", "viewnet_open"]
    assert [path.stem for path in shipped] == ["finder", "kinds", "mask", "verifier", *viewnets]
    for path in shipped:
        assert path.stat().st_size < LIMIT
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert "python -m ml train" in card
