"""What every answer carries, and what no request may be."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

__all__ = ["BodyLimit", "SecurityHeaders"]

Handler = Callable[[HttpRequest], HttpResponse]

_FORM_BYTES = 64 * 1024  # of a request's other fields


class SecurityHeaders:
    """Only our own scripts, styles and pictures; `blob:` and `data:` for photos that are shown at once.

    The admin's theme and the API's page have inline scripts of their own.
    """

    POLICY = (
        "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' blob: data:; "
        "style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )
    RELAXED = POLICY + "; script-src 'self' 'unsafe-inline' 'unsafe-eval'"

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        is_relaxed = request.path.startswith(("/admin/", "/api/"))
        response.headers.setdefault("Content-Security-Policy", self.RELAXED if is_relaxed else self.POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(self), geolocation=(), microphone=()")
        return response


class BodyLimit:
    """Refuse a body that can't be within the limits before any of it is read."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response
        self._limit = settings.UPLOAD_PHOTOS * settings.UPLOAD_PHOTO_BYTES + _FORM_BYTES

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        is_catalog = request.path == "/api/v1/imports"
        if length > (settings.UPLOAD_CATALOG_BYTES if is_catalog else self._limit):
            limit = settings.UPLOAD_PHOTO_BYTES // 2**20
            most = f"{settings.UPLOAD_PHOTOS} photos of {limit} MB"
            if is_catalog:
                most = f"{settings.UPLOAD_CATALOG_BYTES // 2**20} MB, or import from a path on the server"
            detail = f"the request has {length // 2**20} MB; send at most {most}"
            body = {"type": "about:blank", "title": "Too large", "status": 413, "detail": detail}
            return JsonResponse(body, status=413, content_type="application/problem+json")
        return self._get_response(request)
