"""Leases: one process works on a row at a time; when it dies, another may take over.

A lease is a conditional UPDATE, so two processes can't both get it. It is renewed by a thread
while the work runs, and every write of a result is conditional on still holding it (`Lease.write`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from catalog.models import Leased

__all__ = [
    "DATABASE_GONE",
    "Lease",
    "LeaseLost",
    "abandoned",
    "claim",
    "excuse",
    "holding",
    "is_dead",
    "renew",
    "self_owner",
]

log = logging.getLogger(__name__)

DATABASE_GONE = (OperationalError, InterfaceError)
"""Its server ended or was not there: not the work's fault, which is tried again as it is."""

_IMPOSSIBLE = timedelta(minutes=10)
"""No lease lasts so long: one that seems to was taken before the clock was put back."""

_RETURN_TRIES = 20
_RETURN_SECONDS = 0.5


class LeaseLost(Exception):
    """The row was cancelled, finished, or taken over by another process."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A held row. seconds: how long it lasts without being renewed."""

    model: type[Leased]
    pk: int
    owner: str
    seconds: float

    def rows(self) -> QuerySet[Any]:
        """The row, while it is still ours."""
        return self.model._default_manager.filter(pk=self.pk, lease_owner=self.owner)

    def write(self, **values: Any) -> None:
        """Update the row if it is still ours. Raises LeaseLost."""
        if not self.rows().update(**values):
            raise LeaseLost(f"{self.model.__name__} {self.pk} is no longer ours")


def self_owner() -> str:
    """Names this process, and one piece of its work: host/process namespace/pid/nonce.

    The namespace tells two containers that share a host name apart.
    """
    return f"{_place()}/{os.getpid()}/{uuid.uuid4().hex[:12]}"


def claim(rows: QuerySet[Any], pk: int, seconds: float, **values: Any) -> Lease | None:
    """Take the row if it is among `rows` and nobody alive holds it; None otherwise.

    Counts the attempt and writes `values` with it.
    """
    owner = self_owner()
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now) | Q(lease_until__gt=now + _IMPOSSIBLE)
    holder = rows.filter(pk=pk).values_list("lease_owner", flat=True).first()
    if holder and is_dead(holder):
        free |= Q(lease_owner=holder)
    taken = (
        rows.filter(free, pk=pk)
        .order_by()
        .update(
            lease_owner=owner,
            lease_until=now + timedelta(seconds=seconds),
            attempts=F("attempts") + 1,
            **values,
        )
    )
    return Lease(rows.model, pk, owner, seconds) if taken else None


def excuse(lease: Lease) -> None:
    """The attempt doesn't count: what it needed was away, and comes back."""
    lease.rows().update(attempts=F("attempts") - 1)


def renew(lease: Lease) -> bool:
    """False where the row is no longer ours."""
    until = timezone.now() + timedelta(seconds=lease.seconds)
    return bool(lease.rows().update(lease_until=until))


@contextlib.contextmanager
def holding(lease: Lease) -> Iterator[Lease]:
    """Renew the lease in the background, and give it back in the end whatever happened."""
    finished = threading.Event()
    thread = threading.Thread(target=_keep_renewing, args=(lease, finished), name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        finished.set()
        thread.join()
        _give_back(lease)


def abandoned(rows: QuerySet[Any]) -> list[int]:
    """Ids of rows whose lease ran out, or whose holder on this machine has died."""
    now = timezone.now()
    found = []
    for pk, owner, until in rows.exclude(lease_until=None).values_list("pk", "lease_owner", "lease_until"):
        if not now <= until <= now + _IMPOSSIBLE or is_dead(owner):
            found.append(pk)
    return found


def _give_back(lease: Lease) -> None:
    """Also where the database is being restarted; one that can't be given back runs out."""
    for _ in range(_RETURN_TRIES):
        try:
            lease.rows().update(lease_owner="", lease_until=None)
        except DATABASE_GONE:
            connection.close()
            time.sleep(_RETURN_SECONDS)
        except DatabaseError:  # inside a transaction that failed
            return
        else:
            return


def _keep_renewing(lease: Lease, finished: threading.Event) -> None:
    try:
        while not finished.wait(lease.seconds / 4):
            try:
                if not renew(lease):
                    return
            except DatabaseError:  # the next beat tries again; three may fail before the lease does
                log.warning("a lease could not be renewed", exc_info=True)
                connection.close()
    finally:
        connection.close()


def is_dead(owner: str) -> bool:
    """True only where the holder ran here and its process is gone."""
    place, _, rest = owner.rpartition("/")[0].rpartition("/")
    if place != _place() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _place() -> str:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = "-"
    return f"{socket.gethostname()}/{namespace}"
