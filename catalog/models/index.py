"""What is searched."""

from __future__ import annotations

from django.db import models

from catalog.models.asset import Asset
from catalog.models.leased import Leased
from catalog.models.product import Catalog

__all__ = ["ActiveGeneration", "IndexGeneration"]


class IndexGeneration(Leased):
    """An immutable folder of vectors. At most one is being built at a time."""

    class Status(models.TextChoices):
        QUEUED = "queued", "waiting"
        BUILDING = "building", "being built"
        READY = "ready", "ready"
        FAILED = "failed", "failed"
        RETIRED = "retired", "files deleted"

    catalog = models.ForeignKey(
        Catalog,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        help_text="Blank: products of every catalog.",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED, db_index=True)
    path = models.CharField(max_length=200, blank=True, help_text="Folder under the data folder.")
    embedder = models.CharField(max_length=60, blank=True)
    adapter = models.CharField(max_length=60, blank=True)
    manifest = models.JSONField(default=dict, blank=True)
    model_count = models.PositiveIntegerField(default=0)
    view_count = models.PositiveIntegerField(default=0)
    stage = models.CharField(max_length=60, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    is_activated_when_ready = models.BooleanField(default=True)
    activation_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    assets = models.ManyToManyField(
        Asset, related_name="generations", blank=True, help_text="All that is searched, additions as well."
    )
    additions = models.JSONField(
        default=list,
        blank=True,
        editable=False,
        help_text="Folders under the data folder: views added since, searched together with its own.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "index generation"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=models.Q(status="building"), name="one_build_at_a_time"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="ready") | (~models.Q(path="") & models.Q(view_count__gt=0)),
                name="ready_generation_has_views",
            ),
        ]

    def __str__(self) -> str:
        return f"index {self.pk}"


class ActiveGeneration(models.Model):
    """The one row that says which generation answers searches."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    generation = models.ForeignKey(IndexGeneration, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "active index"
        verbose_name_plural = "active index"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_active_generation")]

    def __str__(self) -> str:
        return f"active: index {self.generation_id}"
