"""Names to implementations, as strings: nothing heavy loads until it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from ml.errors import UnknownName
from ml.protocols import Adapter, Detector, Embedder

__all__ = ["DEFAULT_EMBEDDER", "adapter", "detector", "embedder", "names", "reset"]

DEFAULT_EMBEDDER = "viewnet"

_TABLE: dict[str, dict[str, str]] = {
    "embedder": {
        "hog": "ml.embed.hog:HogEmbedder",
        "viewnet": "ml.embed.viewnet:load_viewnet",
    },
    "detector": {"saliency": "ml.detect.saliency:SaliencyDetector"},
    "adapter": {"identity": "ml.adapt.identity:IdentityAdapter"},
}


def names(kind: str) -> list[str]:
    """Registered names of a kind: embedder, detector or adapter."""
    return sorted(_TABLE[kind])


@cache
def _make(kind: str, name: str) -> Any:
    table = _TABLE[kind]
    if name not in table:
        raise UnknownName(f"no {kind} is called {name!r}; choose one of: {', '.join(sorted(table))}")
    module, attribute = table[name].split(":")
    return getattr(import_module(module), attribute)()


def embedder(name: str = DEFAULT_EMBEDDER) -> Embedder:
    made: Embedder = _make("embedder", name)
    return made


def detector(name: str) -> Detector:
    made: Detector = _make("detector", name)
    return made


def adapter(name: str) -> Adapter:
    made: Adapter = _make("adapter", name)
    return made


def reset() -> None:
    """Forget every loaded implementation (tests)."""
    _make.cache_clear()
