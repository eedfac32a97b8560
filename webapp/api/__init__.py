"""The JSON API, version 1."""

from __future__ import annotations

from webapp.api.routes import api

__all__ = ["api"]
