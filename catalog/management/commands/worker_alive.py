"""For a container's health check: does the worker of this machine give signs of life?"""

from __future__ import annotations

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog import operations

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Exit 0 if a worker of this host gave a sign of life lately."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        host = socket.gethostname()
        if not any(worker.name.endswith(f"@{host}") for worker in operations.alive_workers()):
            raise CommandError(f"no worker of {host} gave a sign of life lately")
