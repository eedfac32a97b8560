"""How products came in: a run, and what became of every file of it."""

from __future__ import annotations

from django.db import models

from catalog.models.asset import Asset
from catalog.models.leased import Leased
from catalog.models.product import Catalog, Product

__all__ = ["ImportItem", "ImportRun"]


class ImportRun(Leased):
    """One import of one source. The frame fields say what the source leaves open."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        FOUND = "found", "to be looked at"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    class Unit(models.TextChoices):
        MILLIMETRE = "mm", "millimetres"
        CENTIMETRE = "cm", "centimetres"
        METRE = "m", "metres"
        INCH = "in", "inches"

    class Up(models.TextChoices):
        Y = "+y", "y"
        Z = "+z", "z"

    class Front(models.TextChoices):
        Z = "+z", "+z"
        MINUS_Z = "-z", "-z"
        X = "+x", "+x"
        MINUS_X = "-x", "-x"

    catalog = models.ForeignKey(Catalog, on_delete=models.CASCADE, related_name="imports")
    source = models.CharField(max_length=1000, help_text="Folder or file on the server.")
    unit = models.CharField(
        max_length=2, choices=Unit.choices, blank=True, help_text="Blank: what the files say, else a guess."
    )
    up = models.CharField("up axis", max_length=2, choices=Up.choices, blank=True)
    front = models.CharField("front axis", max_length=2, choices=Front.choices, blank=True)
    excluded_categories = models.JSONField(default=list, blank=True)
    warnings = models.JSONField(default=list, blank=True, help_text="Of the source as a whole.")
    left_over = models.JSONField(
        "other files", default=list, blank=True, help_text="Files that are no model and belong to none."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    error = models.TextField(blank=True)
    builds_index = models.BooleanField("rebuild the index afterwards", default=True)
    is_preview = models.BooleanField(
        default=False, help_text="Reads and renders everything, and changes no product until it is confirmed."
    )
    withdraws_missing = models.BooleanField(
        "withdraw what is no longer in the source",
        default=False,
        help_text="Products of this catalog that the source has no longer are left out of searches.",
    )
    only_keys = models.JSONField(
        default=list, blank=True, help_text="Keys of the models to read again; empty: all."
    )
    stamp = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Names, sizes and times of the source's files."
    )
    total = models.PositiveIntegerField(default=0)
    processed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    started_from = models.PositiveIntegerField(
        default=0, editable=False, help_text="Files that were done when it was last taken up."
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "import"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_import_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"import {self.pk}"


class ImportItem(models.Model):
    """What became of one file."""

    class Outcome(models.TextChoices):
        IMPORTED = "imported", "imported"
        UPDATED = "updated", "updated"
        UNCHANGED = "unchanged", "unchanged"
        FAILED = "failed", "failed"
        IGNORED = "ignored", "left out"
        FOUND = "found", "found"
        WITHDRAWN = "withdrawn", "withdrawn"

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="items")
    key = models.CharField(max_length=500)
    name = models.CharField(max_length=300, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, db_index=True)
    code = models.CharField(max_length=40, blank=True)
    reason = models.TextField(blank=True)
    warnings = models.JSONField(default=list, blank=True)
    product = models.ForeignKey(Product, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    asset = models.ForeignKey(Asset, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    frame = models.JSONField(default=dict, blank=True, help_text="Unit and axes it was read with.")
    category = models.CharField(max_length=200, blank=True)
    creator = models.CharField(max_length=300, blank=True)
    license = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "imported file"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="import_item_once"),
            models.CheckConstraint(
                condition=~models.Q(outcome="failed") | ~models.Q(reason=""), name="import_failure_has_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.outcome}"
