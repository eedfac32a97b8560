"""Who changed what, from what to what, and when."""

from __future__ import annotations

from auditlog.admin import LogEntryAdmin as LibraryLogEntryAdmin
from auditlog.models import LogEntry
from django.contrib import admin
from unfold.admin import ModelAdmin

__all__ = ["LogEntryAdmin"]

admin.site.unregister(LogEntry)


@admin.register(LogEntry)
class LogEntryAdmin(LibraryLogEntryAdmin, ModelAdmin):
    """The library's own, in the theme."""

    date_hierarchy = None
    list_display = ("created", "resource_url", "action", "msg_short", "user_url")
    list_filter = ("action", "content_type")
    list_select_related = ("content_type", "actor")
    search_fields = ("object_repr", "changes", "actor__username")
    show_full_result_count = False
