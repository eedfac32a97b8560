"""3D models."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join

from catalog import selectors
from catalog.admin.base import AuditedAdmin
from catalog.admin.pictures import contact_sheet, state_badge, thumbnail
from catalog.models import Asset, Product

__all__ = ["AssetAdmin"]


@admin.register(Asset)
class AssetAdmin(AuditedAdmin):
    """Everything but the symmetry follows from the file."""

    list_display = ("picture", "short", "badge", "size", "faces", "materials", "view_count", "problem")
    list_display_links = ("picture", "short")
    list_filter = ("status",)
    search_fields = ("hash", "content_hash", "products__name")
    list_per_page = 50
    fields = (
        "views", "badge", "error", "symmetry", "warnings", "size", "faces", "watertight", "materials", "view_count", "products_list", "twins", "frame",
        "renderer", "hash", "content_hash", "mesh_hash", "created_at",
    )  # fmt: skip
    readonly_fields = tuple(name for name in fields if name != "symmetry")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

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

    @admin.display(description="watertight", boolean=True)
    def watertight(self, asset: Asset) -> bool | None:
        return selectors.model_facts(asset).get("watertight")

    @admin.display(description="products")
    def products_list(self, asset: Asset) -> str:
        return _links(asset.products.all())

    @admin.display(description="same shape as")
    def twins(self, asset: Asset) -> str:
        same = Product.objects.filter(asset__mesh_hash=asset.mesh_hash).exclude(asset=asset)
        return _links(same) if asset.mesh_hash else "–"

    @admin.display(description="views")
    def views(self, asset: Asset) -> str:
        return contact_sheet(asset)


def _links(products: QuerySet[Product]) -> str:
    """To each product's page, where it is withdrawn, offered again or drawn again."""
    rows = ((reverse("admin:catalog_product_change", args=[row.pk]), row.name) for row in products[:20])
    return format_html_join(", ", '<a href="{}">{}</a>', rows) or "–"
