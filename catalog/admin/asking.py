"""Actions that ask first: a page says what will happen, and only its button does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

__all__ = ["ask", "is_confirmed"]

_SHOWN = 20  # rows named


def is_confirmed(request: HttpRequest) -> bool:
    return request.method == "POST" and request.POST.get("confirmed") == "yes"


def ask(
    admin: ModelAdmin,
    request: HttpRequest,
    *,
    title: str,
    text: str,
    button: str,
    rows: Sequence[Any] = (),
    form: Form | None = None,
) -> HttpResponse:
    """The page that asks. text: what will happen and how to undo it; rows: what it happens to; form: what
    has to be said with it."""
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": title,
        "text": text,
        "button": button,
        "rows": [str(row) for row in rows[:_SHOWN]],
        "more": max(0, len(rows) - _SHOWN),
        "chosen": [row.pk for row in rows],
        "checkbox": ACTION_CHECKBOX_NAME,
        "action": request.POST.get("action", ""),
        "form": form,
    }
    return TemplateResponse(request, "admin/catalog/ask.html", context)
