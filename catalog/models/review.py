"""What people say of the answers, and what follows from it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from catalog.models.index import IndexGeneration
from catalog.models.leased import Leased
from catalog.models.product import Catalog, Product
from catalog.models.search import DEFAULT_TAU, Search

__all__ = ["Comparison", "ComparisonCase", "Correction", "CutOff", "ReviewLock", "Verdict"]


class Verdict(models.Model):
    """One reviewer's judgment of one search.

    product         the right product, or the one that is similar; rank: where it was answered, null if it
                    was not
    true_box        [x0, y0, x1, y1] of the first photo, stored pixels, where the searched box is wrong
    true_azimuth_deg, true_elevation_deg  where the viewpoint is wrong
    seconds         the case was open
    """

    class Label(models.TextChoices):
        RIGHT = "right", "right"
        SIMILAR = "similar", "similar"
        WRONG = "wrong", "wrong"
        BAD_CROP = "bad_crop", "bad crop"
        VIEWPOINT = "viewpoint", "wrong viewpoint"
        ABSENT = "absent", "not in the catalog"

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="verdicts")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="verdicts"
    )
    label = models.CharField("verdict", max_length=10, choices=Label.choices, db_index=True)
    product = models.ForeignKey(Product, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    rank = models.PositiveSmallIntegerField(null=True, blank=True)
    true_box = models.JSONField(null=True, blank=True)
    true_azimuth_deg = models.FloatField(null=True, blank=True)
    true_elevation_deg = models.FloatField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    seconds = models.FloatField(default=0.0)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["search", "reviewer"], name="one_verdict_a_reviewer"),
            models.CheckConstraint(
                condition=models.Q(rank__isnull=True) | models.Q(rank__gte=1), name="verdict_rank_from_one"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    label__in=["right", "similar", "wrong", "bad_crop", "viewpoint", "absent"]
                ),
                name="verdict_label_known",
            ),
        ]

    def __str__(self) -> str:
        return f"search {self.search_id}: {self.get_label_display()}"


class ReviewLock(models.Model):
    """A case somebody looks at. One that has run out is free again."""

    search = models.OneToOneField(Search, on_delete=models.CASCADE, related_name="review_lock")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"search {self.search_id} is with {self.reviewer_id}"


class CutOff(models.Model):
    """The best calibrated score below which a search says "nothing similar", for the searches of one embedder.

    The newest that was not undone holds; with none, each index generation's own does.
    """

    embedder = models.CharField(max_length=100, help_text="Fingerprint of the network the scores come from.")
    value = models.FloatField()
    reason = models.CharField(max_length=500)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "cut-off"
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="cut_off_has_reason"),
        ]

    def __str__(self) -> str:
        return f"cut-off {self.value:+.3f}"


class Comparison(Leased):
    """Two sides answer the same saved searches. A side is an index generation with an aspect tolerance."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    generation_a = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE, related_name="+")
    generation_b = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE, related_name="+")
    tau_a = models.FloatField(default=DEFAULT_TAU)
    tau_b = models.FloatField(default=DEFAULT_TAU)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tau_a__gt=0, tau_a__lte=1, tau_b__gt=0, tau_b__lte=1),
                name="comparison_tau_in_range",
            )
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk}"


class ComparisonCase(models.Model):
    """One saved search, answered by both sides.

    answers_a, answers_b  [{"product", "name", "asset", "view", "calibrated"}], best first
    rank_a, rank_b        of the product its verdict calls right; null where it is not among the answers
    """

    class Outcome(models.TextChoices):
        BETTER = "better", "better"
        WORSE = "worse", "worse"
        SAME = "same", "the same"
        CHANGED = "changed", "another first answer"

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="cases")
    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="+")
    answers_a = models.JSONField(default=list)
    answers_b = models.JSONField(default=list)
    rank_a = models.PositiveSmallIntegerField(null=True, blank=True)
    rank_b = models.PositiveSmallIntegerField(null=True, blank=True)
    is_judged = models.BooleanField(default=False, help_text="A verdict says which product is right.")
    outcome = models.CharField(max_length=8, choices=Outcome.choices, db_index=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["comparison", "search"], name="compared_once")]

    def __str__(self) -> str:
        return f"search {self.search_id}: {self.outcome}"


class Correction(models.Model):
    """What an admin says of one model of a catalog, over what its source says; kept for every later import."""

    catalog = models.ForeignKey(Catalog, on_delete=models.CASCADE, related_name="corrections")
    key = models.CharField("source key", max_length=500)
    unit = models.CharField(max_length=2, blank=True)
    up = models.CharField("up axis", max_length=2, blank=True)
    front = models.CharField("front axis", max_length=2, blank=True)
    category = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["catalog", "key"]
        constraints = [models.UniqueConstraint(fields=["catalog", "key"], name="one_correction_a_model")]

    def __str__(self) -> str:
        return self.key
