"""Put work on the queue, once what it needs is committed.

A broker that can't be reached loses nothing: the row waits, and the sweeper enqueues it again.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from catalog.models import Callback, Comparison, ImportRun, IndexGeneration, Leased, Search

if TYPE_CHECKING:
    from celery import Task

__all__ = [
    "activate_generation",
    "deliver_callback",
    "run_build",
    "run_comparison",
    "run_import",
    "run_search",
]

log = logging.getLogger(__name__)


def run_search(search: Search) -> None:
    from catalog import tasks

    _enqueue(tasks.run_search, search)


def run_import(run: ImportRun) -> None:
    from catalog import tasks

    _enqueue(tasks.run_import, run)


def run_build(generation: IndexGeneration) -> None:
    from catalog import tasks

    _enqueue(tasks.run_build, generation)


def run_comparison(comparison: Comparison) -> None:
    from catalog import tasks

    _enqueue(tasks.run_comparison, comparison)


def activate_generation(generation: IndexGeneration) -> None:
    from catalog import tasks

    generation.activation_asked_at = timezone.now()
    generation.save(update_fields=["activation_asked_at"])
    transaction.on_commit(partial(_send, tasks.activate_generation, generation.pk))


def deliver_callback(callback: Callback) -> None:
    from catalog import tasks

    _enqueue(tasks.deliver_callback, callback)


def _enqueue(task: Task, row: Leased) -> None:
    row.enqueued_at = timezone.now()
    row.save(update_fields=["enqueued_at"])
    transaction.on_commit(partial(_send, task, row.pk))


def _send(task: Task, pk: int) -> None:
    try:
        task.apply_async((pk,), retry=False)
    except (OperationalError, OSError):
        log.exception("the queue can't be reached; the sweeper will try %s(%s) again", task.name, pk)
