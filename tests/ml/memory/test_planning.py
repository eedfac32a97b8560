"""Plans of storages: by hand, and of any storages at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.memory.arena import arena_plan
from ml.memory.graph import Storage, alive_bytes, fits_together, largest_alive, total_bytes
from ml.memory.planning import Plan, greedy_plan, last_use_plan

PLANNERS = (greedy_plan, last_use_plan, arena_plan)


def _storage(size: int, first: int, last: int) -> Storage:
    return Storage(f"s{first}", size, first, last)


@st.composite
def _any_storages(draw: st.DrawFn) -> list[Storage]:
    count = draw(st.integers(0, 25))
    made = []
    for _ in range(count):
        first = draw(st.integers(0, 20))
        made.append(_storage(draw(st.integers(1, 2000)), first, first + draw(st.integers(0, 12))))
    return made


def _overlaps(storages: Sequence[Storage], plan: Plan) -> list[tuple[Storage, Storage]]:
    """Pairs alive at once whose bytes meet."""
    placed = list(zip(storages, plan.offsets, strict=True))
    return [
        (one, other)
        for index, (one, start) in enumerate(placed)
        for other, begin in placed[index + 1 :]
        if not fits_together(one, other) and start < begin + other.bytes and begin < start + one.bytes
    ]


@pytest.mark.parametrize("planner", PLANNERS)
@given(storages=_any_storages(), alignment=st.sampled_from([1, 64]))
def test_no_two_live_storages_overlap(
    planner: Callable[..., Plan], storages: list[Storage], alignment: int
) -> None:
    plan = planner(storages, alignment=alignment)

    assert _overlaps(storages, plan) == []
    assert all(offset >= 0 and offset % alignment == 0 for offset in plan.offsets)
    assert all(o + s.bytes <= plan.bytes for s, o in zip(storages, plan.offsets, strict=True))


@given(storages=_any_storages())
def test_the_arena_lies_between_the_greedy_plan_and_the_bound(storages: list[Storage]) -> None:
    arena, greedy = arena_plan(storages, alignment=1).bytes, greedy_plan(storages, alignment=1).bytes

    assert largest_alive(storages) <= arena <= greedy <= total_bytes(storages)


@given(storages=_any_storages())
def test_planning_twice_gives_the_same_plan(storages: list[Storage]) -> None:
    assert arena_plan(storages) == arena_plan(storages)


def test_alive_bytes_counts_both_ends_of_a_life() -> None:
    assert alive_bytes([_storage(10, 0, 1), _storage(5, 1, 3)]).tolist() == [10, 15, 5, 5]


def test_greedy_reuses_the_free_buffer_nearest_in_size() -> None:
    # At step 2 the buffers of 100 and 40 are free: 50 goes to the one of 40, which grows.
    storages = [_storage(100, 0, 1), _storage(40, 0, 1), _storage(50, 2, 3), _storage(90, 2, 3)]

    plan = greedy_plan(storages, alignment=1)

    assert plan == Plan((0, 100, 100, 0), 150)


def test_greedy_never_shares_within_a_step() -> None:
    assert greedy_plan([_storage(8, 0, 1), _storage(8, 1, 2)], alignment=1).bytes == 16


def test_the_arena_beats_buffers_where_one_large_storage_follows_two_small() -> None:
    storages = [_storage(10, 0, 1), _storage(10, 0, 1), _storage(20, 2, 3)]

    assert greedy_plan(storages, alignment=1).bytes == 30
    assert arena_plan(storages, alignment=1).bytes == 20


def test_the_search_mends_what_largest_first_gets_wrong() -> None:
    # Every starting order alone needs 21 or more here, and the greedy plan 19.
    storages = [
        _storage(*row)
        for row in [(6, 0, 2), (5, 1, 4), (4, 3, 6), (7, 5, 8), (3, 2, 5), (4, 6, 9), (2, 0, 9), (5, 8, 9)]
    ]

    assert greedy_plan(storages, alignment=1).bytes == 19
    assert arena_plan(storages, alignment=1).bytes == largest_alive(storages) == 18


def test_sharing_by_last_use_takes_the_first_buffer_that_is_free() -> None:
    storages = [_storage(8, 0, 1), _storage(8, 1, 2), _storage(16, 2, 3)]

    assert last_use_plan(storages, alignment=1) == Plan((0, 16, 0), 24)


def test_nothing_to_plan() -> None:
    assert arena_plan([]) == greedy_plan([]) == last_use_plan([]) == Plan((), 0)
    assert largest_alive([]) == 0
