"""Products and their catalogs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from catalog.admin.asking import ask, is_confirmed
from catalog.admin.base import AuditedAdmin
from catalog.admin.importing import CorrectionForm
from catalog.admin.pictures import contact_sheet, thumbnail
from catalog.errors import ShapelensError
from catalog.models import Catalog, Product
from catalog.services import importing, withdrawing

__all__ = ["CatalogAdmin", "ProductAdmin"]


@admin.register(Product)
class ProductAdmin(AuditedAdmin):
    list_display = ("picture", "name", "size_text", "category", "price_text", "catalog", "is_withdrawn")
    list_display_links = ("picture", "name")
    list_filter = ("catalog", "is_withdrawn", "category")
    search_fields = ("name", "sku", "key", "category")
    list_select_related = ("asset", "catalog")
    list_per_page = 50
    actions = ("withdraw", "restore", "correct", "draw_again")
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

    @admin.action(permissions=["change"], description="Withdraw: leave out of every search at once")
    def withdraw(self, request: HttpRequest, rows: QuerySet[Product]) -> HttpResponse | None:
        rows = rows.filter(is_withdrawn=False)
        if not is_confirmed(request):
            return ask(
                self,
                request,
                title="Withdraw these products?",
                text="They are left out of every search at once. Nothing is deleted: “Offer again” brings them back.",
                button="Withdraw",
                rows=rows,
            )
        self.message_user(request, f"{withdrawing.withdraw(rows)} withdrawn")
        return None

    @admin.action(permissions=["change"], description="Offer again")
    def restore(self, request: HttpRequest, rows: QuerySet[Product]) -> None:
        self.message_user(request, f"{withdrawing.restore(rows)} offered again")

    @admin.action(permissions=["change"], description="Read and draw again")
    def draw_again(self, request: HttpRequest, rows: QuerySet[Product]) -> HttpResponse | None:
        if not is_confirmed(request):
            text = (
                "Their files are read from the source that was kept, and drawn anew. Until that is done, they are "
                "left out of the shop's pages; ids and links stay."
            )
            return ask(self, request, title="Draw these again?", text=text, button="Draw again", rows=rows)
        try:
            runs = importing.draw_again(rows)
        except ShapelensError as error:
            messages.error(request, str(error))
            return None
        return redirect("admin:catalog_importrun_change", runs[0].pk) if runs else None

    @admin.action(permissions=["change"], description="Correct unit, axes or category (no new upload)")
    def correct(self, request: HttpRequest, rows: QuerySet[Product]) -> HttpResponse | None:
        form = CorrectionForm(request.POST if is_confirmed(request) else None)
        if form.is_bound and form.is_valid():
            try:
                runs = importing.correct_products(rows, form.corrected())
            except ShapelensError as error:
                messages.error(request, str(error))
                return None
            if not runs:
                messages.success(request, f"{rows.count()} corrected.")
                return None
            messages.success(request, "They are read and drawn again; the index follows.")
            return redirect("admin:catalog_importrun_change", runs[0].pk)
        return ask(
            self,
            request,
            title="Correct these products?",
            text="Their files are read again as you say, from the source that was kept; ids and links stay, and the "
            "index is rebuilt beside the one that serves. Every later import keeps to it.",
            button="Correct",
            rows=rows,
            form=form,
        )


@admin.register(Catalog)
class CatalogAdmin(AuditedAdmin):
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
