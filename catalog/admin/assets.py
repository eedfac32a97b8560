"""3D models."""

from __future__ import annotations

from django.contrib import admin

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import contact_sheet, state_badge, thumbnail
from catalog.models import Asset

__all__ = ["AssetAdmin"]


@admin.register(Asset)
class AssetAdmin(ReadOnlyAdmin):
    list_display = ("picture", "short", "badge", "size", "faces", "materials", "view_count", "problem")
    list_display_links = ("picture", "short")
    list_filter = ("status",)
    search_fields = ("hash", "content_hash", "products__name")
    list_per_page = 50
    fields = (
        "views", "badge", "error", "warnings", "size", "faces", "materials", "view_count", "frame",
        "renderer", "hash", "content_hash", "mesh_hash", "created_at",
    )  # fmt: skip

    @admin.display(description="")
    def picture(self, asset: Asset) -> str:
        return thumbnail(asset)

    @admin.display(description="model")
    def short(self, asset: Asset) -> str:
        return asset.hash[:10]

    @admin.display(description="status", ordering="status")
    def badge(self, asset: Asset) -> str:
        return state_badge(asset.status, asset.get_status_display())

    @admin.display(description="w × h × d, cm")
    def size(self, asset: Asset) -> str:
        return " × ".join(f"{100 * side:.0f}" for side in asset.extents)

    @admin.display(description="problem")
    def problem(self, asset: Asset) -> str:
        return (asset.error or "; ".join(asset.warnings))[:120]

    @admin.display(description="views")
    def views(self, asset: Asset) -> str:
        return contact_sheet(asset)
