"""What shoppers say of results, and what they show to others."""

from __future__ import annotations

import secrets

from django.db import models
from django.urls import reverse

from catalog.models.product import Product
from catalog.models.search import Search, SearchResult

__all__ = ["Feedback", "Share"]


class Feedback(models.Model):
    """One thing said of one product of one search: said again, it replaces what was said before.

    camera: where the shopper put the model by hand, as the API gives cameras; of `Kind.POSE` only.
    """

    class Kind(models.TextChoices):
        IS_IT = "is_it", "this is it"
        NOT_IT = "not_it", "this is not it"
        POSE = "pose", "placed by hand"

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="feedback")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="feedback")
    about = models.CharField(max_length=10, choices=[("match", "the match"), ("pose", "the pose")])
    kind = models.CharField(max_length=10, choices=Kind.choices, db_index=True)
    camera = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        verbose_name_plural = "feedback"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["search", "product", "about"], name="feedback_said_once"),
            models.CheckConstraint(
                condition=models.Q(about="pose", kind="pose", camera__isnull=False)
                | models.Q(about="match", kind__in=["is_it", "not_it"], camera__isnull=True),
                name="feedback_pose_has_camera",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: product {self.product_id} of search {self.search_id}"


def _token() -> str:
    return secrets.token_urlsafe(24)


class Share(models.Model):
    """A link to one product over its photo, for others to look at until it expires or is deleted."""

    token = models.CharField(max_length=40, unique=True, default=_token, editable=False)
    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="shares")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"share of product {self.product_id}"

    @property
    def result(self) -> SearchResult | None:
        """None where the search was answered anew without the product."""
        return self.search.results.filter(product=self.product).first()

    @property
    def photo_index(self) -> int:
        return self.result.photo_index if self.result else 0

    def get_absolute_url(self) -> str:
        return reverse("share", args=[self.token])
