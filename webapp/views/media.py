"""Derived files of models, photos, samples. A model's address holds its hash: it may be kept for ever."""

from __future__ import annotations

import io
import mimetypes
import os
import re
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import http_date, quote_etag
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from catalog import media, selectors, storage
from catalog.services import sharing

__all__ = ["asset_file", "photo", "sample", "shared_photo"]

mimetypes.add_type("model/gltf-binary", ".glb")
_FOREVER = "public, max-age=31536000, immutable"
_VIEW = re.compile(r"views/(\d{1,4})\.jpg")
_ORIGINAL = "original.zip"
_VIEWER = "viewer.glb"
_PLAIN = {"model.glb", "thumbnail.jpg", "views.jpg"}


@require_safe
def asset_file(request: HttpRequest, asset_hash: str, name: str) -> HttpResponseBase:
    try:
        folder = storage.asset_directory(asset_hash)
    except ValueError as error:
        raise Http404(gettext("there is no such model")) from error
    if name == _VIEWER:
        return _viewer_model(request, folder)
    if view := _VIEW.fullmatch(name):
        return _file(request, _view(asset_hash, int(view[1])), _FOREVER)
    if name not in _PLAIN and not (name == _ORIGINAL and selectors.is_open(asset_hash)):
        raise Http404(gettext("there is no such file of a model"))
    return _file(request, media.fetch(folder / name), _FOREVER)


@require_safe
def photo(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    path = selectors.stored_photo(uuid)
    if path is None:
        raise Http404(gettext("there is no such photo; it may have been deleted"))
    return _photo(request, path, "private, max-age=86400")


@require_safe
def shared_photo(request: HttpRequest, token: str) -> HttpResponseBase:
    """By the share's key, so that the photo's own is told to nobody."""
    share = sharing.shared(token)
    row = share and share.search.photos.select_related("photo").filter(position=share.photo_index).first()
    path = selectors.stored_photo(row.photo.uuid) if row else None
    if path is None:
        raise Http404(gettext("this link has expired or was deleted"))
    return _photo(request, path, "private, no-store")


@require_safe
def sample(request: HttpRequest, name: str) -> HttpResponseBase:
    path = selectors.sample_file(name)
    if path is None:
        raise Http404(gettext("there is no such sample photo"))
    return _file(request, path, "public, max-age=3600")


def _file(request: HttpRequest, path: Path, cache: str) -> HttpResponseBase:
    """The file; 304 to whoever has it already."""
    try:
        handle = path.open("rb")
    except OSError as error:
        raise Http404(gettext("the file is not there")) from error
    stat = os.fstat(handle.fileno())
    return _answer(request, handle, path.name, stat.st_size, stat.st_mtime_ns, cache)


def _photo(request: HttpRequest, path: Path, cache: str) -> HttpResponseBase:
    """A photo, from wherever photos are kept."""
    try:
        kept = media.read_photo(path)
    except OSError as error:
        raise Http404(gettext("the file is not there")) from error
    return _answer(request, io.BytesIO(kept.data), path.name, len(kept.data), kept.changed_ns, cache)


def _answer(
    request: HttpRequest, content: BinaryIO, name: str, size: int, changed_ns: int, cache: str
) -> HttpResponseBase:
    etag, changed = quote_etag(f"{changed_ns:x}-{size:x}"), changed_ns // 10**9
    response: HttpResponseBase = FileResponse(content, filename=name)
    response["ETag"], response["Last-Modified"] = etag, http_date(changed)
    known = get_conditional_response(request, etag=etag, last_modified=changed, response=response)
    if known is not response:
        response.close()
        response = known
    response["Cache-Control"] = cache
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _viewer_model(request: HttpRequest, folder: Path) -> HttpResponseBase:
    """The model as light as it was made; whole for a model without a lighter file, or a client without gzip."""
    packed = folder / f"{_VIEWER}.gz"
    is_packed = "gzip" in request.headers.get("Accept-Encoding", "") and media.fetch(packed).exists()
    response = _file(request, packed if is_packed else media.fetch(folder / "model.glb"), _FOREVER)
    response["Content-Type"] = "model/gltf-binary"
    patch_vary_headers(response, ["Accept-Encoding"])
    if is_packed:
        response["Content-Encoding"] = "gzip"
        with packed.open("rb") as file:
            file.seek(-4, os.SEEK_END)  # gzip ends with the length of what it holds
            response["X-File-Size"] = str(int.from_bytes(file.read(4), "little"))  # three.js: share loaded
    return response


def _view(asset_hash: str, k: int) -> Path:
    """View k in its true proportions, cut from the sheet the first time."""
    made = storage.cached_views(asset_hash) / f"{k}.jpg"
    if not made.exists():
        picture = selectors.view_picture(media.asset_files(asset_hash, "views.npz", "views.jpg"), k)
        if picture is None:
            raise Http404(gettext("there is no such view"))
        storage.write_atomically(made, picture)
    return made
