"""What a worker does before its first task: load the network and the index, in the child that searches.

After the fork, never before it: a network loaded in the parent may hang its children.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import current_app
from celery.signals import worker_process_init

from catalog.errors import ShapelensError

__all__ = ["warm_up"]

log = logging.getLogger(__name__)


@worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Open the active index, if this worker takes searches and there is one."""
    if "search" not in current_app.amqp.queues.consume_from:
        return
    from catalog import engine
    from catalog.services import indexing

    started = time.monotonic()
    try:
        generation = indexing.active_generation()
        engine.warm(generation.pk, indexing.folder(generation))
    except (ShapelensError, OSError) as error:  # the searches will say it to whoever asks
        log.warning("nothing to warm up with: %s", error)
    else:
        log.info("index %s is open after %.1f s", generation.pk, time.monotonic() - started)
