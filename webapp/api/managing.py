"""Addresses for those who manage catalogs: imports, tables of prices, the index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import File, Form, Router
from ninja.errors import HttpError
from ninja.files import UploadedFile
from ninja.security import HttpBasicAuth, HttpBearer, SessionAuthIsStaff

from catalog import jobs, media, selectors, storage
from catalog.errors import BadSource
from catalog.models import ApiToken, Catalog, ImportRun
from catalog.services import importing, indexing, tokens, updating
from webapp.api.schemas import (
    GenerationOut,
    ImportIn,
    ImportItemsOut,
    ImportOut,
    IndexOut,
    UpdateOut,
)

__all__ = ["router"]

ITEMS_A_PAGE = 100


class _Session(SessionAuthIsStaff):
    """The admin site's session; without its cookie nothing is asked of the request."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if self.param_name in request.COOKIES else None


class _Staff(HttpBasicAuth):
    """Name and password of a member of staff."""

    openapi_scheme = "basic"

    def authenticate(self, request: HttpRequest, username: str, password: str) -> Any:
        user = authenticate(request, username=username, password=password)
        if user is None or not getattr(user, "is_staff", False):
            return None
        request.user = user
        return user


class _Token(HttpBearer):
    """An API token, which never allows more than its user may."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        found = tokens.find(token)
        if found is None:
            return None
        request.user = found.user
        return found


router = Router(auth=[_Session(), _Staff(), _Token()], tags=["managing"])


def _allow(request: HttpRequest, permission: str) -> None:
    user = request.user
    if not isinstance(user, User) or not user.has_perm(f"catalog.{permission}"):
        raise HttpError(403, f"this needs the permission catalog.{permission}; ask an admin for it")
    token = request.auth  # type: ignore[attr-defined]
    if isinstance(token, ApiToken) and not tokens.may(token, permission):
        scope = token.get_scope_display()
        raise HttpError(403, f"this token is for: {scope}; {permission} needs a token with a wider scope")


# ---- imports ------------------------------------------------------------------------------


@router.post("/imports", response={202: ImportOut})
def start_import(
    request: HttpRequest,
    fields: Form[ImportIn],
    file: File[UploadedFile | None] = None,
    path: Form[str] = "",
) -> Any:
    """Import a catalog: a file that is sent (.zip, .sh3f or one model), or a path on the server."""
    _allow(request, "add_importrun")
    if (file is None) == (not path):
        raise BadSource("send either a file or the path of one on the server")
    if "\0" in path or "\0" in fields.name:
        raise BadSource("a name or path can't hold a zero byte")
    source = Path(path)
    if file is not None:
        media.keep(source := _kept(file))
    options = importing.ImportOptions(
        unit=fields.unit,
        up=f"+{fields.up}" if fields.up else "",
        front=fields.front,
        excluded_categories=tuple(fields.exclude_category),
        is_indexed_after=fields.builds_index,
    )
    with transaction.atomic():
        run = importing.request_import(source, name=fields.name[:120], options=options)
        jobs.run_import(run)
    return 202, selectors.import_fields(run)


@router.get("/imports/{int:pk}", response=ImportOut)
def import_state(request: HttpRequest, pk: int) -> Any:
    """How far an import is, and what it came to. Poll it."""
    _allow(request, "view_importrun")
    return selectors.import_fields(_run(pk))


@router.post("/imports/{int:pk}/cancel", response=ImportOut)
def cancel_import(request: HttpRequest, pk: int) -> Any:
    """Stop at the next file; what came in stays."""
    _allow(request, "add_importrun")
    importing.cancel_import(_run(pk))
    return selectors.import_fields(_run(pk))


@router.get("/imports/{int:pk}/items", response=ImportItemsOut)
def import_items(request: HttpRequest, pk: int, page: int = 1, outcome: str = "") -> Any:
    """What became of every file."""
    _allow(request, "view_importrun")
    rows = _run(pk).items.order_by("pk")
    found = Paginator(rows.filter(outcome=outcome) if outcome else rows, ITEMS_A_PAGE).get_page(page)
    return {
        "page": found.number,
        "pages": found.paginator.num_pages,
        "count": found.paginator.count,
        "items": list(found),
    }


@router.post("/catalogs/{name}/table", response=UpdateOut)
def update(request: HttpRequest, name: str, file: File[UploadedFile]) -> Any:
    """Names, SKUs, categories, prices, stock, links and texts from a CSV or JSON table; nothing is rendered."""
    _allow(request, "change_product")
    catalog = get_object_or_404(Catalog, name=name)
    kept = _kept(file)
    try:
        return updating.update_products(catalog, kept, author=request.user)
    finally:
        storage.remove_tree(kept.parent)


def _kept(file: UploadedFile) -> Path:
    """The file in a folder of its own, under a name that is only a name."""
    name = Path((file.name or "catalog").replace("\\", "/")).name.lstrip(".")[:120] or "catalog"
    if "\0" in name:
        raise BadSource("the file's name holds a zero byte; rename it")
    path = storage.upload_directory() / name
    with path.open("wb") as out:
        for chunk in file.chunks():
            out.write(chunk)
    return path


def _run(pk: int) -> ImportRun:
    run = ImportRun.objects.select_related("catalog").filter(pk=pk).first() if pk < 2**63 else None
    if run is None:
        raise Http404(f"there is no import {pk}")
    return run


# ---- index --------------------------------------------------------------------------------


@router.get("/index", response=IndexOut)
def index_state(request: HttpRequest) -> Any:
    """What is searched, what is being built, and what waits to be."""
    _allow(request, "view_indexgeneration")
    return selectors.index_fields()


@router.post("/index/builds", response={202: GenerationOut})
def build(request: HttpRequest) -> Any:
    """Build the index anew beside the one that serves; it takes over when it is verified."""
    _allow(request, "add_indexgeneration")
    return 202, selectors.generation_fields(indexing.request_build(is_enqueued=True))


@router.post("/index/rollback", response={202: GenerationOut})
def rollback(request: HttpRequest) -> Any:
    """Serve the generation before the active one again, once a worker has read every byte of it."""
    _allow(request, "change_indexgeneration")
    before = indexing.generation_before()
    jobs.activate_generation(before)
    return 202, selectors.generation_fields(before)
