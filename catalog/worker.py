"""What a worker does beside its tasks: load the network and the index before the first, say that it is
there, and keep what it gave up.

The network is loaded in the child that searches: after the fork, never before it. One loaded in the parent
may hang its children.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import current_app
from celery.signals import task_failure, worker_process_init, worker_ready, worker_shutdown
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from catalog.errors import ShapelensError

__all__ = ["keep_failure", "warm_up"]

log = logging.getLogger(__name__)

_FORGOTTEN_SECONDS = 24 * 3600.0  # a worker silent that long has no row any more
_stopped = threading.Event()


@worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Open the active index, if this worker takes searches and there is one."""
    if "search" not in current_app.amqp.queues.consume_from:
        return
    from catalog import engine
    from catalog.services import indexing

    started = time.monotonic()
    try:
        generation = indexing.active_generation()
        engine.warm(indexing.folders(generation))
    except (ShapelensError, OSError) as error:  # the searches will say it to whoever asks
        log.warning("nothing to warm up with: %s", error)
    else:
        log.info("index %s is open after %.1f s", generation.pk, time.monotonic() - started)


# ---- signs of life ------------------------------------------------------------------------


@worker_ready.connect
def _begin_heartbeat(sender: Any, **_: Any) -> None:
    """In the process that takes messages; its queues are read once, they never change."""
    _stopped.clear()
    queues = sorted(current_app.amqp.queues.consume_from)
    threading.Thread(target=_beat, args=(str(sender.hostname), queues), name="heartbeat", daemon=True).start()


@worker_shutdown.connect
def _end_heartbeat(sender: Any, **_: Any) -> None:
    from catalog.models import WorkerHeartbeat

    _stopped.set()
    try:
        WorkerHeartbeat.objects.filter(name=str(getattr(sender, "hostname", ""))).delete()
    except DatabaseError:
        log.warning("the database is gone; this worker's sign of life fades by itself")


def _beat(name: str, queues: list[str]) -> None:
    from catalog.models import WorkerHeartbeat
    from catalog.services import leases

    started, process = timezone.now(), leases.self_owner()
    while True:
        now = timezone.now()
        values = {
            "process": process,
            "queues": queues,
            "memory_bytes": _memory(),
            "started_at": started,
            "seen_at": now,
        }
        try:
            WorkerHeartbeat.objects.update_or_create(name=name, defaults=values)
            long_ago = now - timedelta(seconds=_FORGOTTEN_SECONDS)
            WorkerHeartbeat.objects.filter(seen_at__lt=long_ago).delete()
        except DatabaseError as error:
            log.warning("no sign of life: %s", error)
        finally:
            connection.close()  # children forked from here must not share it
        if _stopped.wait(settings.SHAPELENS_HEARTBEAT_SECONDS):
            return


def _memory() -> int:
    """Resident bytes of this process and its children; what they share is counted in each."""
    total = 0
    try:
        tasks = Path("/proc/self/task").glob("*/children")
        children = [pid for listed in tasks for pid in listed.read_text().split()]
        for pid in ("self", *children):
            pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
            total += int(pages) * 4096
    except (OSError, IndexError):
        pass
    return total


# ---- failures -----------------------------------------------------------------------------


@task_failure.connect
def keep_failure(sender: Any, args: tuple[Any, ...], exception: BaseException, einfo: Any, **_: Any) -> None:
    """After the last retry: for staff to see, and to run again."""
    if len(args) != 1 or not isinstance(args[0], int):
        return  # housekeeping, which comes again by itself
    from catalog.services import deadletters

    reason = f"{type(exception).__name__}: {exception}"
    try:
        with transaction.atomic():
            deadletters.bury(sender.name, args[0], reason, traceback=str(einfo.traceback))
    except DatabaseError:
        log.exception("%s(%s) failed, and could not be kept: %s", sender.name, args[0], reason)
