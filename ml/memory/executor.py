"""Runs a network inside its planned arena: every result is written at its offset in one block.

Where PyTorch has an operation that writes into memory it is given, that one is called. Where it has
none (convolutions on a CPU), the result is made as usual, copied to its place and dropped at once:
such transient memory, and what a convolution takes for itself, is counted in `transient_bytes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from ml.errors import NetworkNotTraceable
from ml.memory.arena import arena_plan
from ml.memory.graph import Mode, Role
from ml.memory.measuring import convolution_workspace
from ml.memory.overwriting import overwritten
from ml.memory.planning import Plan
from ml.memory.tracing import Trace, storage_key, trace

__all__ = ["ArenaExecutor"]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a result belongs: offset in bytes, None outside the arena."""

    offset: int | None
    size: tuple[int, ...]
    stride: tuple[int, ...]
    storage_offset: int
    dtype: torch.dtype


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One recorded operation.

    places  of the results in new storages; None where a result shares memory with an argument
    writer  the overload that writes into given tensors, with the names of those arguments
    drops   values read here for the last time
    """

    node: Node
    places: tuple[_Place | None, ...]
    writer: tuple[Any, tuple[str, ...]] | None
    drops: tuple[Node, ...]


class ArenaExecutor:
    """A network and a batch shape, planned once; runs as often as wanted.

    plan             offsets of the storages; plan.bytes is the arena's size
    transient_bytes  the most that is expected outside the arena at one time, besides parameters,
                     inputs, results and the parameters' gradients
    """

    def __init__(
        self,
        model: nn.Module,
        input_shape: Sequence[int],
        *,
        mode: Mode = Mode.INFERENCE,
        is_in_place: bool = False,
    ) -> None:
        """Raises NetworkNotTraceable. input_shape: (n, c, h, w). In place: element-wise operations
        overwrite what nobody reads again."""
        self._model = model
        traced = trace(model, input_shape, mode=mode)
        self._trace = overwritten(traced) if is_in_place else traced
        roles = (Role.OUTPUT,) if mode is Mode.INFERENCE else tuple(Role)
        planned = [i for i, s in enumerate(self._trace.memory.storages) if s.role in roles]
        self.plan: Plan = arena_plan([self._trace.memory.storages[i] for i in planned])
        offset_of = dict(zip(planned, self.plan.offsets, strict=True))
        self._offsets = {
            key: offset_of[index] for key, index in self._trace.storage_of.items() if index in offset_of
        }
        self._steps = _steps(self._trace, self._offsets)
        self.transient_bytes = max((_transient(step) for step in self._steps), default=0)
        self._constants = _constants(self._trace)
        self._arena = torch.empty(self.plan.bytes, dtype=torch.uint8)

    def run(self, batch: torch.Tensor, *given: torch.Tensor) -> list[torch.Tensor]:
        """The network's results; in training, given the gradient of each, then those of the parameters.

        Results are copies; the arena may be overwritten by the next run.
        """
        state = {**dict(self._model.named_parameters()), **dict(self._model.named_buffers())}
        arguments = [*(state[name].detach() for name in self._trace.state_names), batch, *given]
        nodes = self._trace.graph.graph.nodes
        values: dict[Node, Any] = dict(
            zip((node for node in nodes if node.op == "placeholder"), arguments, strict=True)
        )
        values.update(self._constants)
        with torch.no_grad():
            for step in self._steps:
                values[step.node] = self._compute(step, values)
                for node in step.drops:
                    del values[node]
            output = next(node for node in nodes if node.op == "output")
            found = [values[node] for node in tree_leaves(output.args[0]) if isinstance(node, Node)]
            return [value.clone() if self._is_inside(value) else value for value in found]

    def _compute(self, step: _Step, values: dict[Node, Any]) -> Any:
        args, kwargs = map_arg((step.node.args, step.node.kwargs), lambda node: values[node])
        target: Any = step.node.target
        if step.writer is not None:
            overload, names = step.writer
            outs = [self._at(place) for place in step.places if place is not None]
            overload(*args, **kwargs, **dict(zip(names, outs, strict=True)))
            return outs[0] if len(outs) == 1 else tuple(outs)
        result = target(*args, **kwargs)
        if all(place is None or place.offset is None for place in step.places):
            return result
        leaves, shape = tree_flatten(result)
        places = iter(step.places)
        placed = [self._moved(leaf, next(places)) if _is_tensor(leaf) else leaf for leaf in leaves]
        return tree_unflatten(placed, shape)

    def _moved(self, value: torch.Tensor, place: _Place | None) -> torch.Tensor:
        if place is None or place.offset is None:
            return value
        return self._at(place).copy_(value)

    def _at(self, place: _Place) -> torch.Tensor:
        if place.offset is None:
            return torch.empty_strided(place.size, place.stride, dtype=place.dtype)
        typed = self._arena.view(place.dtype)
        base = place.offset // typed.element_size() + place.storage_offset
        return typed.as_strided(place.size, place.stride, base)

    def _is_inside(self, value: torch.Tensor) -> bool:
        return storage_key(value) == storage_key(self._arena)


def _steps(traced: Trace, offsets: dict[int, int]) -> list[_Step]:
    nodes = list(traced.graph.graph.nodes)
    last_read: dict[Node, Node] = {}
    for node in nodes:
        for source in node.all_input_nodes:
            last_read[source] = node
    drops: dict[Node, list[Node]] = {}
    for source, reader in last_read.items():
        if source.op == "call_function" and reader.op == "call_function":
            drops.setdefault(reader, []).append(source)
    steps = []
    for node in nodes:
        if node.op != "call_function":
            continue
        places = _places(node, offsets)
        writer = _writer(node, places)
        unread = [node] if not node.users else []
        steps.append(_Step(node, places, writer, tuple(drops.get(node, []) + unread)))
    return steps


def _constants(traced: Trace) -> dict[Node, torch.Tensor]:
    """Numbers the network writes into tensors while it runs, such as an attention mask's."""
    found = {}
    for node in traced.graph.graph.nodes:
        if node.op == "get_attr":
            value = getattr(traced.graph, str(node.target))
            known = value.constant if isinstance(value, FakeTensor) else value
            if known is None:
                raise NetworkNotTraceable(
                    f"the network makes the tensor {node.target} while it runs; register it as a buffer"
                )
            found[node] = known
    return found


