"""Where a search's seconds go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Clock", "timed"]

Clock = dict[str, float]
"""Seconds by stage."""


@contextmanager
def timed(clock: Clock, name: str) -> Iterator[None]:
    """Add the seconds spent inside to the clock's entry."""
    start = time.perf_counter()
    try:
        yield
    finally:
        clock[name] = clock.get(name, 0.0) + time.perf_counter() - start
