"""Work on every core: in order, one thread each, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from ml.pipelines.cores import on_every_core


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param, "the process computes on as many as before"
    torch.set_num_threads(before)


def test_answers_come_in_order_from_threads_that_compute_with_one(threads: int) -> None:
    def work(item: int) -> tuple[int, int]:
        return item * item, torch.get_num_threads()

    assert list(on_every_core(work, range(40))) == [(k * k, 1) for k in range(40)]


def test_two_are_at_work_at_once_where_that_is_allowed(threads: int) -> None:
    """Each waits for another one: alone it would wait in vain."""
    meeting = threading.Barrier(2)

    def work(item: int) -> bool:
        try:
            meeting.wait(timeout=5 if threads > 1 else 0.05)
        except threading.BrokenBarrierError:
            return False
        return True

    assert list(on_every_core(work, [1, 2])) == [threads > 1] * 2
    meeting.reset()
    assert (
        list(on_every_core(lambda item: threading.current_thread(), [1, 2], most=1))
        == [threading.main_thread()] * 2
    )


def test_an_error_is_raised_and_the_rest_is_left(threads: int) -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ValueError("3 is bad")
        return item

    with pytest.raises(ValueError, match="3 is bad"):
        list(on_every_core(work, range(10_000)))
    assert len(begun) < 10_000


def test_closing_it_leaves_the_rest(threads: int) -> None:
    begun: list[int] = []
    gate = threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item > 5:
            gate.wait(timeout=0.01)
        return item

    with closing(on_every_core(work, range(10_000))) as answers:
        assert next(answers) == 0
    assert len(begun) < 10_000
    assert list(on_every_core(work, [])) == []
