"""Who may do what: three groups, made by a migration. Being in none of them shows nothing.

A migration calls `make_groups`; to change what a group may do, change GROUPS and call it from another.
"""

from __future__ import annotations

from typing import Any

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions

__all__ = ["GROUPS", "make_groups"]

_VIEWED = (
    "product", "catalog", "asset", "importrun", "importitem", "indexgeneration", "activegeneration", "search",
    "searchphoto", "searchresult", "photo", "callback", "verdict", "cutoff", "comparison", "comparisoncase",
    "correction", "feed", "feedback", "share", "deadletter", "workerheartbeat",
)  # fmt: skip
_VIEW = (*(f"catalog.view_{name}" for name in _VIEWED), "auditlog.view_logentry")

GROUPS: dict[str, tuple[str, ...]] = {
    "read-only": _VIEW,
    "catalog admins": (
        *_VIEW,
        "catalog.change_product",
        "catalog.change_catalog",
        "catalog.change_asset",
        "catalog.add_importrun",
        "catalog.change_importrun",
        "catalog.add_indexgeneration",
        "catalog.change_indexgeneration",
        "catalog.add_correction",
        "catalog.change_correction",
        "catalog.change_deadletter",
        "catalog.view_apitoken",
        "catalog.add_apitoken",
        "catalog.change_apitoken",
    ),
    "quality staff": (
        *_VIEW,
        "catalog.add_verdict",
        "catalog.change_verdict",
        "catalog.delete_verdict",
        "catalog.add_cutoff",
        "catalog.change_cutoff",
        "catalog.add_comparison",
        "catalog.change_asset",
    ),
}


def make_groups(apps: Apps, schema_editor: Any) -> None:  # noqa: ARG001  (as RunPython calls it)
    """Make the groups where they are missing and give each what it may do; more that was given stays.

    Permissions are otherwise made only after all migrations, so they are made here first. What belongs to a
    table that a later migration makes is given by that one.
    """
    for name in ("auditlog", "catalog"):
        config = apps.get_app_config(name)
        config.models_module = True  # the stub of a migration has none, and would be passed over
        create_permissions(config, apps=apps, verbosity=0)
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for name, allowed in GROUPS.items():
        group, _ = group_model.objects.get_or_create(name=name)
        for permission in allowed:
            app, codename = permission.split(".")
            group.permissions.add(
                *permission_model.objects.filter(content_type__app_label=app, codename=codename)
            )
