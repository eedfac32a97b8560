"""What is sold."""

from __future__ import annotations

import re

from django.db import models
from django.urls import reverse
from django.utils.text import slugify

from catalog.models.asset import Asset

__all__ = ["Catalog", "Product"]

# licenses under which a model's own file may be handed on as it is; anything else may not
_OPEN = re.compile(
    r"(?i)\W*(cc0|public domain|cc[ -]by([ -]sa)?)([ -]\d(\.\d)?)?( universal| international)?\W*"
)


class Catalog(models.Model):
    """Products that come from one source and are imported together."""

    name = models.CharField(max_length=120, unique=True)
    source = models.CharField(
        max_length=1000, blank=True, help_text="Folder or file it was last imported from, on the server."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """One thing a shopper can find. Its id never changes, whatever is imported over it."""

    catalog = models.ForeignKey(Catalog, on_delete=models.CASCADE, related_name="products")
    key = models.CharField("source key", max_length=500, help_text="What identifies it within its source.")
    asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="products", null=True, verbose_name="3D model"
    )
    name = models.CharField(max_length=300)
    sku = models.CharField("SKU", max_length=120, blank=True)
    category = models.CharField(max_length=200, blank=True, db_index=True)
    tags = models.JSONField(default=list, blank=True)
    description = models.TextField(blank=True)
    width_m = models.FloatField("width, m", null=True, blank=True)
    height_m = models.FloatField("height, m", null=True, blank=True)
    depth_m = models.FloatField("depth, m", null=True, blank=True)
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    stock = models.PositiveIntegerField(null=True, blank=True, help_text="Pieces left; blank: not known.")
    link = models.URLField("shop page", max_length=1000, blank=True)
    creator = models.CharField(max_length=300, blank=True)
    license = models.CharField(max_length=300, blank=True)
    has_icon = models.BooleanField(default=False, editable=False)
    is_withdrawn = models.BooleanField(
        "withdrawn", default=False, help_text="Left out of every search at once; no rebuild is needed."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["catalog", "key"], name="product_key_in_catalog"),
            models.CheckConstraint(
                condition=models.Q(price__isnull=True) | models.Q(price__gte=0),
                name="product_price_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(width_m__isnull=True)
                | models.Q(width_m__gte=0, height_m__gte=0, depth_m__gte=0),
                name="product_size_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def slug(self) -> str:
        return slugify(self.name)[:60] or "product"

    @property
    def size_text(self) -> str:
        """Width x depth x height, as furniture is sold: '80 × 40 × 75 cm'; '' where unknown."""
        sizes = (self.width_m, self.depth_m, self.height_m)
        if any(size is None for size in sizes):
            return ""
        return " × ".join(_centimetres(size) for size in sizes if size is not None) + " cm"

    @property
    def is_open(self) -> bool:
        """Whether its license lets the original file be given away."""
        return _OPEN.fullmatch(self.license) is not None

    def get_absolute_url(self) -> str:
        return reverse("product", args=[self.pk, self.slug])


def _centimetres(metres: float) -> str:
    """Whole centimetres; small things get a digit more."""
    value = metres * 100
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".rstrip("0").rstrip(".")
