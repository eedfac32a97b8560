"""Where each storage goes: plans, and the sharing of buffers as the thesis and its package do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ml.memory.graph import Storage

__all__ = ["ALIGNMENT", "Plan", "aligned", "greedy_plan", "last_use_plan"]

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
    chosen = [0] * len(storages)
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
    return _end_to_end(sizes, chosen)


def last_use_plan(storages: Sequence[Storage], *, alignment: int = ALIGNMENT) -> Plan:
    """Sharing as in the thesis author's Torch7 package (optimize-net): storages by their last use, each
    into the first buffer whose last storage is no longer needed, else into a new one."""
    sizes: list[int] = []
    free_after: list[int] = []
    chosen = [0] * len(storages)
    for index in sorted(range(len(storages)), key=lambda i: (storages[i].last, i)):
        storage = storages[index]
        free = (buffer for buffer, last in enumerate(free_after) if last < storage.first)
        buffer = next(free, len(sizes))
        if buffer == len(sizes):
            sizes.append(0)
            free_after.append(0)
        sizes[buffer] = max(sizes[buffer], aligned(storage.bytes, alignment))
        free_after[buffer] = storage.last
        chosen[index] = buffer
    return _end_to_end(sizes, chosen)


def _end_to_end(sizes: Sequence[int], chosen: Sequence[int]) -> Plan:
    """sizes: of the buffers; chosen: the buffer of each storage."""
    starts = [0, *accumulate(sizes)]
    return Plan(tuple(starts[buffer] for buffer in chosen), starts[-1])
