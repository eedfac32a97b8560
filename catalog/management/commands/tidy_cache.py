"""What housekeeping does for its own machine's disk, for each other machine that shares none with it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.services import tidying

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Check this machine's copy of the index, remove leftovers, and keep its disk within SHAPELENS_DISK_MIB."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{tidying.tidy_here()} folders removed")
