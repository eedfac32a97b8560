"""Errors as problem JSON (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language, gettext
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from catalog.errors import (
    BadBox,
    BadPhoto,
    Busy,
    Conflict,
    MediaDown,
    NoIndex,
    NotPossible,
    ShapelensError,
    StorageFull,
)
from webapp.api.schemas import Problem

__all__ = ["ProblemAPI", "TooMany", "add_handlers", "known", "problem"]

_STATUS: dict[type[ShapelensError], int] = {
    BadPhoto: 422,
    BadBox: 422,
    NotPossible: 422,
    Conflict: 409,
    NoIndex: 503,
    Busy: 503,
    MediaDown: 503,
    StorageFull: 507,
}


class TooMany(HttpError):
    """More requests than an address may send. seconds: until it may again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            429, gettext("too many searches from your address; wait %(n)s seconds") % {"n": seconds}
        )
        self.seconds = seconds


class ProblemAPI(NinjaAPI):
    """Its description says that any address may answer with a problem."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"]["default"] = {"description": "A problem", "content": content}
        return schema


def problem(status: int, detail: str, code: str = "about:blank", **more: Any) -> JsonResponse:
    body = {"type": code, "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "30"
    return response


def known(error: ShapelensError) -> JsonResponse:
    """What went wrong, as it was said for a person."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 422)
    return problem(status, str(error), error.code)


def add_handlers(api: NinjaAPI) -> None:
    """Every error of the API leaves as a problem."""

    @api.exception_handler(ShapelensError)
    def _known(_: HttpRequest, error: ShapelensError) -> HttpResponse:
        return known(error)

    @api.exception_handler(ValidationError)
    def _invalid(_: HttpRequest, error: ValidationError) -> HttpResponse:
        first = error.errors[0]
        place = ".".join(str(part) for part in first.get("loc", ())[1:]) or "the request"
        detail = f"{place}: {first.get('msg', 'is not valid')}"
        if not (get_language() or "en").startswith("en"):  # the library's own sentence is English
            detail = gettext("%(field)s is not valid") % {"field": place}
        return problem(422, detail, "invalid", errors=error.errors)

    @api.exception_handler(AuthenticationError)
    def _unknown(_: HttpRequest, error: AuthenticationError) -> HttpResponse:
        detail = "sign in as a member of staff: an API token as bearer, HTTP basic authentication, or the admin's session"
        response = problem(401, detail, "not_signed_in")
        response["WWW-Authenticate"] = 'Basic realm="Shapelens"'
        return response

    @api.exception_handler(TooMany)
    def _too_many(_: HttpRequest, error: TooMany) -> HttpResponse:
        response = problem(429, str(error), "too_many")
        response["Retry-After"] = str(error.seconds)
        return response

    @api.exception_handler(HttpError)
    def _http(_: HttpRequest, error: HttpError) -> HttpResponse:
        return problem(error.status_code, str(error))

    @api.exception_handler(Http404)
    def _missing(_: HttpRequest, error: Http404) -> HttpResponse:
        return problem(404, str(error) or gettext("there is nothing at this address"), "not_found")
