"""The shopper's pages."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from catalog import selectors
from catalog.models import Search

__all__ = ["index", "product", "search"]


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
    return render(request, "product.html", {"product": selectors.product_fields(row)})
