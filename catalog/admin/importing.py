"""Imports, and what became of every file of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import state_badge, thumbnail
from catalog.models import ImportItem, ImportRun
from catalog.services import importing

__all__ = ["ImportItemAdmin", "ImportRunAdmin"]


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    list_display = ("catalog", "badge", "progress", "failures", "created_at", "finished_at", "error")
    list_filter = ("state", "catalog")
    list_select_related = ("catalog",)
    actions = ("cancel",)
    fields = (
        "catalog", "badge", "progress", "files", "error", "source", "unit", "up", "front",
        "excluded_categories", "warning_list", "left_over_list", "builds_index", "created_at", "finished_at", "attempts",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportRun]:
        rows: QuerySet[ImportRun] = super().get_queryset(request)
        failed = Count("items", filter=Q(items__outcome=ImportItem.Outcome.FAILED))
        return rows.annotate(failed_n=failed)

    @admin.display(description="state", ordering="state")
    def badge(self, run: ImportRun) -> str:
        return state_badge(run.state, run.get_state_display())

    @admin.display(description="files")
    def progress(self, run: ImportRun) -> str:
        share = 100 * run.processed / run.total if run.total else 0
        return format_html(
            '{} of {}<progress max="100" value="{}" style="display:block;width:9rem"></progress>',
            run.processed,
            run.total,
            round(share),
        )

    @admin.display(description="failed", ordering="failed_n")
    def failures(self, run: Any) -> str:
        if not run.failed_n:
            return "0"
        address = reverse("admin:catalog_importitem_changelist")
        return format_html('<a href="{}?run__id={}&outcome=failed">{}</a>', address, run.pk, run.failed_n)

    @admin.display(description="every file")
    def files(self, run: ImportRun) -> str:
        address = reverse("admin:catalog_importitem_changelist")
        return format_html('<a href="{}?run__id={}">what became of each</a>', address, run.pk)

    @admin.display(description="warnings")
    def warning_list(self, run: ImportRun) -> str:
        return format_html_join("", "<div>{}</div>", ((text,) for text in run.warnings)) or "none"

    @admin.display(description="other files")
    def left_over_list(self, run: ImportRun) -> str:
        rows = ((row["path"], row["reason"]) for row in run.left_over)
        return format_html_join("", "<div><code>{}</code>: {}</div>", rows) or "none"

    @admin.action(permissions=["operate"], description="Cancel: stop at the next file")
    def cancel(self, request: HttpRequest, rows: QuerySet[ImportRun]) -> None:
        for run in rows:
            importing.cancel_import(run)


@admin.register(ImportItem)
class ImportItemAdmin(ReadOnlyAdmin):
    list_display = ("picture", "key", "name", "badge", "reason", "warning_text")
    list_display_links = ("key",)
    list_filter = ("outcome", "run")
    search_fields = ("key", "name", "reason")
    list_select_related = ("product__asset", "run")
    list_per_page = 100

    @admin.display(description="")
    def picture(self, item: ImportItem) -> str:
        return thumbnail(item.product.asset if item.product else None, 40)

    @admin.display(description="outcome", ordering="outcome")
    def badge(self, item: ImportItem) -> str:
        return state_badge(item.outcome, item.get_outcome_display())

    @admin.display(description="warnings")
    def warning_text(self, item: ImportItem) -> str:
        return "; ".join(item.warnings)[:200]
