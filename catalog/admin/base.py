"""What our admin pages share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.admin import ModelAdmin

__all__ = ["AuditedAdmin", "ReadOnlyAdmin"]


class AuditedAdmin(ModelAdmin):
    """Its history is the log of changes. Rows are withdrawn or ended, never deleted by hand."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        kind = ContentType.objects.get_for_model(self.model).pk
        address = reverse(f"admin:{LogEntry._meta.app_label}_{LogEntry._meta.model_name}_changelist")
        return redirect(f"{address}?content_type__id__exact={kind}&object_pk={object_id}")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(AuditedAdmin):
    """Rows that services write: to be looked at, never typed into."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return self.fields or super().get_readonly_fields(request, obj)

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Of actions that enqueue work: whoever may change such rows elsewhere."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
