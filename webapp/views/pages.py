"""The shopper's pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from catalog import selectors, shopping
from catalog.errors import ShapelensError
from catalog.models import DEFAULT_TAU, Product, Search
from catalog.services import searching, sharing
from catalog.services.searching import Asked
from catalog.shopping import Wish
from webapp import uploads

__all__ = ["answer", "embed", "index", "product", "products", "search", "share"]

_SHOWN_VIEWS = 24  # of all of a model's, evenly taken
_EMBEDDABLE = (
    "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' blob: data:; worker-src 'self' blob:"
)


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
def index(request: HttpRequest) -> HttpResponse:
    """The start; a form sent by a browser without scripts begins a search."""
    problem = ""
    if request.method == "POST":
        try:
            sent = [uploads.read_photo(file) for file in request.FILES.getlist("photo")]
            if sent:
                words = request.POST.get("words", "")[:200]
                return redirect(searching.request_search(sent, [Asked()], tau=DEFAULT_TAU, words=words))
            problem = gettext("Choose a photo first.")
        except ShapelensError as error:
            problem = str(error)
    context = {"search_id": None, "samples": selectors.sample_list(), "problem": problem, **_kept()}
    return render(request, "search.html", context, status=422 if problem else 200)


@require_safe
@ensure_csrf_cookie
def search(request: HttpRequest, uuid: UUID) -> HttpResponse:
    found = _search(uuid)
    context = {"search_id": uuid, "samples": selectors.sample_list(), **_kept(), **_answer(request, found)}
    return render(request, "search.html", context)


@require_safe
def answer(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The answer alone, for the page's script."""
    response = render(request, "answer.html", _answer(request, _search(uuid)))
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@ensure_csrf_cookie
def product(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    row = _product(pk)
    if slug != row.slug:
        return redirect(row, permanent=True)
    fields = selectors.product_fields(row)
    step = max(1, -(-len(fields["view_urls"]) // _SHOWN_VIEWS))
    alike = shopping.look_alikes(row)
    context = {
        "product": fields | {"shown_views": fields["view_urls"][::step]},
        "alike": [selectors.product_fields(other) for other in alike],
        "similar": [
            selectors.product_fields(other) for other in shopping.similar_products(row) if other not in alike
        ],
        "embed_url": request.build_absolute_uri(f"/embed/{pk}/"),
        "original_url": selectors.asset_url(row.asset.hash, "original.zip")
        if row.asset and row.is_open
        else "",
        "glb_absolute": request.build_absolute_uri(fields["glb_url"]),
    }
    return render(request, "product.html", context)


@require_safe
def products(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:100]
    page = selectors.product_page(number=request.GET.get("page", 1), text=text)
    rows = [selectors.product_fields(row) for row in page]
    return render(request, "products.html", {"page": page, "products": rows, "text": text})


@require_safe
def share(request: HttpRequest, token: str) -> HttpResponse:
    """One product over its photo, for whoever was given the link."""
    found = sharing.shared(token)
    result = found.result if found else None
    if found is None or result is None or found.product.asset is None:
        raise Http404(gettext("this link has expired or was deleted"))
    photo = found.search.photos.select_related("photo").get(position=result.photo_index).photo
    context = {
        "share": found,
        "product": selectors.product_fields(found.product),
        "width": photo.width,
        "height": photo.height,
        "data": {"pose": result.pose, "glb_url": selectors.asset_url(result.asset.hash, "viewer.glb")},
    }
    response = render(request, "share.html", context)
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
@xframe_options_exempt
def embed(request: HttpRequest, pk: int) -> HttpResponse:
    """The viewer alone, for other sites' pages."""
    response = render(request, "embed.html", {"product": selectors.product_fields(_product(pk))})
    response["Content-Security-Policy"] = _EMBEDDABLE
    return response


def _search(uuid: UUID) -> Search:
    found = selectors.search_by_uuid(uuid)
    if found is None:
        raise Http404(gettext("there is no such search; it may have been deleted"))
    return found


def _product(pk: int) -> Product:
    row = selectors.shown_products().filter(pk=pk).first()
    if row is None:
        raise Http404(gettext("there is no such product; it may have been withdrawn"))
    return row


def _answer(request: HttpRequest, found: Search) -> dict[str, Any]:
    shown = shopping.answer_of(found, _wish(request))
    names = [row.product.name for row in found.results.all()]
    return {
        "search": found,
        "answer": shown,
        "data": shopping.answer_data(found, shown),
        "namesakes": {name for name in names if names.count(name) > 1},
        "is_done": found.state == Search.State.DONE,
    }


def _wish(request: HttpRequest) -> Wish:
    """From the address; what can't be is left out."""
    said = request.GET
    color, more, sort = said.get("color", ""), said.get("more", ""), said.get("sort", "")
    return Wish(
        kind=said.get("kind", "")[:200],
        price=said.get("price", "")[:20],
        size=said.get("size", "")[:20],
        sort=sort if sort in shopping.SORTS else "best",
        color=int(color) if color in {"1", "2"} else 0,
        more=min(int(more), 9) if more.isdecimal() else 0,
    )


def _kept() -> dict[str, Any]:
    return {"photo_days": settings.SHAPELENS_PHOTO_DAYS, "share_days": sharing.SHARE_DAYS}
