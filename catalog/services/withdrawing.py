"""Leave products out of searches, and bring them back. Takes effect with the next search; no rebuild."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from catalog.models import Product

__all__ = ["restore", "withdraw"]


def withdraw(products: QuerySet[Product]) -> int:
    """How many were offered before."""
    return _set(products, is_withdrawn=True)


def restore(products: QuerySet[Product]) -> int:
    """How many were withdrawn before."""
    return _set(products, is_withdrawn=False)


def _set(products: QuerySet[Product], *, is_withdrawn: bool) -> int:
    """One by one, as an update of all at once would not be logged."""
    changed = 0
    with transaction.atomic():
        for product in products.filter(is_withdrawn=not is_withdrawn).iterator():
            product.is_withdrawn = is_withdrawn
            product.save(update_fields=["is_withdrawn", "updated_at"])
            changed += 1
    return changed
