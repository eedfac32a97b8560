"""Redis as a queue whose worker waits for messages in a call, not in an event loop.

In Celery's event loop (kombu 5.7) a worker whose connection breaks while it acknowledges a task drops the socket
it listens on without a word and takes nothing more, though it lives. A call that waits raises, and the worker
ends, for its supervisor to start anew.
"""

from __future__ import annotations

from kombu.transport import redis

__all__ = ["Transport"]


class Transport(redis.Transport):
    """kombu's own, without its event loop."""

    implements = redis.Transport.implements.extend(asynchronous=False)
