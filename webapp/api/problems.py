"""Errors as problem JSON (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from catalog.errors import BadBox, BadPhoto, Busy, NoIndex, NotPossible, ShapelensError

__all__ = ["add_handlers", "problem"]

_STATUS: dict[type[ShapelensError], int] = {
    BadPhoto: 422,
    BadBox: 422,
    NotPossible: 422,
    NoIndex: 503,
    Busy: 503,
}


def problem(status: int, detail: str, code: str = "about:blank", **more: Any) -> JsonResponse:
    body = {"type": code, "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "30"
    return response


def add_handlers(api: NinjaAPI) -> None:
    """Every error of the API leaves as a problem."""

    @api.exception_handler(ShapelensError)
    def _known(_: HttpRequest, error: ShapelensError) -> HttpResponse:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 422)
        return problem(status, str(error), error.code)

    @api.exception_handler(ValidationError)
    def _invalid(_: HttpRequest, error: ValidationError) -> HttpResponse:
        first = error.errors[0]
        place = ".".join(str(part) for part in first.get("loc", ())[1:]) or "the request"
        return problem(422, f"{place}: {first.get('msg', 'is not valid')}", "invalid", errors=error.errors)

    @api.exception_handler(HttpError)
    def _http(_: HttpRequest, error: HttpError) -> HttpResponse:
        return problem(error.status_code, str(error))

    @api.exception_handler(Http404)
    def _missing(_: HttpRequest, error: Http404) -> HttpResponse:
        return problem(404, str(error) or "there is nothing at this address", "not_found")
