"""Work of one kind on every core."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

__all__ = ["on_every_core"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_every_core(
    work: Callable[[Item], Result], items: Sequence[Item], *, most: int | None = None
) -> Generator[Result, None, None]:
    """work of each item, in their order, as many at once as torch computes with threads, or `most`.

    Each computes with one thread: all together on one item, they wait for one another at each layer, the longer the
    busier the machine is. The first error is raised, and what has not begun by then is left out, as it is where
    the generator is closed.
    """
    threads = torch.get_num_threads()
    at_once = min(threads, len(items), threads if most is None else most)
    if at_once < 2:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what a thread sets, later ones begin with
