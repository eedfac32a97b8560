"""Where each storage goes: plans, and the thesis' greedy sharing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml.memory.graph import Storage

__all__ = ["ALIGNMENT", "Plan", "aligned", "greedy_plan"]

# Bytes. What PyTorch's CPU allocator promises, and a cache line: vector loads never straddle two.
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """Byte offsets into one block of memory.

    offsets  one a storage, in the storages' order
    bytes    size of the block
    """

    offsets: tuple[int, ...]
    bytes: int


def aligned(size: int, alignment: int = ALIGNMENT) -> int:
    """size rounded up to a multiple of alignment."""
    return -(-size // alignment) * alignment


def greedy_plan(storages: Sequence[Storage], *, alignment: int = ALIGNMENT) -> Plan:
    """Sharing as the thesis does it (section 3.1): each storage, in the order in which they are filled,
    reuses the free buffer nearest in size, which grows where it is too small; where none is free a new
    buffer is made. The buffers lie end to end.

    A buffer is free once the last storage put in it has been read for the last time.
    """
    sizes: list[int] = []
    free_after: list[int] = []
    chosen: dict[int, int] = {}
    for index in sorted(range(len(storages)), key=lambda i: (storages[i].first, i)):
        storage = storages[index]
        size = aligned(storage.bytes, alignment)
        free = [buffer for buffer, last in enumerate(free_after) if last < storage.first]
        if free:
            buffer = min(free, key=lambda b: (abs(sizes[b] - size), b))
            sizes[buffer] = max(sizes[buffer], size)
            free_after[buffer] = storage.last
        else:
            buffer = len(sizes)
            sizes.append(size)
            free_after.append(storage.last)
        chosen[index] = buffer
    starts = [sum(sizes[:buffer]) for buffer in range(len(sizes))]
    return Plan(tuple(starts[chosen[index]] for index in range(len(storages))), sum(sizes))
