"""The admin site: looking rather than reading."""

from __future__ import annotations

from catalog.admin import assets, importing, index, people, products, searches

__all__ = ["assets", "importing", "index", "people", "products", "searches"]
