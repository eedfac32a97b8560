"""The shopper's pages."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from catalog import selectors
from catalog.models import Search

__all__ = ["index", "product", "products", "search"]

_SHOWN_VIEWS = 24  # of all of a model's, evenly taken


@require_safe
@ensure_csrf_cookie
def index(request: HttpRequest) -> HttpResponse:
    context = {"search_id": None, "samples": selectors.sample_list()}
    return render(request, "search.html", context)


@require_safe
@ensure_csrf_cookie
def search(request: HttpRequest, uuid: UUID) -> HttpResponse:
    if not Search.objects.filter(uuid=uuid).exists():
        raise Http404("there is no such search; it may have been deleted")
    context = {"search_id": uuid, "samples": selectors.sample_list()}
    return render(request, "search.html", context)


@require_safe
@ensure_csrf_cookie
def product(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    row = selectors.shown_products().filter(pk=pk).first()
    if row is None:
        raise Http404("there is no such product; it may have been withdrawn")
    if slug != row.slug:
        return redirect(row, permanent=True)
    fields = selectors.product_fields(row)
    step = max(1, -(-len(fields["view_urls"]) // _SHOWN_VIEWS))
    return render(request, "product.html", {"product": fields | {"shown_views": fields["view_urls"][::step]}})


@require_safe
def products(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:100]
    page = selectors.product_page(number=request.GET.get("page", 1), text=text)
    rows = [selectors.product_fields(row) for row in page]
    return render(request, "products.html", {"page": page, "products": rows, "text": text})
