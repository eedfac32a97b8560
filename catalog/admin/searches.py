"""Searches and photos: what was asked, what was answered."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import gallery, photo_picture, state_badge, view_picture
from catalog.errors import ShapelensError
from catalog.models import Callback, Photo, Search
from catalog.services import exporting

__all__ = ["CallbackAdmin", "PhotoAdmin", "SearchAdmin"]

_SHOWN = 12  # results on a search's page


@admin.register(Search)
class SearchAdmin(ReadOnlyAdmin):
    list_display = (
        "picture",
        "badge",
        "answers",
        "total_seconds",
        "tau_used",
        "is_no_match",
        "created_at",
        "error_message",
    )
    list_display_links = ("picture", "badge")
    list_filter = ("state", "is_no_match", "is_widened")
    list_per_page = 30
    fields = (
        "large", "badge", "error_message", "results_gallery", "is_no_match", "tau", "tau_used", "is_widened",
        "stages", "generation", "attempts", "created_at", "started_at", "finished_at", "page", "verdict",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest):  # type: ignore[no-untyped-def]
        rows = super().get_queryset(request)
        return rows.prefetch_related("photos__photo", "results__asset", "results__product")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.match_view)
        name = "catalog_search_match"
        return [path("<int:pk>/match-<int:rank>.html", view, name=name), *super().get_urls()]

    def match_view(self, request: HttpRequest, pk: int, rank: int) -> HttpResponse:
        """An answer laid over its photo, as a file that works with no server."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        search = get_object_or_404(Search, pk=pk)
        try:
            page = exporting.match_page(search, rank)
        except ShapelensError as error:
            messages.error(request, str(error))
            return redirect("admin:catalog_search_change", pk)
        response = HttpResponse(page)
        response["Content-Disposition"] = f'attachment; filename="search-{pk}-match-{rank}.html"'
        return response

    @admin.display(description="photo")
    def picture(self, search: Search) -> str:
        rows = list(search.photos.all())
        return photo_picture(rows[0].photo, 64, rows[0].box) if rows else "–"

    @admin.display(description="photos")
    def large(self, search: Search) -> str:
        return gallery(
            [
                (photo_picture(row.photo, 260, row.box), row.get_box_source_display())
                for row in search.photos.all()
            ]
        )

    @admin.display(description="state", ordering="state")
    def badge(self, search: Search) -> str:
        return state_badge(search.state, search.get_state_display())

    @admin.display(description="first answers")
    def answers(self, search: Search) -> str:
        first = list(search.results.all())[:3]
        pictures = [view_picture(row.asset, row.view_index, 56) for row in first]
        return format_html("{}" * len(pictures), *pictures) if pictures else "–"

    @admin.display(description="results")
    def results_gallery(self, search: Search) -> str:
        return gallery(
            [
                (
                    view_picture(row.asset, row.view_index, 120),
                    f"{row.rank}. {row.product.name}: {row.confidence}, {row.score:.3f} ({row.calibrated:+.2f})",
                )
                for row in list(search.results.all())[:_SHOWN]
            ]
        )

    @admin.display(description="seconds")
    def total_seconds(self, search: Search) -> str:
        if not search.finished_at:
            return "–"
        return f"{(search.finished_at - search.created_at).total_seconds():.2f}"

    @admin.display(description="seconds a stage")
    def stages(self, search: Search) -> str:
        return ", ".join(f"{name} {value:.3f}" for name, value in search.seconds.items())

    @admin.display(description="shopper's page")
    def page(self, search: Search) -> str:
        return format_html('<a href="{}">open</a>', search.get_absolute_url())

    @admin.display(description="for staff")
    def verdict(self, search: Search) -> str:
        return format_html(
            '<a href="{}">its case</a> · <a href="{}">the first answer as a file that works offline</a>',
            reverse("admin:catalog_verdict_case", args=[search.pk]),
            reverse("admin:catalog_search_match", args=[search.pk, 1]),
        )


@admin.register(Photo)
class PhotoAdmin(ReadOnlyAdmin):
    list_display = ("picture", "format", "sent_width", "sent_height", "size_bytes", "sample", "created_at")
    list_display_links = ("picture",)
    list_filter = ("format",)
    fields = (
        "large",
        "format",
        "sent_width",
        "sent_height",
        "width",
        "height",
        "size_bytes",
        "focal_px",
        "sample",
        "created_at",
    )

    @admin.display(description="photo")
    def picture(self, photo: Photo) -> str:
        return photo_picture(photo, 64)

    @admin.display(description="photo")
    def large(self, photo: Photo) -> str:
        return photo_picture(photo, 480)


@admin.register(Callback)
class CallbackAdmin(ReadOnlyAdmin):
    list_display = ("search", "badge", "url", "attempts", "due_at", "delivered_at", "error")
    list_filter = ("state",)
    list_select_related = ("search",)
    fields = ("search", "badge", "url", "attempts", "due_at", "delivered_at", "error")

    @admin.display(description="state", ordering="state")
    def badge(self, callback: Callback) -> str:
        return state_badge(callback.state, callback.get_state_display())
