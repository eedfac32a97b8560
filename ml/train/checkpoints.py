"""A training's state on disk: written beside, then in place; read only by the same recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Stateful", "read_checkpoint", "write_checkpoint"]

_NAME = "checkpoint.pt"


class Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


def write_checkpoint(
    folder: Path, parts: Mapping[str, Stateful], recipe: DataclassInstance, step: int, seconds: float
) -> None:
    """Everything a later run needs."""
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"step": step, "seconds": seconds, "recipe": json.dumps(asdict(recipe))}  # type: ignore[dict-item]
    beside = folder / f"{_NAME}.new"
    torch.save(state, beside)
    beside.replace(folder / _NAME)


def read_checkpoint(
    folder: Path, parts: Mapping[str, Stateful], recipe: DataclassInstance
) -> tuple[int, float] | None:
    """Take up the folder's checkpoint: its step and seconds, None where there is none. Raises ValueError for another
    recipe."""
    path = folder / _NAME
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True)
    if json.loads(state["recipe"]) != json.loads(json.dumps(asdict(recipe))):
        raise ValueError(f"{path} was made with another recipe; give another --out or the same options")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"], state["seconds"]
