"""What whoever runs the site wants to know: who works, what waits, how long it takes."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Count, F, Min, QuerySet
from django.utils import timezone

from catalog.models import (
    ActiveGeneration,
    Asset,
    DeadLetter,
    ImportRun,
    IndexGeneration,
    Photo,
    Product,
    Search,
    WorkerHeartbeat,
)
from catalog.services import collecting
from catalog.services.leases import is_dead

__all__ = ["alive_workers", "figures", "has_worker"]

Figure = tuple[str, str, list[str], list[tuple[list[str], float]]]

_LATELY = timedelta(minutes=5)
_SAMPLED = 2000  # searches of that time: the quantiles of more would not differ
_QUANTILES = (0.5, 0.95, 0.99)


def alive_workers() -> list[WorkerHeartbeat]:
    """Those heard of lately, but for those whose process on this machine is gone."""
    since = timezone.now() - timedelta(seconds=settings.SHAPELENS_SILENT_SECONDS)
    return [row for row in WorkerHeartbeat.objects.filter(seen_at__gte=since) if not is_dead(row.process)]


def has_worker(queue: str) -> bool:
    """Whether anybody alive takes work of that queue."""
    return any(queue in worker.queues for worker in alive_workers())


def figures() -> list[Figure]:
    """(name, what it is, label names, [(labels, value)])."""
    now = timezone.now()
    waiting = Search.objects.filter(state=Search.State.QUEUED)
    oldest = waiting.aggregate(oldest=Min("created_at"))["oldest"]
    active = ActiveGeneration.objects.select_related("generation").first()
    budget = collecting.disk()
    disk = shutil.disk_usage(Path(settings.SHAPELENS_DATA))
    return [
        ("searches", "Searches by state", ["state"], _by(Search.objects.all(), "state")),
        (
            "oldest_waiting_search_seconds",
            "Age of the search that waits longest",
            [],
            [([], (now - oldest).total_seconds() if oldest else 0.0)],
        ),
        ("search_seconds", "Sent to answered, over the last 5 minutes", ["quantile"], _quantiles()),
        ("imports", "Imports by state", ["state"], _by(ImportRun.objects.all(), "state")),
        ("builds", "Index generations by status", ["status"], _by(IndexGeneration.objects.all(), "status")),
        ("products", "Products offered", [], [([], Product.objects.filter(is_withdrawn=False).count())]),
        ("models", "Models by status", ["status"], _by(Asset.objects.all(), "status")),
        ("index_views", "Views searched", [], [([], active.generation.view_count if active else 0)]),
        ("photos", "Photos kept", [], [([], Photo.objects.count())]),
        (
            "failed_work",
            "Work given up that waits for a person",
            [],
            [([], DeadLetter.objects.filter(rerun_at=None).count())],
        ),
        ("workers", "Workers alive by queue", ["queue"], _workers()),
        (
            "worker_memory_bytes",
            "Resident memory of a worker and its children",
            ["worker"],
            [([worker.name], worker.memory_bytes) for worker in alive_workers()],
        ),
        (
            "data_bytes",
            "The data folder, as last measured",
            ["folder"],
            [([k], v) for k, v in budget.folders.items()],
        ),
        ("data_limit_bytes", "What the data folder may take; 0: any amount", [], [([], budget.limit)]),
        ("disk_free_bytes", "Free where the data folder lies", [], [([], disk.free)]),
    ]


def _by(rows: QuerySet, field: str) -> list[tuple[list[str], float]]:  # type: ignore[type-arg]
    counted = rows.order_by().values_list(field).annotate(n=Count("pk"))
    return [([str(value)], n) for value, n in counted]


def _workers() -> list[tuple[list[str], float]]:
    queues = sorted({str(queue.name) for queue in settings.CELERY_TASK_QUEUES})
    alive = alive_workers()
    return [([queue], sum(queue in worker.queues for worker in alive)) for queue in queues]


def _quantiles() -> list[tuple[list[str], float]]:
    done = Search.objects.filter(state=Search.State.DONE, finished_at__gte=timezone.now() - _LATELY)
    taken = sorted(
        span.total_seconds()
        for span in done.order_by("-pk").values_list(F("finished_at") - F("created_at"), flat=True)[:_SAMPLED]
    )
    if not taken:
        return []
    return [([str(q)], taken[min(len(taken) - 1, int(q * len(taken)))]) for q in _QUANTILES]
