"""Work that one process does at a time, and another takes over when the first dies."""

from __future__ import annotations

from django.db import models

__all__ = ["Leased"]


class Leased(models.Model):
    """Whoever works on the row renews its lease; one that has run out may be taken over.

    attempts     times the work was begun; bounded, so that a row that kills its worker ends
    enqueued_at  when its task was last put on the queue
    """

    lease_owner = models.CharField(max_length=200, blank=True, default="", editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    enqueued_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
