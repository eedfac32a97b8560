"""What shoppers said of results, and what they share."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from catalog.admin.base import ReadOnlyAdmin
from catalog.models import Feedback, Share

__all__ = ["FeedbackAdmin", "ShareAdmin"]


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    list_display = ("product", "kind", "of_search", "created_at")
    list_filter = ("kind", "created_at")
    list_select_related = ("product", "search")
    search_fields = ("product__name", "product__sku")
    fields = ("product", "kind", "of_search", "camera", "created_at")

    @admin.display(description="search")
    def of_search(self, feedback: Feedback) -> str:
        address = reverse("admin:catalog_verdict_case", args=[feedback.search_id])
        return format_html('<a href="{}">review search {}</a>', address, feedback.search_id)


@admin.register(Share)
class ShareAdmin(ReadOnlyAdmin):
    """Without the link itself: it belongs to who was given it."""

    list_display = ("product", "created_at", "expires_at")
    list_filter = ("expires_at",)
    list_select_related = ("product",)
    fields = ("product", "created_at", "expires_at")
