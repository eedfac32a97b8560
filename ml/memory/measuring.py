"""What a run really takes: predicted from PyTorch's own lifetimes, and measured at the allocator.

PyTorch drops a tensor when Python's last reference goes, which may be later than its last use: a
function's argument lives until it returns.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch._guards import detect_fake_mode
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ml.memory.tracing import storage_key

__all__ = ["allocator_peak", "eager_peak"]


def eager_peak(model: nn.Module, input_shape: Sequence[int]) -> int:
    """The most bytes an ordinary forward pass without gradients has allocated at one time, besides
    parameters, buffers and the input; found on fake tensors, as the model's mode is.

    input_shape: (n, c, h, w).
    """
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    fake = detect_fake_mode(list(state.values())) or FakeTensorMode()
    faked = {
        name: value if detect_fake_mode([value]) is fake else fake.from_tensor(value, static_shapes=True)
        for name, value in state.items()
    }
    dtype = next((value.dtype for value in faked.values() if value.is_floating_point()), torch.float32)
    with fake, torch.no_grad():
        batch = torch.empty(tuple(input_shape), dtype=dtype)
        counter = _LiveStorages([*faked.values(), batch])
        with counter:
            functional_call(model, faked, (batch,))
    return counter.peak


class _LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the storages that operations made and nobody has dropped yet."""

    def __init__(self, outside: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {storage_key(value) for value in outside}
        self._live = 0
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and storage_key(leaf) not in self._known:
                self._watch(leaf.untyped_storage())
        workspace = convolution_workspace(func, args, result)
        self.peak = max(self.peak, self._live + workspace)
        return result

    def _watch(self, storage: torch.UntypedStorage) -> None:
        key, size = int(storage._cdata), storage.nbytes()
        self._known.add(key)
        self._live += size
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def convolution_workspace(func: Any, args: Sequence[Any], result: Any) -> int:
    """Bytes a convolution takes on a CPU while it runs, at most: oneDNN copies the input, the weight and
    the result into layouts of its own. 0 for other operations."""
    if func is not torch.ops.aten.convolution.default:
        return 0
    values: list[torch.Tensor] = [args[0], args[1], result]
    return sum(value.untyped_storage().nbytes() for value in values)


def allocator_peak(run: Callable[[], Any], device: str = "cpu") -> int:
    """The most bytes `run` had allocated at one time, as PyTorch's allocator of that device counts them.

    Memory that libraries take by other ways, such as oneDNN's scratch pads, is not seen.
    """
    if device != "cpu":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device)) - before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            run()
    recording: Any = recorded.profiler
    changes = [event for event in recording.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(changes, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak
