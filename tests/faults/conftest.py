from __future__ import annotations

from tests.servers import postgres, rabbitmq, redis

__all__ = ["postgres", "rabbitmq", "redis"]
