"""What a network's run asks of memory: storages with their sizes and lifetimes.

A step is one operation that computes something; views take no step and no memory. A storage is
alive from the step that fills it to the last step that reads it, both included: an operation's
inputs and results live side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

__all__ = [
    "MIB",
    "Mode",
    "NetworkMemory",
    "Role",
    "Storage",
    "alive_bytes",
    "fits_together",
    "largest_alive",
    "total_bytes",
]

MIB = 1 << 20


class Role(StrEnum):
    """What a storage is for.

    output      the first result of an operation of the forward pass
    workspace   a further result that only the backward pass may read: pooling indices, dropout
                masks, batch statistics; in inference nobody reads it
    gradient    a result of the backward pass that is no parameter's gradient
    """

    OUTPUT = "output"
    WORKSPACE = "workspace"
    GRADIENT = "gradient"


class Mode(StrEnum):
    INFERENCE = "inference"
    TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Storage:
    """One piece of memory and when it is needed.

    name   the operation that fills it
    bytes  its size, greater than 0
    first  the step that fills it
    last   the last step that reads it, >= first; `NetworkMemory.steps` for a network's result
    """

    name: str
    bytes: int
    first: int
    last: int
    role: Role = Role.OUTPUT


@dataclass(frozen=True, slots=True)
class NetworkMemory:
    """The memory of one run of a network; sizes in bytes.

    storages             everything a run allocates, ordered by `first`
    steps                number of steps; a step's number is below it
    backward_step        the first step of the backward pass, None in inference
    parameters           learnt weights
    buffers              running statistics and other state that is not learnt
    parameter_gradients  what the backward pass returns; kept by the optimizer, never shared
    inputs               the batch, and in training the gradient of the network's result
    """

    mode: Mode
    storages: tuple[Storage, ...]
    steps: int
    backward_step: int | None
    parameters: int
    buffers: int
    parameter_gradients: int
    inputs: int

    def of(self, *roles: Role) -> tuple[Storage, ...]:
        """The storages of these roles, in order."""
        return tuple(storage for storage in self.storages if storage.role in roles)


def total_bytes(storages: Sequence[Storage]) -> int:
    """Memory without any sharing."""
    return sum(storage.bytes for storage in storages)


def alive_bytes(storages: Sequence[Storage]) -> npt.NDArray[np.int64]:
    """(steps,) bytes alive at each step, up to the last one any storage needs."""
    length = max((storage.last for storage in storages), default=-1) + 1
    change = np.zeros(length + 1, dtype=np.int64)
    for storage in storages:
        change[storage.first] += storage.bytes
        change[storage.last + 1] -= storage.bytes
    result: npt.NDArray[np.int64] = np.cumsum(change[:-1])
    return result


def largest_alive(storages: Sequence[Storage]) -> int:
    """Bytes of the largest set alive at once: no sharing can need less."""
    return int(alive_bytes(storages).max(initial=0))


def fits_together(one: Storage, other: Storage) -> bool:
    """Whether two storages are never alive at once, so that they may share memory."""
    return one.last < other.first or other.last < one.first
