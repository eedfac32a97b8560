"""What workers run: an id in, one service call."""

from __future__ import annotations

from celery import shared_task

from catalog.errors import MediaDown
from catalog.services import callbacks, comparing, importing, indexing, leases, searching, sweeping, tidying

__all__ = [
    "activate_generation",
    "deliver_callback",
    "run_build",
    "run_comparison",
    "run_import",
    "run_search",
    "sweep",
    "tidy",
]

_RETRIED = {
    "autoretry_for": (*leases.DATABASE_GONE, MediaDown),
    "retry_backoff": 2,  # seconds, doubled each time
    "retry_backoff_max": 60,
    "max_retries": 6,  # two minutes in all; then the sweeper
}


@shared_task(soft_time_limit=60, time_limit=90, **_RETRIED)
def run_search(search_id: int) -> None:
    searching.run_search(search_id)


@shared_task(**_RETRIED)
def run_import(run_id: int) -> None:
    importing.run_import(run_id)


@shared_task(**_RETRIED)
def run_build(generation_id: int) -> None:
    indexing.run_build(generation_id)


@shared_task(**_RETRIED)
def run_comparison(comparison_id: int) -> None:
    comparing.run_comparison(comparison_id)


@shared_task(**_RETRIED)
def activate_generation(generation_id: int) -> None:
    indexing.activate(generation_id)


@shared_task(soft_time_limit=30, time_limit=60, **_RETRIED)
def deliver_callback(callback_id: int) -> None:
    callbacks.deliver(callback_id)


@shared_task(ignore_result=True)
def sweep() -> None:
    sweeping.sweep()


@shared_task(ignore_result=True)
def tidy() -> None:
    tidying.tidy()
