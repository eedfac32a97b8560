"""For a supervisor, a load balancer, and Prometheus."""

from __future__ import annotations

import logging
import secrets
import time

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from kombu.exceptions import OperationalError

from catalog import bucket, operations
from catalog.models import ActiveGeneration
from webapp import metrics as counted
from webapp.limits import address_of

__all__ = ["live", "metrics", "ready"]

log = logging.getLogger(__name__)

_BROKER_EVERY = 3.0  # seconds an answer of the broker, or of the bucket, is believed
_BROKER_PATIENCE = 2.0  # seconds

_media = (float("-inf"), False)
_broker = (float("-inf"), False)


def live(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"live": True})


def ready(request: HttpRequest) -> HttpResponse:
    """Whether a search sent now would be answered: database, broker, an active index, a worker that takes
    searches, and the media bucket where one is configured, are there; 503 otherwise, saying which is not."""
    found = {"database": False, "broker": _has_broker(), "index": False, "worker": False}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found["database"] = True
        found["index"] = ActiveGeneration.objects.exists()
        found["worker"] = operations.has_worker("search")
    except DatabaseError as error:
        log.warning("not ready: %s", error)
    if bucket.is_configured():
        found["media"] = _has_media()
    return JsonResponse(found, status=200 if all(found.values()) else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' figures, for who has the token; without one set, for processes of this machine."""
    if not _may_measure(request):
        raise Http404("there is nothing here")
    return HttpResponse(counted.text(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _may_measure(request: HttpRequest) -> bool:
    if settings.SHAPELENS_METRICS_TOKEN:
        sent = request.headers.get("Authorization", "")
        return secrets.compare_digest(sent.encode(), f"Bearer {settings.SHAPELENS_METRICS_TOKEN}".encode())
    is_forwarded = "X-Forwarded-For" in request.headers
    return not is_forwarded and address_of(request) in {"127.0.0.1", "::1"}


def _has_media() -> bool:
    global _media
    asked, answer = _media
    if time.monotonic() - asked >= _BROKER_EVERY:
        answer = bucket.answers()
        _media = (time.monotonic(), answer)
    return answer


def _has_broker() -> bool:
    global _broker
    asked, answer = _broker
    if time.monotonic() - asked < _BROKER_EVERY:
        return answer
    try:
        with current_app.connection_for_write(connect_timeout=_BROKER_PATIENCE) as broker:
            broker.ensure_connection(max_retries=1, timeout=_BROKER_PATIENCE)
        answer = True
    except (OperationalError, OSError) as error:
        log.warning("the broker does not answer: %s", error)
        answer = False
    _broker = (time.monotonic(), answer)
    return answer
