"""Names, prices, stock and links that come as a table."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from catalog.models.product import Catalog, Product

__all__ = ["Feed", "FeedChange"]


class Feed(models.Model):
    """One table for a catalog's products: what it would change, or has changed.

    rows       of the table; unchanged: products that are as it says already
    unknown    [[row number, what it names]] of rows that fit no product
    warnings   sentences, also of what was left alone when it was applied or undone
    """

    class State(models.TextChoices):
        FOUND = "found", "looked at"
        APPLIED = "applied", "applied"
        UNDONE = "undone", "undone"

    catalog = models.ForeignKey(Catalog, on_delete=models.CASCADE, related_name="feeds")
    name = models.CharField("file", max_length=120)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.FOUND)
    rows = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    unknown = models.JSONField(default=list, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "price table"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} for {self.catalog}"


class FeedChange(models.Model):
    """What one row changes of one product. before, after: value by field, as JSON; the same fields in both."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="changes")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    row = models.PositiveIntegerField()
    before = models.JSONField()
    after = models.JSONField()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["feed", "product"], name="one_feed_change_a_product")]

    def __str__(self) -> str:
        return f"row {self.row}: {', '.join(self.after)}"
