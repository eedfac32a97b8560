"""Products and their catalogs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from catalog.admin.pictures import contact_sheet, thumbnail
from catalog.models import Catalog, Product

__all__ = ["CatalogAdmin", "ProductAdmin"]


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    list_display = ("picture", "name", "size_text", "category", "price_text", "catalog", "is_withdrawn")
    list_display_links = ("picture", "name")
    list_filter = ("catalog", "is_withdrawn", "category")
    search_fields = ("name", "sku", "key", "category")
    list_select_related = ("asset", "catalog")
    list_per_page = 50
    actions = ("withdraw", "restore")
    readonly_fields = ("views", "catalog", "key", "asset", "size_text", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "sku", "category", "tags", "description")}),
        ("Shop", {"fields": ("price", "currency", "stock", "link", "is_withdrawn")}),
        ("Credits", {"fields": ("creator", "license")}),
        (
            "3D model",
            {"fields": ("views", "size_text", "asset", "catalog", "key", "created_at", "updated_at")},
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # products come with their models, by an import

    @admin.display(description="")
    def picture(self, product: Product) -> str:
        return thumbnail(product.asset)

    @admin.display(description="price", ordering="price")
    def price_text(self, product: Product) -> str:
        return "–" if product.price is None else f"{product.price:.2f} {product.currency}"

    @admin.display(description="views")
    def views(self, product: Product) -> str:
        return contact_sheet(product.asset)

    @admin.action(description="Withdraw: leave out of every search at once")
    def withdraw(self, request: HttpRequest, rows: QuerySet[Product]) -> None:
        self.message_user(request, f"{rows.update(is_withdrawn=True)} withdrawn")

    @admin.action(description="Offer again")
    def restore(self, request: HttpRequest, rows: QuerySet[Product]) -> None:
        self.message_user(request, f"{rows.update(is_withdrawn=False)} offered again")


@admin.register(Catalog)
class CatalogAdmin(ModelAdmin):
    list_display = ("name", "products_count", "source", "created_at")
    search_fields = ("name",)
    readonly_fields = ("source", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Catalog]:
        rows: QuerySet[Catalog] = super().get_queryset(request)
        return rows.annotate(products_n=Count("products"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="products", ordering="products_n")
    def products_count(self, catalog: Any) -> int:
        return int(catalog.products_n)
