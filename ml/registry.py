"""Names to implementations, as strings: nothing heavy loads until it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ml.errors import UnknownName
from ml.protocols import Adapter, Detector, Embedder

__all__ = ["DEFAULT_DETECTOR", "DEFAULT_EMBEDDER", "adapter", "detector", "embedder", "names", "reset"]

DEFAULT_EMBEDDER = "viewnet_lite"
DEFAULT_DETECTOR = "finder"

_BACKBONE = "ml.embed.backbones:load_backbone"
_LINEAR = "ml.adapt.linear:load_adapter"

_TABLE: dict[str, dict[str, str]] = {
    "embedder": {
        "alexnet": _BACKBONE,
        "convnext_tiny": _BACKBONE,
        "hog": "ml.embed.hog:HogEmbedder",
        "mobilenet_v3_large": _BACKBONE,
        "resnet18": _BACKBONE,
        "resnet50": _BACKBONE,
        "vgg16": _BACKBONE,
        "viewnet": "ml.embed.viewnet:load_viewnet",
        "viewnet_lite": "ml.embed.viewnet:load_viewnet_lite",
        "viewnet_open": "ml.embed.viewnet:load_viewnet_open",
        "vit_b_16": _BACKBONE,
    },
    "detector": {
        "finder": "ml.detect.finder:FinderDetector",
        "saliency": "ml.detect.saliency:SaliencyDetector",
    },
    "adapter": {"identity": "ml.adapt.identity:IdentityAdapter", "linear": _LINEAR},
}


def names(kind: str) -> list[str]:
    """Registered names of a kind: embedder, detector or adapter."""
    return sorted(_TABLE[kind])


@cache
def _make(kind: str, spec: str) -> Any:
    table = _TABLE[kind]
    name, _, options = spec.partition(":")
    if name not in table:
        raise UnknownName(f"no {kind} is called {name!r}; choose one of: {', '.join(sorted(table))}")
    module, attribute = table[name].split(":")
    make = getattr(import_module(module), attribute)
    if table[name] == _BACKBONE:
        return make(name, **_options(spec, options))
    if table[name] == _LINEAR:
        return make(Path(options))
    if options:
        raise UnknownName(f"{kind} {name} takes no options; leave {options!r} out")
    return make()


def _options(spec: str, text: str) -> dict[str, str]:
    """ "pool4,weights=none" -> {"layer": "pool4", "weights": "none"}"""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, is_named, value = part.partition("=")
        if is_named and key not in {"layer", "weights"}:
            raise UnknownName(f"{spec}: no option is called {key!r}; say layer=... or weights=...")
        found[key if is_named else "layer"] = value if is_named else part
    return found


def embedder(spec: str = DEFAULT_EMBEDDER) -> Embedder:
    """A registered name; torchvision's networks take a layer and weights after it: "vgg16:pool4",
    "resnet50:layer2,weights=none". Raises UnknownName, WeightsMissing."""
    made: Embedder = _make("embedder", spec)
    return made


def detector(name: str) -> Detector:
    made: Detector = _make("detector", name)
    return made


def adapter(spec: str) -> Adapter:
    """ "identity", or "linear:FILE" as python -m ml adapt writes it. Raises UnknownName, WeightsMissing."""
    made: Adapter = _make("adapter", spec)
    return made


def reset() -> None:
    """Forget every loaded implementation (tests)."""
    _make.cache_clear()
