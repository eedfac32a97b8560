"""What workers run: an id in, one service call."""

from __future__ import annotations

from celery import shared_task
from django.db import OperationalError

from catalog.services import importing, indexing

__all__ = ["activate_generation", "run_build", "run_import"]

_RETRIED = {"autoretry_for": (OperationalError,), "retry_backoff": True, "max_retries": 3}


@shared_task(**_RETRIED)
def run_import(run_id: int) -> None:
    importing.run_import(run_id)


@shared_task(**_RETRIED)
def run_build(generation_id: int) -> None:
    indexing.run_build(generation_id)


@shared_task(**_RETRIED)
def activate_generation(generation_id: int) -> None:
    indexing.activate(generation_id)
