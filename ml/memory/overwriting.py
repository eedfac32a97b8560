"""Element-wise operations may write over what they read for the last time.

PyTorch does so only where a network asks for it (in-place ReLU); Torch7 does it in the backward pass
too. The recorded operations stay as they are: the result merely gets its argument's storage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch.fx import Node
from torch.utils._pytree import tree_leaves

from ml.memory.graph import Storage
from ml.memory.tracing import Trace, storage_key

__all__ = ["overwritten"]

_ATEN = torch.ops.aten
_ELEMENT_WISE = {
    *(_ATEN.add.Tensor, _ATEN.add.Scalar, _ATEN.sub.Tensor, _ATEN.mul.Tensor, _ATEN.mul.Scalar),
    *(_ATEN.div.Tensor, _ATEN.div.Scalar, _ATEN.neg.default, _ATEN.threshold_backward.default),
    *(_ATEN.relu.default, _ATEN.hardtanh.default, _ATEN.gelu.default, _ATEN.silu.default),
    *(_ATEN.hardswish.default, _ATEN.hardsigmoid.default, _ATEN.sigmoid.default, _ATEN.tanh.default),
    *(_ATEN.hardtanh_backward.default, _ATEN.gelu_backward.default, _ATEN.silu_backward.default),
    *(_ATEN.hardswish_backward.default, _ATEN.hardsigmoid_backward.default),
    *(_ATEN.sigmoid_backward.default, _ATEN.tanh_backward.default),
}


def overwritten(traced: Trace) -> Trace:
    """The same run, its element-wise results in their argument's storage wherever nothing reads the
    argument afterwards and both have the same layout, type and role."""
    storages: list[Storage | None] = list(traced.memory.storages)
    home = list(range(len(storages)))  # where each storage's content now lives
    for node in traced.graph.graph.nodes:
        pair = _pair(node, traced.storage_of, home)
        if pair is None:
            continue
        made, source = pair
        result, argument = storages[made], storages[source]
        if result is None or argument is None or made == source:
            continue
        is_last_use = argument.last == result.first and argument.bytes == result.bytes
        if is_last_use and argument.role is result.role:
            storages[source] = replace(argument, last=result.last)
            storages[made] = None
            home = [source if place == made else place for place in home]
    kept = [index for index, storage in enumerate(storages) if storage is not None]
    renamed = {index: place for place, index in enumerate(kept)}
    return replace(
        traced,
        memory=replace(traced.memory, storages=tuple(s for s in storages if s is not None)),
        storage_of={key: renamed[home[index]] for key, index in traced.storage_of.items()},
    )


def _pair(node: Node, storage_of: dict[int, int], home: list[int]) -> tuple[int, int] | None:
    """Storages of an element-wise node's result and of an argument it could overwrite."""
    if node.op != "call_function" or node.target not in _ELEMENT_WISE:
        return None
    result: torch.Tensor = node.meta["val"]
    made = storage_of.get(storage_key(result))
    if made is None:
        return None
    arguments = [value for source in node.all_input_nodes for value in tree_leaves(source.meta.get("val"))]
    for value in arguments:
        source = storage_of.get(storage_key(value))
        if source is None or _layout(value) != _layout(result):
            continue
        twins = [other for other in arguments if storage_of.get(storage_key(other)) is not None]
        twins = [other for other in twins if home[storage_of[storage_key(other)]] == home[source]]
        if all(_layout(other) == _layout(result) for other in twins):
            return home[made], home[source]
    return None


def _layout(value: torch.Tensor) -> tuple[Any, ...]:
    return (*value.shape, *value.stride(), value.storage_offset(), value.dtype)
