"""How gunicorn serves: `gunicorn webapp.wsgi:application --config python:webapp.gunicorn`.

WEB_CONCURRENCY, which gunicorn reads itself, says how many processes; PORT where they listen.
"""

from __future__ import annotations

import os
from typing import Any

bind = f"{os.environ.get('LISTEN', '0.0.0.0')}:{os.environ.get('PORT', '8000')}"  # noqa: S104  (in a container)
worker_class = "gthread"
threads = 8
timeout = 60  # seconds without a sign of life of a process
graceful_timeout = 20  # seconds to finish what was begun
keepalive = 5  # seconds
max_requests, max_requests_jitter = (
    20_000,
    2_000,
)  # then a process is replaced: what a library leaks stays small
loglevel = "warning"
control_socket_disable = True
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")


def child_exit(server: Any, worker: Any) -> None:
    """Its gauges no longer count."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
