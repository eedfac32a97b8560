"""What a dead worker held, or a lost message asked for, is put on the queue again, or ended with a reason."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from catalog import jobs
from catalog.models import Comparison, ImportRun, IndexGeneration, Search
from catalog.services import callbacks, comparing, deadletters, importing, indexing, leases, searching

__all__ = ["sweep"]

log = logging.getLogger(__name__)

STALE_LEASES = 3  # a search's message not taken for as many leases may have been lost
STALE_ACTIVATION = timedelta(seconds=30)  # twice the time to read a million views
STALE_JOB = timedelta(minutes=10)

_GAVE_UP = "the worker died {n} times while working on it; the log has the cause. Try it again."


def sweep() -> int:
    """How many rows were enqueued again or ended."""
    return _searches() + _imports() + _builds() + _activations() + _comparisons() + _callbacks()


def _searches() -> int:
    unfinished = Search.objects.filter(state__in=Search.UNFINISHED)
    touched = 0
    for pk in leases.abandoned(unfinished):
        search = Search.objects.get(pk=pk)
        touched += 1
        if search.attempts >= searching.MAX_ATTEMPTS:
            _give_up_search(search)
            continue
        log.warning("search %s lost its worker; it goes back on the queue", pk)
        freed = unfinished.filter(pk=pk, lease_owner=search.lease_owner).update(
            state=Search.State.QUEUED, lease_owner="", lease_until=None
        )
        if freed:
            search.refresh_from_db()
            jobs.run_search(search)
    idle = unfinished.filter(lease_until=None)
    for search in idle.filter(attempts__gte=searching.MAX_ATTEMPTS):
        _give_up_search(search)
        touched += 1
    for search in idle.filter(
        _since(STALE_LEASES * timedelta(seconds=settings.SHAPELENS_LEASE_SECONDS)),
        attempts__lt=searching.MAX_ATTEMPTS,
    ):
        jobs.run_search(search)
        touched += 1
    return touched


def _give_up_search(search: Search) -> None:
    reason = _GAVE_UP.format(n=search.attempts)
    searching.fail_search(search.pk, "worker_died", reason)
    deadletters.bury("catalog.tasks.run_search", search.pk, reason)


def _imports() -> int:
    unfinished = ImportRun.objects.filter(state__in=[ImportRun.State.QUEUED, ImportRun.State.RUNNING])
    touched = 0
    for run in unfinished.filter(pk__in=leases.abandoned(unfinished)):
        touched += 1
        if run.attempts >= importing.MAX_ATTEMPTS:
            unfinished.filter(pk=run.pk).update(
                state=ImportRun.State.FAILED,
                error=_GAVE_UP.format(n=run.attempts),
                finished_at=timezone.now(),
                lease_owner="",
                lease_until=None,
            )
            deadletters.bury("catalog.tasks.run_import", run.pk, _GAVE_UP.format(n=run.attempts))
        else:
            log.warning("import %s lost its worker; it goes on where it stood", run.pk)
            jobs.run_import(run)
    for run in unfinished.filter(_since(STALE_JOB), lease_until=None, attempts__lt=importing.MAX_ATTEMPTS)[
        :1
    ]:
        jobs.run_import(run)
        touched += 1
    return touched


def _builds() -> int:
    status = IndexGeneration.Status
    unfinished = IndexGeneration.objects.filter(status__in=[status.QUEUED, status.BUILDING])
    touched = 0
    for build in unfinished.filter(pk__in=leases.abandoned(unfinished)):
        touched += 1
        if build.attempts >= indexing.MAX_ATTEMPTS:
            unfinished.filter(pk=build.pk).update(
                status=status.FAILED,
                error=_GAVE_UP.format(n=build.attempts),
                finished_at=timezone.now(),
                lease_owner="",
                lease_until=None,
            )
            deadletters.bury("catalog.tasks.run_build", build.pk, _GAVE_UP.format(n=build.attempts))
        else:
            log.warning("index build %s lost its worker; it is built anew", build.pk)
            jobs.run_build(build)
    waiting = unfinished.filter(_since(STALE_JOB), lease_until=None, attempts__lt=indexing.MAX_ATTEMPTS)
    for build in waiting.order_by("pk")[:1]:
        jobs.run_build(build)
        touched += 1
    return touched


def _activations() -> int:
    """Asked for, and neither done nor refused: whoever verified it has died."""
    asked = IndexGeneration.objects.filter(
        status=IndexGeneration.Status.READY, activation_asked_at__lt=timezone.now() - STALE_ACTIVATION
    )
    for generation in asked:
        log.warning("index %s was to be activated; it is verified again", generation.pk)
        jobs.activate_generation(generation)
    return len(asked)


def _comparisons() -> int:
    state = Comparison.State
    unfinished = Comparison.objects.filter(state__in=[state.QUEUED, state.RUNNING])
    lost = unfinished.filter(pk__in=leases.abandoned(unfinished))
    unsent = unfinished.filter(_since(STALE_JOB), lease_until=None)
    touched = 0
    for row in lost | unsent:
        touched += 1
        if row.attempts >= comparing.MAX_ATTEMPTS:
            reason = _GAVE_UP.format(n=row.attempts)
            unfinished.filter(pk=row.pk).update(
                state=state.FAILED, error=reason, finished_at=timezone.now(), lease_owner="", lease_until=None
            )
        else:
            jobs.run_comparison(row)
    return touched


def _callbacks() -> int:
    waiting = callbacks.due()
    for callback in waiting:
        jobs.deliver_callback(callback)
    return len(waiting) + callbacks.give_up_lost()


def _since(age: timedelta) -> Q:
    """Rows whose message was sent that long ago, or never."""
    return Q(enqueued_at__isnull=True) | Q(enqueued_at__lt=timezone.now() - age)
