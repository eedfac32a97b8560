"""Networks by name, built without data: no weights are drawn, stored or downloaded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torchvision.models
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils._python_dispatch import TorchDispatchMode

from ml.errors import UnknownName

__all__ = ["NamedNetwork", "build", "classification_networks"]

_OWN = "viewnet"
_DEFAULT_SIZE = 224
_SIZES = {"inception_v3": 299}  # what torchvision's builders assume, where it isn't 224
_FIXED_SIZE = {"vit_": "image_size", "maxvit_": "input_size"}  # builders that must be told the size


@dataclass(frozen=True, slots=True, eq=False)
class NamedNetwork:
    """input_shape: (c, h, w)."""

    name: str
    module: nn.Module
    input_shape: tuple[int, int, int]


def classification_networks() -> list[str]:
    """Names of torchvision's classification models."""
    return list(torchvision.models.list_models(module=torchvision.models))


def build(name: str, size: int | None = None, *, has_data: bool = False) -> NamedNetwork:
    """The network called `name`, for inputs of `size` x `size` pixels (its usual size where None), its
    parameters fake tensors or, with data, drawn at random. Raises UnknownName.
    """
    if name == _OWN:
        return _build_own(size, has_data=has_data)
    names = classification_networks()
    if name not in names:
        raise UnknownName(f"no network is called {name!r}; choose one of: {_OWN}, {', '.join(names)}")
    side = size or _SIZES.get(name, _DEFAULT_SIZE)
    options: dict[str, Any] = {}
    for prefix, option in _FIXED_SIZE.items():
        if name.startswith(prefix) and size:
            options[option] = (size, size) if option == "input_size" else size
    with warnings.catch_warnings(), nullcontext() if has_data else _without_data():
        warnings.simplefilter("ignore", FutureWarning)  # of initializations that may change
        module: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return NamedNetwork(name, module, (3, side, side))


def _build_own(size: int | None, *, has_data: bool) -> NamedNetwork:
    try:
        networks = import_module("ml.embed.networks")
    except ModuleNotFoundError as error:
        raise UnknownName(f"{_OWN} is not part of this installation; name a torchvision model") from error
    shape = networks.ViewNetShape(**({"side": size} if size else {}))
    with nullcontext() if has_data else _without_data():
        module: nn.Module = networks.ViewNet(shape)
    return NamedNetwork(_OWN, module, (1, shape.side, shape.side))


@contextmanager
def _without_data() -> Iterator[None]:
    """Parameters registered inside become fake: initializing them costs no time and no memory."""
    fake = FakeTensorMode()

    def forget(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or isinstance(parameter, FakeTensor):
            return parameter
        with torch.no_grad():
            return fake.from_tensor(parameter, static_shapes=True)  # type: ignore[return-value]

    hook = register_module_parameter_registration_hook(forget)  # type: ignore[arg-type]
    with ExitStack() as stack:
        stack.callback(hook.remove)
        stack.enter_context(_NothingDrawn())  # type: ignore[no-untyped-call]
        yield


class _NothingDrawn(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers "no" where an initialization asks whether any value it drew lies outside its range."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and isinstance(args[0], FakeTensor):
            return False
        return func(*args, **(kwargs or {}))
