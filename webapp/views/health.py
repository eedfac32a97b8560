"""For a supervisor or a load balancer."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from catalog.models import ActiveGeneration

__all__ = ["live", "ready"]


def live(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"live": True})


def ready(request: HttpRequest) -> HttpResponse:
    """The database answers and an index is active; 503 otherwise."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        has_index = ActiveGeneration.objects.exists()
    except DatabaseError:
        return JsonResponse({"database": False, "index": False}, status=503)
    return JsonResponse({"database": True, "index": has_index}, status=200 if has_index else 503)
