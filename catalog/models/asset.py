"""A 3D model, read, normalized and rendered."""

from __future__ import annotations

from django.db import models

__all__ = ["Asset"]


class Asset(models.Model):
    """What one model file becomes in one frame with one renderer; a directory of derived files.

    Never changed once it is ready: another frame or renderer makes another asset. View k of it
    has the id `pk * VIEWS_LIMIT + k`, for ever.
    """

    VIEWS_LIMIT = 1024

    class Status(models.TextChoices):
        PENDING = "pending", "being read"
        READY = "ready", "ready"
        FAILED = "failed", "failed"

    class Symmetry(models.TextChoices):
        NONE = "none", "none"
        HALF = "half", "every half turn"
        QUARTER = "quarter", "every quarter turn"
        ROUND = "round", "round"

    hash = models.CharField(max_length=40, unique=True, help_text="Of content, frame and renderer.")
    content_hash = models.CharField(max_length=64, db_index=True)
    frame = models.JSONField(default=dict, help_text="Unit, axes and size it was read with.")
    renderer = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING, db_index=True)
    error = models.TextField(blank=True)
    warnings = models.JSONField(default=list, blank=True)
    faces = models.PositiveIntegerField(default=0)
    materials = models.PositiveIntegerField(default=0)
    view_count = models.PositiveSmallIntegerField(default=0)
    extents = models.JSONField(default=list, blank=True, help_text="Width, height, depth in metres.")
    symmetry = models.CharField(
        max_length=10,
        blank=True,
        choices=Symmetry.choices,
        help_text="About the up axis. Viewpoints that look the same are not called wrong.",
    )
    mesh_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "3D model"
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(view_count__lte=1024), name="asset_view_ids_fit"),
            models.CheckConstraint(
                condition=~models.Q(status="ready") | models.Q(view_count__gt=0), name="asset_ready_has_views"
            ),
        ]

    def __str__(self) -> str:
        return f"model {self.hash[:8]}"

    @property
    def first_view_id(self) -> int:
        return self.pk * self.VIEWS_LIMIT
