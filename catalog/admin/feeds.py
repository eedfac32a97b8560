"""Tables of prices, stock and links: sent, looked at as what they change, applied, undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from catalog import storage
from catalog.admin.asking import ask, is_confirmed
from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import state_badge, thumbnail
from catalog.errors import ShapelensError
from catalog.models import Catalog, Feed, FeedChange, Product
from catalog.services import updating

__all__ = ["FeedAdmin"]

State = Feed.State
_PAGE = 100  # changes shown at a time
_UNKNOWN = 200  # rows named
_MOST_BYTES = 20 * 2**20  # 100,000 rows with links have 15 MB
_COLORS = {State.FOUND: "waiting", State.APPLIED: "done", State.UNDONE: "retired"}


class _Form(forms.Form):
    catalog = forms.ModelChoiceField(Catalog.objects.all(), widget=UnfoldAdminSelectWidget)
    file = forms.FileField(label="table", widget=UnfoldAdminFileFieldWidget, help_text="CSV or JSON.")

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if file.size and file.size > _MOST_BYTES:
            raise forms.ValidationError(
                f"{file.name} has {file.size / 2**20:.0f} MB; send up to {_MOST_BYTES // 2**20} MB at a time"
            )
        return file


@admin.register(Feed)
class FeedAdmin(ReadOnlyAdmin):
    list_display = ("name", "catalog", "badge", "products", "unfit", "author", "created_at", "applied_at")
    list_filter = ("state", "catalog")
    list_select_related = ("catalog", "author")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feed]:
        rows: QuerySet[Feed] = super().get_queryset(request)
        return rows.annotate(changed_n=Count("changes"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_product")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/apply/", wrap(self.apply_view), name="catalog_feed_apply"),
            path("<int:pk>/undo/", wrap(self.undo_view), name="catalog_feed_undo"),
            *super().get_urls(),
        ]

    @admin.display(description="state", ordering="state")
    def badge(self, feed: Feed) -> str:
        return state_badge(_COLORS[State(feed.state)], feed.get_state_display())

    @admin.display(description="products", ordering="changed_n")
    def products(self, feed: Any) -> int:
        return int(feed.changed_n)

    @admin.display(description="rows that fit none")
    def unfit(self, feed: Feed) -> int:
        return len(feed.unknown)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self._may_change(request)
        form = _Form(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                feed = _look(form.cleaned_data["catalog"], form.cleaned_data["file"], request)
            except ShapelensError as error:
                form.add_error("file", str(error))
            else:
                return redirect("admin:catalog_feed_change", feed.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Prices, stock and links from a table",
            "form": form,
        }
        return TemplateResponse(request, "admin/catalog/feed_new.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        feed = self.get_object(request, object_id)
        if feed is None:
            return redirect("admin:catalog_feed_changelist")
        if not self.has_view_permission(request, feed):
            raise PermissionDenied
        changes = feed.changes.select_related("product__asset")
        page = Paginator(changes, _PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(feed),
            "feed": feed,
            "page": page,
            "changes": [_shown(change) for change in page],
            "unknown": feed.unknown[:_UNKNOWN],
            "more_unknown": max(0, len(feed.unknown) - _UNKNOWN),
            "may_change": self.has_add_permission(request),
        }
        return TemplateResponse(request, "admin/catalog/feed.html", context)

    def apply_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What it changes was shown on the page with the button."""
        self._may_change(request)
        feed = get_object_or_404(Feed, pk=pk)
        if request.method == "POST":
            try:
                changed = updating.apply(feed, by=request.user)
            except ShapelensError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{changed} products changed. “Undo” brings back what they were.")
        return redirect("admin:catalog_feed_change", pk)

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks; its button brings back what the table has replaced."""
        self._may_change(request)
        feed = get_object_or_404(Feed, pk=pk)
        if not is_confirmed(request):
            text = (
                "Its products get back the values they had before. What was changed once more since then stays "
                "as it is, and is named. To have the table again, send it again."
            )
            return ask(self, request, title=f"Undo {feed}?", text=text, button="Undo")
        try:
            changed = updating.undo(feed, by=request.user)
        except ShapelensError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{changed} products are as they were.")
        return redirect("admin:catalog_feed_change", pk)

    def _may_change(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied


def _look(catalog: Catalog, file: UploadedFile, request: HttpRequest) -> Feed:
    """Raises BadSource."""
    folder = storage.upload_directory()
    try:
        name = Path((file.name or "").replace("\\", "/").replace("\0", "")).name.lstrip(".")[-100:]
        kept = folder / (name or "table.csv")
        with kept.open("wb") as out:
            for chunk in file.chunks():
                out.write(chunk)
        return updating.look(catalog, kept, author=request.user)
    finally:
        storage.remove_tree(folder)


def _shown(change: FeedChange) -> dict[str, Any]:
    """A product with its values, before and after."""
    product = change.product
    return {
        "row": change.row,
        "name": product.name,
        "key": product.key,
        "url": reverse("admin:catalog_product_change", args=[product.pk]),
        "picture": thumbnail(product.asset, 40),
        "values": [
            (Product._meta.get_field(name).verbose_name, _text(change.before[name]), _text(after))
            for name, after in change.after.items()
        ],
    }


def _text(value: Any) -> str:
    if value in (None, "", []):
        return "–"
    return ", ".join(value) if isinstance(value, list) else str(value)[:300]
