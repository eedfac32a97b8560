"""What our admin pages share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin

__all__ = ["ReadOnlyAdmin"]


class ReadOnlyAdmin(ModelAdmin):
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

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
