"""Pages for what is not there and what went wrong; problems, where a program asked."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views import defaults

from webapp.api.problems import problem

__all__ = ["failed", "not_found", "refused"]


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem(
            404, gettext("there is nothing at %(path)s") % {"path": request.path[:200]}, "not_found"
        )
    return defaults.page_not_found(request, exception)


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django itself refuses: too many files or fields, a host that is not ours."""
    if request.path.startswith("/api/"):
        return problem(
            400,
            gettext("the request can't be read: %(reason)s") % {"reason": str(exception)[:300]},
            "bad_request",
        )
    return defaults.bad_request(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem(500, gettext("something went wrong here; the log has it. Try again later"), "error")
    return defaults.server_error(request)
