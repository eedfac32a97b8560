"""The weights that ship with the project, each beside its model card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ml.errors import WeightsMissing

__all__ = ["FOLDER", "load_weights", "read_weights", "save_weights"]

FOLDER = Path(__file__).parent


def load_weights(name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any], str]:
    """As `read_weights`, of those that ship. Raises WeightsMissing."""
    return read_weights(
        FOLDER / f"{name}.safetensors",
        "take them from the repository again or make them with python -m ml train",
    )


def read_weights(path: Path, way_out: str) -> tuple[dict[str, torch.Tensor], dict[str, Any], str]:
    """Tensors as float32, the facts saved with them, and the file's SHA-256.

    Raises WeightsMissing, with the way out, where the file is absent or damaged.
    """
    try:
        data = path.read_bytes()
        with safe_open(str(path), framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsMissing(f"the weights {path.name} can't be read ({error}); {way_out}") from error
    floats = {key: t.float() if t.dtype == torch.float16 else t for key, t in tensors.items()}
    return floats, facts, hashlib.sha256(data).hexdigest()


def save_weights(path: Path, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write tensors as float16 with the facts that their reader needs; beside first, then in place."""
    halves = {
        key: (t.half() if t.dtype.is_floating_point else t).contiguous().clone() for key, t in tensors.items()
    }
    beside = path.with_suffix(".new")
    save_file(halves, str(beside), metadata={"facts": json.dumps(facts, sort_keys=True)})
    beside.replace(path)
