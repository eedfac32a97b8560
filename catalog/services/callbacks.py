"""Telling a client's server that its search has ended: signed, retried, and never to a host nobody allowed.

The message and its signature follow the Standard Webhooks specification, so that its libraries verify them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from catalog import jobs, selectors
from catalog.errors import NotPossible
from catalog.models import Callback, Search
from catalog.services import leases

__all__ = [
    "MAX_ATTEMPTS",
    "check_url",
    "deliver",
    "due",
    "give_up_lost",
    "notify",
    "request_callback",
    "signature",
]

log = logging.getLogger(__name__)

WAITS = (5, 30, 120, 600, 3600)  # seconds before each further try
MAX_ATTEMPTS = len(WAITS) + 1
TIMEOUT_SECONDS = 10.0
LEASE_SECONDS = 30.0

State = Callback.State


def check_url(url: str) -> str:
    """Raises NotPossible for an address that is none, or of a host that is not allowed."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NotPossible(f"the callback {url[:80]!r} is no http(s) address")
    if parts.hostname.casefold() not in settings.SHAPELENS_CALLBACK_HOSTS:
        raise NotPossible(
            f"callbacks to {parts.hostname} are not allowed here; whoever runs this server can add the host to "
            "SHAPELENS_CALLBACK_HOSTS; until then, poll the search's address"
        )
    return url


def request_callback(search: Search, url: str) -> Callback:
    """To be called inside the transaction that makes the search."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    return Callback.objects.create(search=search, url=check_url(url), secret=secret)


def notify(search_id: int) -> None:
    """The search has ended: tell whoever asked to be told."""
    callback = Callback.objects.filter(search=search_id, state=State.WAITING).first()
    if callback:
        jobs.deliver_callback(callback)


def due() -> list[Callback]:
    """Callbacks of ended searches whose time has come and that nobody delivers."""
    now = timezone.now()
    waiting = _to_be_tried().exclude(search__state__in=Search.UNFINISHED)
    due_now = Q(due_at=None) | Q(due_at__lte=now)
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    not_queued = Q(enqueued_at=None) | Q(enqueued_at__lt=now - timedelta(seconds=LEASE_SECONDS))
    return list(waiting.filter(due_now, free, not_queued).order_by("pk")[:200])


def give_up_lost() -> int:
    """Fail the callbacks whose worker died in their last try; how many there were."""
    lost = Callback.objects.filter(
        state=State.WAITING, attempts__gte=MAX_ATTEMPTS, lease_until__lt=timezone.now()
    )
    return lost.update(
        state=State.FAILED, error="the worker stopped in the last try; poll the search instead"
    )


def deliver(callback_id: int) -> None:
    """Try once; a failure is tried again later, at most MAX_ATTEMPTS times in all."""
    lease = leases.claim(_to_be_tried(), callback_id, LEASE_SECONDS)
    if lease is None:
        return
    with leases.holding(lease):
        callback = Callback.objects.select_related("search").get(pk=callback_id)
        problem = _post(callback)
        if not problem:
            lease.write(state=State.DELIVERED, delivered_at=timezone.now(), error="")
        elif callback.attempts >= MAX_ATTEMPTS:
            log.warning("gave up telling %s of search %s: %s", callback.url, callback.search_id, problem)
            lease.write(state=State.FAILED, error=problem)
        else:
            wait = timedelta(seconds=WAITS[callback.attempts - 1])
            lease.write(error=problem, due_at=timezone.now() + wait, enqueued_at=None)


def _to_be_tried() -> QuerySet[Callback]:
    return Callback.objects.filter(state=State.WAITING, attempts__lt=MAX_ATTEMPTS)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: HMAC-SHA256 over id, timestamp and body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _post(callback: Callback) -> str:
    """'' where it was taken, else what went wrong."""
    search = selectors.search_by_uuid(callback.search.uuid)
    assert search is not None
    now = timezone.now()
    message = {
        "type": f"search.{search.state}",
        "timestamp": now.isoformat(),
        "data": selectors.search_fields(search),
    }
    body = json.dumps(message).encode()
    message_id, timestamp = f"search-{search.uuid}", int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(callback.secret, message_id, timestamp, body),
    }
    try:
        check_url(callback.url)  # what is allowed may have changed
        answer = requests.post(
            callback.url,
            data=body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,
        )
        answer.close()
    except (requests.RequestException, NotPossible) as error:
        return str(error)[:500]
    return "" if answer.status_code < 300 else f"it answered {answer.status_code}"
