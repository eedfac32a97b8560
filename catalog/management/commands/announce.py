"""Tell the address once the page answers: the last line of `make run`."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

__all__ = ["Command"]

_PATIENCE = 120.0  # seconds
_EVERY = 0.3


class Command(BaseCommand):
    help = "Wait until the local web server answers, then print its address."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        address = f"http://127.0.0.1:{options['port']}/"
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{address}health/live", timeout=5):  # noqa: S310  (our own server)
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(_EVERY)
        else:
            raise CommandError(f"{address} does not answer after {_PATIENCE:.0f} s; the lines above say why")
        self.stdout.write(f"\n    Shapelens runs at  {address}   (Ctrl-C stops it)\n")
