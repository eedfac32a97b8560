"""Work that was given up: kept with its reason, and done again when a person says so."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils import timezone
from django_guid import get_guid

from catalog import jobs
from catalog.errors import NotPossible
from catalog.models import Callback, DeadLetter, ImportRun, IndexGeneration, Search

__all__ = ["bury", "rerun"]

log = logging.getLogger(__name__)

_FRESH = {"lease_owner": "", "lease_until": None, "attempts": 0}
_SEARCH, _IMPORT = "catalog.tasks.run_search", "catalog.tasks.run_import"
_BUILD, _CALLBACK = "catalog.tasks.run_build", "catalog.tasks.deliver_callback"


def bury(task: str, row: int, reason: str, traceback: str = "") -> None:
    """Keep it for staff; the same work given up again before anybody looked is one letter, with the last reason."""
    log.error("gave up %s(%s): %s", task, row, reason)
    values = {
        "reason": reason,
        "traceback": traceback,
        "request": get_guid() or "",
        "failed_at": timezone.now(),
    }
    DeadLetter.objects.update_or_create(task=task, row=row, rerun_at=None, defaults=values)


def rerun(letter: DeadLetter, by: str) -> None:
    """Put the work on the queue again, from the start. Raises NotPossible."""
    with transaction.atomic():
        row = DeadLetter.objects.select_for_update().filter(pk=letter.pk, rerun_at=None).first()
        if row is None:
            raise NotPossible(f"{letter} was run again already")
        row.rerun_at, row.rerun_by = timezone.now(), by[:150]
        row.save(update_fields=["rerun_at", "rerun_by"])
        _enqueue(letter)


def _enqueue(letter: DeadLetter) -> None:
    if letter.task == _SEARCH:
        _again(Search, letter, {"state": Search.State.QUEUED, "error_code": "", "error_message": ""})
        jobs.run_search(Search.objects.get(pk=letter.row))
    elif letter.task == _IMPORT:
        _again(ImportRun, letter, {"state": ImportRun.State.QUEUED, "error": ""})
        jobs.run_import(ImportRun.objects.get(pk=letter.row))
    elif letter.task == _BUILD:
        _again(IndexGeneration, letter, {"status": IndexGeneration.Status.QUEUED, "error": ""})
        jobs.run_build(IndexGeneration.objects.get(pk=letter.row))
    elif letter.task == _CALLBACK:
        rows = Callback.objects.filter(pk=letter.row)
        if not rows.update(state=Callback.State.WAITING, due_at=None, enqueued_at=None, **_FRESH):
            raise NotPossible(f"{letter} can't be run again: its search was deleted")
        jobs.deliver_callback(Callback.objects.get(pk=letter.row))
    else:
        raise NotPossible(f"{letter} can't be run again from here")


def _again(
    model: type[Search | ImportRun | IndexGeneration], letter: DeadLetter, values: dict[str, str]
) -> None:
    """Only what has failed begins anew; what was done meanwhile, or deleted, stays as it is."""
    field = "status" if model is IndexGeneration else "state"
    rows = model._default_manager.filter(pk=letter.row, **{f"{field}__in": ["failed", "queued"]})
    if not rows.update(finished_at=None, **values, **_FRESH):
        raise NotPossible(f"{letter} can't be run again: it was done meanwhile, or deleted")