def _places(node: Node, offsets: dict[int, int]) -> tuple[_Place | None, ...]:
    if node.target is getitem:
        return (None,)
    values = [leaf for leaf in tree_leaves(node.meta.get("val")) if _is_tensor(leaf)]
    sources = [leaf for source in node.all_input_nodes for leaf in tree_leaves(source.meta.get("val"))]
    read = {storage_key(leaf) for leaf in sources if _is_tensor(leaf)}
    return tuple(
        None
        if storage_key(value) in read
        else _Place(
            offsets.get(storage_key(value)) if value.numel() else None,
            tuple(value.shape),
            tuple(value.stride()),
            int(value.storage_offset()),
            value.dtype,
        )
        for value in values
    )


def _writer(node: Node, places: tuple[_Place | None, ...]) -> tuple[Any, tuple[str, ...]] | None:
    """The overload of the node's operation that writes its results where it is told, if PyTorch has a real
    one: those it generates allocate and copy themselves."""
    target: Any = node.target
    inside = [place for place in places if place is not None and place.offset is not None]
    if not inside or None in places or not isinstance(target, torch._ops.OpOverload):
        return None
    wanted = [(argument.name, str(argument.type)) for argument in target._schema.arguments]
    for name in target.overloadpacket.overloads():
        overload = getattr(target.overloadpacket, name)
        arguments = overload._schema.arguments
        outs = tuple(argument.name for argument in arguments if argument.is_out)
        rest = [(argument.name, str(argument.type)) for argument in arguments if not argument.is_out]
        if len(outs) == len(places) and rest == wanted and torch.Tag.generated not in overload.tags:
            return overload, outs
    return None


def _transient(step: _Step) -> int:
    """Bytes a step needs outside the arena while it runs."""
    sizes = [
        (place.offset is None, _extent(place) * place.dtype.itemsize)
        for place in step.places
        if place is not None
    ]
    result = sum(size for is_outside, size in sizes if is_outside or step.writer is None)
    read = [source.meta.get("val") for source in step.node.args if isinstance(source, Node)]
    return result + convolution_workspace(step.node.target, read, step.node.meta.get("val"))


def _extent(place: _Place) -> int:
    """Elements from the first to the last of a strided tensor."""
    if 0 in place.size:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(place.size, place.stride, strict=True))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)
