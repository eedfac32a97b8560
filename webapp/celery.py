"""The queue. Workers: `celery -A webapp worker -Q search`, see supervisord.conf."""

from __future__ import annotations

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

__all__ = ["app"]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
TRANSPORT_ALIASES["shapelens-files"] = "webapp.broker:Transport"
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "webapp.blocking_redis:Transport"

app = Celery("shapelens")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
