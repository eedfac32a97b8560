"""For whoever runs the site: what was given up, who works, which programs may ask."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from catalog import operations
from catalog.admin.asking import ask, is_confirmed
from catalog.admin.base import AuditedAdmin, ReadOnlyAdmin
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
class ApiTokenAdmin(AuditedAdmin):
    """A key acts for its user, so everybody has keys of their own; only a superuser makes and sees others'."""

    list_display = ("name", "start", "user", "scope", "badge", "created_at", "last_used_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", *(("user",) if request.user.is_superuser else ()), "scope", "expires_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        rows: QuerySet[ApiToken] = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(user=request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        user = obj.user if request.user.is_superuser else request.user
        row, key = tokens.issue(user, obj.name, obj.scope, obj.expires_at)
        obj.pk, obj.user = row.pk, user
        self.message_user(request, f"The key, shown this once: {key}", messages.WARNING)

    @admin.display(description="state")
    def badge(self, token: ApiToken) -> str:
        if token.revoked_at:
            return state_badge("failed", "revoked")
        if token.expires_at and token.expires_at <= timezone.now():
            return state_badge("failed", "expired")
        return state_badge("done", "valid")

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> HttpResponse | None:
        if not is_confirmed(request):
            text = "Programs that use them are refused at once. This can't be undone: make a new key instead."
            return ask(self, request, title="Revoke these keys?", text=text, button="Revoke", rows=rows)
        for token in rows:
            tokens.revoke(token)
        self.message_user(request, f"{len(rows)} tokens open nothing any more", messages.SUCCESS)
        return None
