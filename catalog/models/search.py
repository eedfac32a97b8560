"""What a shopper asked, and what was answered."""

from __future__ import annotations

import uuid

from django.db import models
from django.urls import reverse

from catalog.models.asset import Asset
from catalog.models.index import IndexGeneration
from catalog.models.leased import Leased
from catalog.models.product import Product

__all__ = ["DEFAULT_TAU", "Photo", "Search", "SearchPhoto", "SearchResult"]

DEFAULT_TAU = 0.8  # factor two aspects may differ by: a box drawn by hand is off by a tenth of its sides


class Photo(models.Model):
    """An uploaded photo. The uuid is unguessable and is the only key to it.

    sent_width, sent_height  of the file as it came, upright
    width, height            of the stored upright picture; null until a worker has made it
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    format = models.CharField(max_length=10)
    size_bytes = models.PositiveIntegerField("bytes")
    sent_width = models.PositiveIntegerField()
    sent_height = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    focal_px = models.FloatField("focal length, px", null=True, blank=True)
    sample = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(width__isnull=True, height__isnull=True)
                | models.Q(width__gt=0, height__gt=0),
                name="photo_both_sides",
            )
        ]

    def __str__(self) -> str:
        return f"photo {self.pk}"

    @property
    def is_upright(self) -> bool:
        """Whether the upright picture has been made."""
        return self.width is not None


class Search(Leased):
    """One question: what is in these photos of one thing?"""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        LOOKING = "looking", "looking for the object"
        MATCHING = "matching", "matching"
        FITTING = "fitting", "fitting the models"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    UNFINISHED = (State.QUEUED, State.LOOKING, State.MATCHING, State.FITTING)
    STAGES = (State.LOOKING, State.MATCHING, State.FITTING)

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    tau = models.FloatField("aspect tolerance", default=DEFAULT_TAU)
    words = models.CharField(max_length=200, blank=True, help_text="Said with the photo, as typed.")
    words_used = models.JSONField(default=list, blank=True, help_text="Of them, what products were found by.")
    colors = models.JSONField(default=list, blank=True, help_text="Shares of the basic colors in the box.")
    tau_used = models.FloatField(null=True, blank=True)
    is_widened = models.BooleanField(default=False)
    is_no_match = models.BooleanField("nothing similar", default=False)
    best_calibrated = models.FloatField(
        "best calibrated score", null=True, blank=True, db_index=True, help_text="Over all views searched."
    )
    generation = models.ForeignKey(IndexGeneration, on_delete=models.SET_NULL, null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    seconds = models.JSONField(default=dict, blank=True)
    key_hash = models.CharField(
        max_length=64, null=True, blank=True, unique=True, editable=False, help_text="Of an Idempotency-Key."
    )
    request_hash = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of what was asked with that key."
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "searches"
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(tau__gt=0, tau__lte=1), name="search_tau_in_range"),
            models.CheckConstraint(
                condition=~models.Q(state="failed") | ~models.Q(error_message=""),
                name="failed_search_says_why",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["done", "failed", "cancelled"])
                | models.Q(finished_at__isnull=False),
                name="finished_search_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"search {self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    def get_absolute_url(self) -> str:
        return reverse("search", args=[self.uuid])


class SearchPhoto(models.Model):
    """A photo within a search, and where the thing is in it.

    asked        what the shopper said: a box of their own, the whole photo, or nothing
    asked_box    [x0, y0, x1, y1] of the photo as it was sent, upright; null without a box
    box          the same in the stored photo's pixels, as it was searched
    turn_deg     how far around the thing it was taken from, since the first photo: degrees, counter-clockwise
                 seen from above; null where nobody said
    detections   [{"box": […], "score": s}], best first
    outline      rings of [x, y] around the object's pixels in the stored photo, holes by the even-odd rule; empty
                 where it could not be told from what is around it, null before the search
    """

    class Asked(models.TextChoices):
        BOX = "box", "the shopper's box"
        WHOLE = "whole", "the whole photo"
        FIND = "find", "to be found"

    class BoxSource(models.TextChoices):
        SHOPPER = "shopper", "the shopper's"
        FOUND = "found", "found"
        WHOLE = "whole", "the whole photo"

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="photos")
    photo = models.ForeignKey(Photo, on_delete=models.PROTECT, related_name="searches")
    position = models.PositiveSmallIntegerField(default=0)
    asked = models.CharField(max_length=5, choices=Asked.choices, default=Asked.FIND)
    asked_box = models.JSONField(null=True, blank=True)
    turn_deg = models.FloatField(null=True, blank=True)
    box = models.JSONField(null=True, blank=True)
    box_source = models.CharField(max_length=7, choices=BoxSource.choices, blank=True)
    detections = models.JSONField(default=list, blank=True)
    outline = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["search", "position"], name="search_photo_position"),
            models.CheckConstraint(
                condition=models.Q(asked="box", asked_box__isnull=False)
                | (~models.Q(asked="box") & models.Q(asked_box__isnull=True)),
                name="search_photo_asked_box",
            ),
        ]

    def __str__(self) -> str:
        return f"photo {self.position + 1} of search {self.search_id}"

    @property
    def drawn_box(self) -> list[float] | None:
        """The shopper's box in the stored photo's pixels; as it was sent while that photo's size is not known."""
        box, photo = self.asked_box, self.photo
        if box is None or not photo.width or not photo.height:
            return box
        across, down = photo.width / photo.sent_width, photo.height / photo.sent_height
        return [box[0] * across, box[1] * down, box[2] * across, box[3] * down]


class SearchResult(models.Model):
    """A product found.

    total        what products are ranked by
    photo_index  the photo whose best view this is, and in which the pose stands
    pose         as the API gives it, null where none fits
    others       [{"view_index", "azimuth_deg", "elevation_deg"}]: viewpoints almost as good
    agreement    {"values": rows of cells, "score", "down", "right"}: where that view agrees with the photo
    color        likeness of colors in [0, 1], null where it is not known
    """

    class Confidence(models.TextChoices):
        VERY_LIKELY = "very likely", "very likely"
        LIKELY = "likely", "likely"
        SIMILAR = "similar shape", "similar shape"
        WEAK = "weak", "weak"

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="results")
    rank = models.PositiveSmallIntegerField()
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    view_index = models.PositiveSmallIntegerField()
    azimuth_deg = models.FloatField()
    elevation_deg = models.FloatField()
    photo_index = models.PositiveSmallIntegerField(default=0)
    total = models.FloatField(default=0)
    score = models.FloatField()
    calibrated = models.FloatField()
    confidence = models.CharField(max_length=16, choices=Confidence.choices)
    pose = models.JSONField(null=True, blank=True)
    others = models.JSONField(default=list, blank=True)
    agreement = models.JSONField(null=True, blank=True)
    color = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["search", "rank"], name="search_result_rank"),
            models.UniqueConstraint(fields=["search", "product"], name="search_result_product"),
            models.CheckConstraint(condition=models.Q(rank__gte=1), name="search_result_rank_from_one"),
            models.CheckConstraint(
                condition=models.Q(confidence__in=["very likely", "likely", "similar shape", "weak"]),
                name="search_result_confidence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rank}. {self.product_id}"

    @property
    def view_name(self) -> str:
        return f"{self.view_index}.jpg"

    @property
    def view_id(self) -> int:
        return self.asset_id * Asset.VIEWS_LIMIT + self.view_index
