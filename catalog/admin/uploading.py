"""The other end of `tus-js-client`: pieces of a catalog, as requests (tus 1.0: creation, head, patch)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from catalog.errors import BadSource, Conflict, NotPossible, ShapelensError
from catalog.services import uploading

__all__ = ["create", "piece"]

VERSION = "1.0.0"
_PATCH = "application/offset+octet-stream"


def create(request: HttpRequest) -> HttpResponse:
    """POST: a new upload, its address in Location."""
    if request.method != "POST":
        return _answer(405, Allow="POST")
    try:
        size = int(request.headers.get("Upload-Length", ""))
    except ValueError:
        return _answer(400, "Upload-Length must say how many bytes the file has")
    try:
        upload = uploading.begin(_name(request.headers.get("Upload-Metadata", "")), size)
    except BadSource as error:
        return _answer(413, str(error))
    return _answer(201, Location=reverse("admin:catalog_importrun_upload", args=[upload.id]))


def piece(request: HttpRequest, upload_id: str) -> HttpResponse:
    """HEAD: how much is here. PATCH: the next piece."""
    try:
        if request.method == "HEAD":
            upload = uploading.open_upload(upload_id)
            return _answer(
                200,
                **{"Upload-Offset": upload.offset, "Upload-Length": upload.size, "Cache-Control": "no-store"},
            )
        if request.method != "PATCH":
            return _answer(405, Allow="HEAD, PATCH")
        if request.content_type != _PATCH:
            return _answer(415, f"a piece comes as {_PATCH}")
        offset = int(request.headers.get("Upload-Offset", ""))
        upload = uploading.append(upload_id, offset, request)  # a request reads like a file
    except NotPossible as error:
        return _answer(404, str(error))
    except Conflict as error:
        return _answer(409, str(error))
    except (ShapelensError, ValueError) as error:
        return _answer(400, str(error))
    return _answer(204, **{"Upload-Offset": upload.offset})


def _name(metadata: str) -> str:
    """Of 'filename <base64>,filetype <base64>'."""
    for part in metadata.split(","):
        key, _, value = part.strip().partition(" ")
        if key == "filename":
            try:
                return base64.b64decode(value, validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                break
    return "catalog"


def _answer(status: int, text: str = "", **headers: Any) -> HttpResponse:
    response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    response["Tus-Resumable"] = VERSION
    for name, value in headers.items():
        response[name] = str(value)
    return response
