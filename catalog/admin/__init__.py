"""The admin site: looking rather than reading."""

from __future__ import annotations

from catalog.admin import (
    assets,
    auditing,
    comparing,
    feeds,
    importing,
    index,
    operations,
    people,
    products,
    reviewing,
    searches,
    shoppers,
)

__all__ = [
    "assets",
    "auditing",
    "comparing",
    "feeds",
    "importing",
    "index",
    "operations",
    "people",
    "products",
    "reviewing",
    "searches",
    "shoppers",
]
