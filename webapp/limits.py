"""How often one address may do a thing."""

from __future__ import annotations

import math

from django.http import HttpRequest
from ninja.throttling import SimpleRateThrottle

__all__ = ["address_of", "seconds_to_wait"]


class _PerAddress(SimpleRateThrottle):
    """One a request: django-ninja's keeps what it read of the cache on itself, which threads must not share."""

    def __init__(self, rate: str, thing: str, who: str = "") -> None:
        super().__init__(rate)
        self._thing = thing
        self._who = who

    def get_cache_key(self, request: HttpRequest) -> str:
        return f"limit-{self._thing}-{self._who or self.get_ident(request)}"


def address_of(request: HttpRequest) -> str:
    """The client's, as the outermost of our own proxies saw it; a header it sent itself is not believed."""
    return _PerAddress("1/s", "").get_ident(request) or ""


def seconds_to_wait(request: HttpRequest, thing: str, rate: str, who: str = "") -> int:
    """0 where the request may go on, and counts. rate: '60/min', or '' for any number; who: instead of the
    address."""
    if not rate:
        return 0
    throttle = _PerAddress(rate, thing, who)
    return 0 if throttle.allow_request(request) else max(1, math.ceil(throttle.wait() or 1.0))
