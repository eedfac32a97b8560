"""What every answer carries, and what no request may be."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language_from_request, gettext, override

from catalog.errors import MediaDown, StorageFull
from webapp.api.problems import known
from webapp.limits import seconds_to_wait
from webapp.metrics import REQUESTS, SECONDS

__all__ = ["BodyLimit", "LoginLimit", "Measured", "Outages", "SecurityHeaders"]

Handler = Callable[[HttpRequest], HttpResponse]

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_FORM_BYTES = 64 * 1024  # of a request's other fields


class Measured:
    """Counts what was answered, and how long it took, by the view's name: few, whatever is asked for."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        start = time.perf_counter()
        response = self._get_response(request)
        match = request.resolver_match
        view = match.view_name if match else "none"
        method = request.method if request.method in _METHODS else "other"
        REQUESTS.labels(method, view, response.status_code).inc()
        SECONDS.labels(view).observe(time.perf_counter() - start)
        return response


class SecurityHeaders:
    """Only our own scripts, styles and pictures; `blob:` and `data:` for photos that are shown at once.

    No page has a script or a style in its text, so nothing needs a nonce, and one that gets in is not run.
    The admin's theme has styles in its text, and attributes that its script (Alpine) evaluates; its scripts
    too come from files of ours alone.
    """

    POLICY = (
        "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' blob: data:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    ADMIN = POLICY + "; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
    API_PAGE = POLICY + "; style-src 'self' 'unsafe-inline'"

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        response.headers.setdefault("Content-Security-Policy", self._policy(request.path))
        response.headers.setdefault("Permissions-Policy", "camera=(self), geolocation=(), microphone=()")
        return response

    def _policy(self, path: str) -> str:
        if path.startswith("/admin/"):
            return self.ADMIN
        return self.API_PAGE if path == "/api/v1/docs" else self.POLICY


class Outages:
    """A file that can't be had now, whatever page it is for: said as it is, and asked for again later."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return known(exception) if isinstance(exception, (MediaDown, StorageFull)) else None


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
            detail = _too_long(request, length, is_catalog=is_catalog)
            body = {"type": "about:blank", "title": "Too large", "status": 413, "detail": detail}
            return JsonResponse(body, status=413, content_type="application/problem+json")
        return self._get_response(request)


def _too_long(request: HttpRequest, length: int, *, is_catalog: bool) -> str:
    """In the request's language: nothing has chosen one this early."""
    sent, photo, catalog = (
        size // 2**20 for size in (length, settings.UPLOAD_PHOTO_BYTES, settings.UPLOAD_CATALOG_BYTES)
    )
    if is_catalog:
        return f"the request has {sent} MB; send at most {catalog} MB, or import from a path on the server"
    with override(get_language_from_request(request)):
        return gettext("the request has %(sent)s MB; send at most %(n)s photos of %(most)s MB") % {
            "sent": sent,
            "n": settings.UPLOAD_PHOTOS,
            "most": photo,
        }


class LoginLimit:
    """Passwords can't be guessed by trying: so many an address and minute, right or wrong."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_form = request.method == "POST" and request.path == "/admin/login/"
        is_basic = request.headers.get("Authorization", "")[:6].casefold() == "basic "
        wait = seconds_to_wait(request, "login", settings.SHAPELENS_LOGIN_RATE) if is_form else 0
        if is_basic:
            wait = seconds_to_wait(request, "basic", settings.SHAPELENS_BASIC_RATE)
        if wait:
            detail = f"too many passwords from your address; wait {wait} seconds"
            body = {"type": "too_many", "title": "Too many requests", "status": 429, "detail": detail}
            headers = {"Retry-After": str(wait)}
            return JsonResponse(body, status=429, content_type="application/problem+json", headers=headers)
        return self._get_response(request)
