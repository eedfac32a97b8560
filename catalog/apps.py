from __future__ import annotations

from django.apps import AppConfig

__all__ = ["CatalogConfig"]


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = "Catalog"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from catalog import auditing, worker  # noqa: F401  (worker connects to the worker's start)

        auditing.register()
