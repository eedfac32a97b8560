"""Photo to answer, as shoppers have it: against a running server, at so many shoppers at once, then overloaded."""

from __future__ import annotations

import json
import queue
import threading
import time
from argparse import ArgumentParser
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from catalog import operations, selectors
from catalog.models import Search

__all__ = ["Command"]

# seconds between two polls, growing as the page's do (frontend/src/api/client.ts)
_FIRST_WAIT, _LONGEST_WAIT, _SLOWER = 0.15, 1.0, 1.3
_PATIENCE = 120.0  # seconds until an answer counts as lost


@dataclass
class Tally:
    """What became of the searches sent: seconds of those answered, and how often each other thing."""

    seconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: str, seconds: float) -> None:
        with self.lock:
            self.outcomes[outcome] += 1
            if outcome == "done":
                self.seconds.append(seconds)

    def quantile(self, q: float) -> float:
        taken = sorted(self.seconds)
        return taken[min(len(taken) - 1, int(q * len(taken)))] if taken else float("nan")

    def row(self, name: str) -> dict[str, Any]:
        spent = time.monotonic() - self.began
        return {
            "load": name,
            "sent": sum(self.outcomes.values()),
            "done": self.outcomes["done"],
            "busy": self.outcomes["busy"],
            "errors": sum(n for what, n in self.outcomes.items() if what not in {"done", "busy"}),
            "per_second": round(self.outcomes["done"] / spent, 2),
            "p50": round(self.quantile(0.5), 3),
            "p95": round(self.quantile(0.95), 3),
            "p99": round(self.quantile(0.99), 3),
        }


class Command(BaseCommand):
    help = "Measure a running server of this installation (make run) with its own sample photos."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000")
        parser.add_argument(
            "--shoppers", default="1,4,16", help="at once, each sending when the last is answered"
        )
        parser.add_argument("--searches", type=int, default=60, help="of each number of shoppers")
        parser.add_argument(
            "--rate", type=float, default=0.0, help="searches a second sent whatever is answered"
        )
        parser.add_argument("--seconds", type=float, default=60.0, help="that long at that rate")
        parser.add_argument("--json", type=Path, dest="out", help="write the figures there as well")

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["url"].rstrip("/")
        photos = [str(sample["name"]) for sample in selectors.sample_list()]
        before = Search.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        try:
            if not requests.get(f"{url}/health/ready", timeout=10).ok:
                raise CommandError(f"{url} is not ready; see {url}/health/ready")
        except requests.RequestException as error:
            raise CommandError(f"{url} does not answer ({error}); start it with make run") from error
        rows = []
        for shoppers in map(int, options["shoppers"].split(",")):
            rows.append(_closed(url, photos, shoppers, options["searches"]).row(f"{shoppers} shoppers"))
        if options["rate"]:
            rate, seconds = options["rate"], options["seconds"]
            rows.append(_open(url, photos, rate, seconds).row(f"{rate:g} a second for {seconds:g} s"))
            rows.append(_closed(url, photos, 1, 10).row("after it, 1 shopper"))
        lost = Search.objects.filter(pk__gt=before, state__in=Search.UNFINISHED).count()
        memory = {worker.name: worker.memory_bytes >> 20 for worker in operations.alive_workers()}
        self._show(rows)
        self.stdout.write(f"unfinished after it all: {lost}; resident MB: {memory}")
        if options["out"]:
            options["out"].write_text(
                json.dumps({"loads": rows, "unfinished": lost, "memory_mb": memory}, indent=1)
            )
        if lost or any(row["errors"] for row in rows):
            raise CommandError("searches were lost or failed")

    def _show(self, rows: list[dict[str, Any]]) -> None:
        table = Table(title="photo to answer, seconds", title_justify="left")
        for name in rows[0]:
            table.add_column(name.replace("_", " "), justify="left" if name == "load" else "right")
        for row in rows:
            table.add_row(*map(str, row.values()))
        Console(file=self.stdout, width=110).print(table)


def _closed(url: str, photos: list[str], shoppers: int, searches: int) -> Tally:
    """Each shopper sends the next when the last is answered; a busy server is asked again when it says."""
    tally = Tally()
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for at in range(searches):
        waiting.put(photos[at % len(photos)])

    def shop() -> None:
        with requests.Session() as session:
            while True:
                try:
                    photo = waiting.get_nowait()
                except queue.Empty:
                    return
                _search(session, url, photo, tally)

    _run([threading.Thread(target=shop) for _ in range(shoppers)])
    return tally


def _open(url: str, photos: list[str], rate: float, seconds: float) -> Tally:
    """A crowd that does not wait for answers."""
    tally = Tally()
    threads = []
    for at in range(int(rate * seconds)):
        time.sleep(max(0.0, tally.began + at / rate - time.monotonic()))
        arguments = (requests, url, photos[at % len(photos)], tally)
        threads.append(threading.Thread(target=_search, args=arguments))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return tally


def _run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _search(session: Any, url: str, photo: str, tally: Tally) -> None:
    start = time.monotonic()
    try:
        sent = session.post(f"{url}/api/v1/searches", data={"sample": photo}, timeout=60)
        if sent.status_code in {429, 503} and sent.headers.get("Retry-After"):
            tally.add("busy", 0.0)
            return
        address = url + sent.json()["api_url"]
        wait = _FIRST_WAIT
        while time.monotonic() - start < _PATIENCE:
            search = session.get(address, timeout=60).json()
            if search["state"] in {"done", "failed", "cancelled"}:
                tally.add(search["state"], time.monotonic() - start)
                return
            time.sleep(wait)
            wait = min(_LONGEST_WAIT, wait * _SLOWER)
        tally.add("lost", 0.0)
    except (requests.RequestException, KeyError, ValueError) as error:
        tally.add(type(error).__name__, 0.0)
