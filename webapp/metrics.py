"""Figures for Prometheus: what this process answered, and what the database knows of all of them.

Several gunicorn processes on one machine count into one folder where PROMETHEUS_MULTIPROC_DIR names it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

from django.db import DatabaseError
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from catalog import operations

__all__ = ["REQUESTS", "SECONDS", "text"]

log = logging.getLogger(__name__)

REQUESTS = Counter("shapelens_http_requests", "Requests answered", ["method", "view", "status"])
SECONDS = Histogram(
    "shapelens_http_seconds",
    "Seconds until the answer was ready",
    ["view"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)


class _OfDatabase(Collector):
    """The same from every web machine: take one of them, or the maximum."""

    def collect(self) -> Iterator[Metric]:
        try:
            figures = operations.figures()
        except DatabaseError as error:  # what this process counted is worth having all the more
            log.warning("no figures of the database: %s", error)
            return
        for name, text, labels, values in figures:
            family = GaugeMetricFamily(f"shapelens_{name}", text, labels=labels)
            for label, value in values:
                family.add_metric(label, value)
            yield family


def text() -> bytes:
    """In Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        counted = generate_latest(registry)
    else:
        counted = generate_latest(REGISTRY)
    ours = CollectorRegistry()
    ours.register(_OfDatabase())
    return counted + generate_latest(ours)
