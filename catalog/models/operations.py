"""Who works, what was given up, and which programs may ask."""

from __future__ import annotations

from django.conf import settings
from django.db import models

__all__ = ["ApiToken", "DeadLetter", "WorkerHeartbeat"]


class DeadLetter(models.Model):
    """Work that was given up: it killed its worker each time, or failed in a way nobody foresaw.

    task, row  what it was: a task's name and the id it was called with
    """

    task = models.CharField(max_length=100)
    row = models.PositiveBigIntegerField()
    reason = models.TextField()
    traceback = models.TextField(blank=True)
    request = models.CharField("request id", max_length=64, blank=True)
    failed_at = models.DateTimeField(auto_now_add=True)
    rerun_at = models.DateTimeField("run again at", null=True, blank=True)
    rerun_by = models.CharField("by", max_length=150, blank=True)

    class Meta:
        verbose_name = "failed work"
        verbose_name_plural = "failed work"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["task", "row"], condition=models.Q(rerun_at=None), name="one_dead_letter_a_row"
            )
        ]

    def __str__(self) -> str:
        return f"{self.task.rpartition('.')[2]}({self.row})"


class WorkerHeartbeat(models.Model):
    """A worker says that it is there, every few seconds.

    process       where it runs, as in a lease's owner: one that was killed here is known at once
    memory_bytes  resident, with its children
    """

    name = models.CharField(max_length=200, unique=True)
    process = models.CharField(max_length=200, blank=True, editable=False)
    queues = models.JSONField(default=list)
    memory_bytes = models.PositiveBigIntegerField("memory", default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "worker"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A key for a program. Only its SHA-256 is kept: the key has 256 random bits, so that needs no salt.

    It never allows more than its user may; `scope` says which part of that.
    """

    class Scope(models.TextChoices):
        SEARCH = "search", "search"
        READ = "read", "search, and see catalogs and the index"
        MANAGE = "manage", "search, see and change catalogs and the index"

    name = models.CharField(max_length=80)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    scope = models.CharField(max_length=6, choices=Scope.choices, default=Scope.READ)
    start = models.CharField(max_length=12, editable=False, help_text="Of the key, to tell it from others.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Blank: never.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"
