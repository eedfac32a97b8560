"""For whoever runs the site: what was given up, who works, which programs may ask."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from unfold.admin import ModelAdmin

from catalog import operations
from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.pictures import state_badge
from catalog.errors import NotPossible
from catalog.models import ApiToken, DeadLetter, WorkerHeartbeat
from catalog.services import deadletters, tokens

__all__ = ["ApiTokenAdmin", "DeadLetterAdmin", "WorkerAdmin"]


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "badge", "reason", "failed_at", "rerun_at", "rerun_by")
    list_filter = ("task", ("rerun_at", admin.EmptyFieldListFilter))
    fields = ("task", "row", "reason", "traceback", "request", "failed_at", "rerun_at", "rerun_by")
    actions = ("run_again",)

    @admin.display(description="state")
    def badge(self, letter: DeadLetter) -> str:
        return state_badge("done", "run again") if letter.rerun_at else state_badge("failed", "waiting")

    @admin.action(description="Run again", permissions=["operate"])
    def run_again(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        for letter in letters:
            try:
                deadletters.rerun(letter, by=request.user.get_username())
            except NotPossible as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.message_user(request, f"{letter} is on the queue again", messages.SUCCESS)


@admin.register(WorkerHeartbeat)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "badge", "takes", "memory", "started_at", "seen_at")
    fields = ("name", "takes", "memory", "started_at", "seen_at")

    @admin.display(description="state")
    def badge(self, worker: WorkerHeartbeat) -> str:
        is_alive = worker in operations.alive_workers()
        return state_badge("done", "alive") if is_alive else state_badge("failed", "silent")

    @admin.display(description="takes")
    def takes(self, worker: WorkerHeartbeat) -> str:
        return ", ".join(worker.queues)

    @admin.display(description="memory", ordering="memory_bytes")
    def memory(self, worker: WorkerHeartbeat) -> str:
        return filesizeformat(worker.memory_bytes)


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    list_display = ("name", "start", "user", "scope", "badge", "created_at", "last_used_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    fields = ("name", "user", "scope", "expires_at")
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        row, key = tokens.issue(obj.user, obj.name, obj.scope, obj.expires_at)
        obj.pk = row.pk
        self.message_user(request, f"The key, shown this once: {key}", messages.WARNING)

    @admin.display(description="state")
    def badge(self, token: ApiToken) -> str:
        if token.revoked_at:
            return state_badge("failed", "revoked")
        if token.expires_at and token.expires_at <= timezone.now():
            return state_badge("failed", "expired")
        return state_badge("done", "valid")

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        for token in rows:
            tokens.revoke(token)
        self.message_user(request, f"{len(rows)} tokens open nothing any more", messages.SUCCESS)
