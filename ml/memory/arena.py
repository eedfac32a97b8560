"""Offsets in one arena: best fit, largest first, then improved until the bound is reached.

Finding the smallest arena is NP-hard (dynamic storage allocation). Each candidate is an order of the
storages; each is put, in that order, into the tightest gap left by those it lives with.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.memory.graph import Storage
from ml.memory.planning import ALIGNMENT, Plan, aligned, greedy_plan

__all__ = ["arena_plan"]

_SEED = 31
_PLACEMENTS = 400  # orders tried at most; each costs about 10 ms for 1,000 storages
_WORK = 40_000_000  # pairs of storages looked at, at most: bounds the seconds for the largest networks


@dataclass(frozen=True, slots=True)
class _Problem:
    """sizes: aligned; neighbors: whom each lives with; floor: the largest set alive at once, aligned."""

    sizes: list[int]
    neighbors: list[list[int]]
    floor: int


def arena_plan(storages: Sequence[Storage], *, alignment: int = ALIGNMENT) -> Plan:
    """Offsets at which no two storages alive at once overlap, in an arena as small as can be found.

    Never larger than the greedy plan's buffers laid end to end. The same storages give the same plan.
    """
    problem = _problem(storages, alignment)
    best = greedy_plan(storages, alignment=alignment)
    pairs = max(1, sum(map(len, problem.neighbors)))
    attempts = max(8, min(_PLACEMENTS, _WORK // pairs))
    for order in _orders(storages, problem):
        for lowest in (False, True):
            if best.bytes <= problem.floor:
                return best
            offsets = _place(problem, order, lowest=lowest)
            attempts -= 1
            plan = _plan(problem, offsets)
            if plan.bytes < best.bytes:
                best = plan
    return _improve(problem, best, max(attempts, 8))


def _problem(storages: Sequence[Storage], alignment: int) -> _Problem:
    first = np.array([storage.first for storage in storages], dtype=np.int64)
    last = np.array([storage.last for storage in storages], dtype=np.int64)
    sizes = [aligned(storage.bytes, alignment) for storage in storages]
    neighbors: list[list[int]] = []
    for index in range(len(storages)):
        together = (first <= last[index]) & (last >= first[index])
        together[index] = False
        neighbors.append(np.flatnonzero(together).tolist())
    change = np.zeros(int(last.max(initial=-1)) + 2, dtype=np.int64)
    np.add.at(change, first, sizes)
    np.subtract.at(change, last + 1, sizes)
    return _Problem(sizes, neighbors, int(np.cumsum(change).max(initial=0)))


def _orders(storages: Sequence[Storage], problem: _Problem) -> list[list[int]]:
    """Starting orders, the one that most often succeeds first."""
    sizes = problem.sizes
    lengths = [storage.last - storage.first + 1 for storage in storages]
    crowd = [sum(sizes[j] for j in near) + sizes[i] for i, near in enumerate(problem.neighbors)]
    everyone = range(len(storages))
    return [
        sorted(everyone, key=lambda i: (-sizes[i], -lengths[i], i)),
        sorted(everyone, key=lambda i: (-sizes[i] * lengths[i], i)),
        sorted(everyone, key=lambda i: (-lengths[i], -sizes[i], i)),
        sorted(everyone, key=lambda i: (-crowd[i], -sizes[i], i)),
        sorted(everyone, key=lambda i: (storages[i].first, -sizes[i], i)),
        sorted(everyone, key=lambda i: (-storages[i].last, -sizes[i], i)),
    ]


def _place(problem: _Problem, order: Sequence[int], *, lowest: bool) -> list[int]:
    """Offset of each storage, put in this order into the smallest (or the lowest) gap that holds it."""
    sizes, offsets = problem.sizes, [-1] * len(problem.sizes)
    for index in order:
        size = sizes[index]
        taken = sorted((offsets[j], sizes[j]) for j in problem.neighbors[index] if offsets[j] >= 0)
        end, choice, tightest = 0, -1, 0
        for offset, length in taken:
            gap = offset - end
            if gap >= size and (choice < 0 or gap < tightest):
                choice, tightest = end, gap
                if lowest:
                    break
            end = max(end, offset + length)
        offsets[index] = end if choice < 0 else choice
    return offsets


def _plan(problem: _Problem, offsets: Sequence[int]) -> Plan:
    top = max((o + s for o, s in zip(offsets, problem.sizes, strict=True)), default=0)
    return Plan(tuple(offsets), top)


def _improve(problem: _Problem, best: Plan, attempts: int) -> Plan:
    """Move what sticks out above the bound to the front of the order, with a little chance, and try again."""
    draw = random.Random(_SEED)
    start = sorted(range(len(problem.sizes)), key=lambda i: (best.offsets[i], -problem.sizes[i]))
    current, height = start, best.bytes
    plan = best
    for _ in range(attempts):
        if best.bytes <= problem.floor:
            break
        order = _promoted(problem, plan, current, draw)
        tried = _plan(problem, _place(problem, order, lowest=draw.random() < 0.5))
        if tried.bytes <= height or draw.random() < 0.05:
            current, height, plan = order, tried.bytes, tried
        if tried.bytes < best.bytes:
            best = tried
    return best


def _promoted(problem: _Problem, plan: Plan, order: list[int], draw: random.Random) -> list[int]:
    over = [i for i in order if plan.offsets[i] + problem.sizes[i] > problem.floor]
    worst = max(over, key=lambda i: plan.offsets[i] + problem.sizes[i], default=order[0])
    moved = {worst} | {i for i in over if draw.random() < 0.5}
    if draw.random() < 0.3:
        moved |= set(draw.sample(order, k=min(3, len(order))))
    return [i for i in order if i in moved] + [i for i in order if i not in moved]
