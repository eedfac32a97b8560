"""Index generations: what serves, what it was made from, and the way back."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from unfold.decorators import action

from catalog import jobs, selectors
from catalog.admin.asking import ask, is_confirmed
from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import state_badge
from catalog.errors import ShapelensError
from catalog.models import ActiveGeneration, IndexGeneration
from catalog.services import collecting, indexing

__all__ = ["IndexGenerationAdmin"]

_HOLDS = {
    "assets": "models: what was read, and their views",
    "index": "index generations",
    "photos": "shoppers' photos",
    "uploads": "catalogs that were sent, kept for corrections",
    "imports": "sources unpacked for an import that runs",
    "icons": "pictures that products came with",
    "cache": "pictures that are drawn again when asked for",
    ".": "the database and other files",
}


@admin.register(IndexGeneration)
class IndexGenerationAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__", "badge", "serves", "progress", "model_count", "view_count", "size", "embedder", "created_at",
        "finished_at", "error",
    )  # fmt: skip
    list_filter = ("status",)
    actions = ("activate",)
    actions_list = ("ask_build", "ask_roll_back", "compare")
    fields = (
        "badge", "serves", "progress", "error", "model_count", "view_count", "size", "embedder", "adapter",
        "catalog", "path", "manifest_text", "created_at", "finished_at", "attempts",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[IndexGeneration]:
        rows: QuerySet[IndexGeneration] = super().get_queryset(request)
        active = ActiveGeneration.objects.filter(generation=OuterRef("pk"))
        return rows.annotate(is_active=Exists(active))

    @admin.display(description="status", ordering="status")
    def badge(self, generation: IndexGeneration) -> str:
        return state_badge(generation.status, generation.get_status_display())

    @admin.display(description="serves", boolean=True)
    def serves(self, generation: Any) -> bool:
        return bool(generation.is_active)

    @admin.display(description="size")
    def size(self, generation: IndexGeneration) -> str:
        files = generation.manifest.get("files") or {}
        return filesizeformat(sum(int(file.get("size", 0)) for file in files.values())) if files else "–"

    @admin.display(description="progress")
    def progress(self, generation: IndexGeneration) -> str:
        if generation.status != IndexGeneration.Status.BUILDING:
            return "–"
        return f"{generation.stage}: {generation.done} of {generation.total}"

    @admin.display(description="made from")
    def manifest_text(self, generation: IndexGeneration) -> str:
        text = json.dumps(generation.manifest, indent=1)[:20_000]
        return format_html('<pre style="max-height:24rem;overflow:auto;font-size:12px">{}</pre>', text)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("build-new/", wrap(self.build_view), name="catalog_indexgeneration_build"),
            path("disk/", wrap(self.disk_view), name="catalog_indexgeneration_disk"),
            path("roll-back/", wrap(self.rollback_view), name="catalog_indexgeneration_rollback"),
            *super().get_urls(),
        ]

    @action(permissions=["operate"], description="Build a new index")
    def ask_build(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:catalog_indexgeneration_build")

    @action(permissions=["operate"], description="Roll back")
    def ask_roll_back(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:catalog_indexgeneration_rollback")

    @action(description="Compare two")
    def compare(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:catalog_comparison_add")

    def build_view(self, request: HttpRequest) -> HttpResponse:
        """Asks; its button queues the build."""
        self._may_operate(request)
        if not is_confirmed(request):
            waiting = selectors.index_fields()["waiting"]
            text = (
                f"{waiting} models wait to be indexed. It is built beside the one that serves, and takes over once "
                "it is verified; searches go on meanwhile. The one before is kept: “Roll back” returns to it."
            )
            return ask(self, request, title="Build a new index?", text=text, button="Build it")
        generation = indexing.request_build(is_enqueued=True)
        messages.success(request, f"{generation} is queued; the one that serves goes on until it is ready.")
        return redirect("admin:catalog_indexgeneration_changelist")

    def rollback_view(self, request: HttpRequest) -> HttpResponse:
        """Asks; its button has the one before verified and made to serve."""
        self._may_operate(request)
        try:
            before = indexing.generation_before()
        except ShapelensError as error:
            messages.error(request, str(error))
            return redirect("admin:catalog_indexgeneration_changelist")
        if not is_confirmed(request):
            text = (
                f"{before} of {before.created_at:%d %B, %H:%M} UTC has {before.model_count} models and answers once every "
                "byte of it is verified. The one that serves now is kept; choose it in the list to return to it."
            )
            return ask(self, request, title=f"Roll back to {before}?", text=text, button="Roll back")
        jobs.activate_generation(before)
        messages.success(request, f"{before} is being verified; it answers once every byte is right.")
        return redirect("admin:catalog_indexgeneration_changelist")

    def disk_view(self, request: HttpRequest) -> HttpResponse:
        """What takes the disk, how much it may take, and what went last."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        disk = collecting.disk()
        folders = sorted(disk.folders.items(), key=lambda row: -row[1])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Disk",
            "disk": disk,
            "folders": [(name, _HOLDS.get(name, ""), size) for name, size in folders if size],
            "photo_days": settings.SHAPELENS_PHOTO_DAYS,
            "media": settings.SHAPELENS_MEDIA,
        }
        return TemplateResponse(request, "admin/catalog/disk.html", context)

    def _may_operate(self, request: HttpRequest) -> None:
        if not self.has_operate_permission(request):
            raise PermissionDenied

    @admin.action(
        permissions=["operate"], description="Verify, then let it answer (also: back to an earlier one)"
    )
    def activate(self, request: HttpRequest, rows: QuerySet[IndexGeneration]) -> HttpResponse | None:
        if rows.count() != 1:
            messages.error(request, "Choose one generation.")
            return None
        generation = rows.get()
        if generation.status != IndexGeneration.Status.READY:
            messages.error(
                request, f"{generation} is {generation.get_status_display()}; only a ready one can serve."
            )
            return None
        if not is_confirmed(request):
            text = "It answers searches once every byte of it is verified. The one that serves now is kept."
            return ask(
                self,
                request,
                title=f"Let {generation} answer?",
                text=text,
                button="Verify and activate",
                rows=[generation],
            )
        jobs.activate_generation(generation)
        messages.success(request, f"{generation} is being verified; it answers once every byte is right.")
        return None
