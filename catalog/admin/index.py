"""Index generations: what serves, what it was made from, and the way back."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action

from catalog import jobs
from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import state_badge
from catalog.models import ActiveGeneration, IndexGeneration
from catalog.services import indexing

__all__ = ["IndexGenerationAdmin"]


@admin.register(IndexGeneration)
class IndexGenerationAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__", "badge", "serves", "progress", "model_count", "view_count", "embedder", "created_at",
        "finished_at", "error",
    )  # fmt: skip
    list_filter = ("status",)
    actions = ("activate",)
    actions_list = ("build",)
    fields = (
        "badge", "serves", "progress", "error", "model_count", "view_count", "embedder", "adapter",
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

    @admin.display(description="progress")
    def progress(self, generation: IndexGeneration) -> str:
        if generation.status != IndexGeneration.Status.BUILDING:
            return "–"
        return f"{generation.stage}: {generation.done} of {generation.total}"

    @admin.display(description="made from")
    def manifest_text(self, generation: IndexGeneration) -> str:
        text = json.dumps(generation.manifest, indent=1)[:20_000]
        return format_html('<pre style="max-height:24rem;overflow:auto;font-size:12px">{}</pre>', text)

    @action(permissions=["operate"], description="Build a new index")
    def build(self, request: HttpRequest) -> HttpResponseRedirect:
        generation = indexing.request_build(is_enqueued=True)
        messages.success(request, f"{generation} is queued; the one that serves goes on until it is ready.")
        return HttpResponseRedirect(reverse("admin:catalog_indexgeneration_changelist"))

    @admin.action(
        permissions=["operate"], description="Verify, then let it answer (also: back to an earlier one)"
    )
    def activate(self, request: HttpRequest, rows: QuerySet[IndexGeneration]) -> None:
        if rows.count() != 1:
            messages.error(request, "Choose one generation.")
            return
        generation = rows.get()
        if generation.status != IndexGeneration.Status.READY:
            messages.error(
                request, f"{generation} is {generation.get_status_display()}; only a ready one can serve."
            )
            return
        jobs.activate_generation(generation)
        messages.success(request, f"{generation} is being verified; it answers once every byte is right.")
