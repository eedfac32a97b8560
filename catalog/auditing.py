"""What is logged of what people change: who, when, from what to what (django-auditlog).

Rows that workers write for themselves (searches, leases, progress) are not logged: they say it of themselves.
"""

from __future__ import annotations

from auditlog.registry import auditlog
from django.contrib.auth.models import Group, User

from catalog.models import (
    ActiveGeneration,
    ApiToken,
    Asset,
    Catalog,
    Comparison,
    Correction,
    CutOff,
    DeadLetter,
    Feed,
    ImportRun,
    IndexGeneration,
    Product,
    Verdict,
)

__all__ = ["register"]

_ASKED = ("catalog", "source", "unit", "up", "front", "builds_index", "withdraws_missing", "is_preview")


def register() -> None:
    auditlog.register(Product, exclude_fields=["updated_at"])
    auditlog.register(Catalog)
    auditlog.register(Correction)
    auditlog.register(Asset, include_fields=["symmetry"])
    auditlog.register(ImportRun, include_fields=list(_ASKED))
    auditlog.register(Feed, include_fields=["catalog", "name", "state"])
    auditlog.register(IndexGeneration, include_fields=["catalog", "is_activated_when_ready"])
    auditlog.register(ActiveGeneration, exclude_fields=["changed_at"])
    auditlog.register(Verdict, exclude_fields=["updated_at", "created_at"])
    auditlog.register(CutOff)
    auditlog.register(Comparison, include_fields=["generation_a", "generation_b", "tau_a", "tau_b"])
    auditlog.register(ApiToken, exclude_fields=["digest", "last_used_at"])
    auditlog.register(DeadLetter, include_fields=["task", "row", "rerun_by"])
    auditlog.register(User, exclude_fields=["last_login"], mask_fields=["password"], m2m_fields={"groups"})
    auditlog.register(Group, m2m_fields={"permissions"})
