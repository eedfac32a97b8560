"""Who wants to be told when a search has ended."""

from __future__ import annotations

from django.db import models

from catalog.models.leased import Leased
from catalog.models.search import Search

__all__ = ["Callback"]


class Callback(Leased):
    """One address to tell of one search, signed with a secret of its own; due_at: not to be tried before."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "given up"

    search = models.OneToOneField(Search, on_delete=models.CASCADE, related_name="callback")
    url = models.URLField(max_length=1000)
    secret = models.CharField(max_length=100, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING, db_index=True)
    due_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"callback of search {self.search_id}"
