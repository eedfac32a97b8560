"""From a network to its storages and lifetimes, without computing anything.

The network runs once on fake tensors (shapes, strides and storages, no data) under torch.fx's
make_fx, which records every operation PyTorch would dispatch, in-place ones and the backward pass
included. Two values share memory exactly where PyTorch makes them share a storage: views, reshapes
that copy nothing, flatten, in-place ReLU and dropout outside training all follow from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
from torch import nn
from torch._guards import detect_fake_mode
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves

from ml.errors import NetworkNotTraceable
from ml.memory.graph import Mode, NetworkMemory, Role, Storage

__all__ = ["Trace", "storage_key", "trace"]

# Fill a tensor at random: outside GPUs, dropout and stochastic depth draw their masks so.
_DRAWN = {torch.ops.aten.bernoulli_.float, torch.ops.aten.bernoulli_.Tensor}


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A recorded run.

    graph        operations over flat arguments: parameters, buffers, the input, and in training the
                 gradient of the result
    memory       its storages
    storage_of   storage key (of the values in `node.meta["val"]`) -> index into memory.storages
    state_names  names of the parameters, then of the buffers, in the order of the arguments
    """

    graph: GraphModule
    memory: NetworkMemory
    storage_of: dict[int, int]
    state_names: tuple[str, ...]


def trace(model: nn.Module, input_shape: Sequence[int], *, mode: Mode = Mode.INFERENCE) -> Trace:
    """Record one run of `model` on a batch of `input_shape` (n, c, h, w), in its parameters' type.

    Parameters may hold data or be fake; neither they nor the model's mode are changed. In training
    the run ends with the gradients of all parameters, given that of the network's result. Raises
    NetworkNotTraceable where the run depends on the values of tensors or the shape does not fit.
    """
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    fake = detect_fake_mode(list(state.values())) or FakeTensorMode()
    parameters = {name: _faked(fake, value) for name, value in model.named_parameters()}
    buffers = {name: _faked(fake, value) for name, value in model.named_buffers()}
    dtype = next((p.dtype for p in parameters.values() if p.is_floating_point()), torch.float32)
    run, arguments = _runner(model, parameters, buffers, mode)
    try:
        with fake, _switched(model, training=mode is Mode.TRAINING):
            batch = torch.empty(tuple(input_shape), dtype=dtype)
            graph = make_fx(run)(*arguments(batch))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NetworkNotTraceable(
            f"{type(model).__name__} can't be traced on a batch of shape {tuple(input_shape)}: {reason}; "
            "give an input size the network accepts"
        ) from error
    return _read(graph, mode, (*parameters, *buffers), len(parameters))


def storage_key(value: torch.Tensor) -> int:
    """Identity of a tensor's storage; equal for views of one another while either is alive."""
    return int(value.untyped_storage()._cdata)


def _faked(fake: FakeTensorMode, value: torch.Tensor) -> torch.Tensor:
    if detect_fake_mode([value]) is fake:
        return value
    faked: torch.Tensor = fake.from_tensor(value, static_shapes=True)
    return faked


@contextmanager
def _switched(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Every module in training or evaluation mode, and afterwards as each was."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


def _runner(
    model: nn.Module, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], mode: Mode
) -> tuple[Callable[..., Any], Callable[[torch.Tensor], tuple[Any, ...]]]:
    """The function to record, and its arguments for a batch."""

    def infer(parameters: dict[str, Any], buffers: dict[str, Any], batch: torch.Tensor) -> list[Any]:
        with torch.no_grad():
            return _tensors(functional_call(model, {**parameters, **buffers}, (batch,)))

    def learn(
        parameters: dict[str, Any], buffers: dict[str, Any], batch: torch.Tensor, given: list[Any]
    ) -> list[Any]:
        results = _tensors(functional_call(model, {**parameters, **buffers}, (batch,)))
        learnt = [value for value in parameters.values() if value.requires_grad]
        # The first operation on what is given marks where the backward pass begins.
        upstream = [torch.ops.aten.alias.default(gradient) for gradient in given]
        gradients = torch.autograd.grad(results, learnt, upstream, allow_unused=True)
        return [*results, *(gradient for gradient in gradients if gradient is not None)]

    if mode is Mode.INFERENCE:
        return infer, lambda batch: (parameters, buffers, batch)

    def arguments(batch: torch.Tensor) -> tuple[Any, ...]:
        results = _tensors(functional_call(model, {**parameters, **buffers}, (batch,)))
        return parameters, buffers, batch, [torch.empty_like(result.detach()) for result in results]

    return learn, arguments


def _tensors(results: Any) -> list[Any]:
    return [leaf for leaf in tree_leaves(_plain(results)) if isinstance(leaf, torch.Tensor)]


def _plain(results: Any) -> Any:
    """Named tuples (auxiliary classifiers) as tuples."""
    return tuple(results) if isinstance(results, tuple) else results


def _values(node: Node) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(node.meta.get("val")) if isinstance(leaf, torch.Tensor)]


@dataclass(slots=True)
class _Draft:
    name: str
    bytes: int
    first: int
    last: int
    is_secondary: bool
    is_read_forward: bool = False
    is_mask: bool = False


def _read(graph: GraphModule, mode: Mode, state_names: tuple[str, ...], parameter_count: int) -> Trace:
    """Follow the storages through the recorded operations."""
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    sizes = [value.untyped_storage().nbytes() for node in placeholders for value in _values(node)]
    outside = {storage_key(value) for node in placeholders for value in _values(node)}
    given = set(placeholders[len(state_names) + 1 :])
    drafts, steps, backward = _lifetimes(graph, outside, given)
    results, gradients = _returned(graph, len(given) if mode is Mode.TRAINING else None)
    for key in results & drafts.keys():
        drafts[key].last, drafts[key].is_read_forward = steps, True
    kept = gradients & drafts.keys() - results
    storages: list[Storage] = []
    index_of: dict[int, int] = {}
    for key, draft in drafts.items():
        if key not in kept:
            index_of[key] = len(storages)
            storages.append(_finished(draft, backward))
    counts = len(state_names)
    memory = NetworkMemory(
        mode=mode,
        storages=tuple(storages),
        steps=steps,
        backward_step=backward,
        parameters=sum(sizes[:parameter_count]),
        buffers=sum(sizes[parameter_count:counts]),
        parameter_gradients=sum(drafts[key].bytes for key in kept),
        inputs=sum(sizes[counts:]),
    )
    return Trace(graph, memory, index_of, state_names)


def _lifetimes(
    graph: GraphModule, outside: set[int], given: set[Node]
) -> tuple[dict[int, _Draft], int, int | None]:
    """Storages by key in the order in which they are filled, the number of steps, and the step at which
    the backward pass begins."""
    drafts: dict[int, _Draft] = {}
    step, backward = 0, None
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target is getitem:
            continue
        if backward is None and given.intersection(node.all_input_nodes):
            backward = step
        read = {storage_key(value) for source in node.all_input_nodes for value in _values(source)}
        made = [(place, value) for place, value in enumerate(_values(node)) if storage_key(value) not in read]
        if not made and not node.target._schema.is_mutable:
            continue  # a view
        for key in read & drafts.keys():
            drafts[key].last = step
            drafts[key].is_read_forward |= backward is None
            drafts[key].is_mask |= node.target in _DRAWN
        for place, value in made:
            key, size = storage_key(value), value.untyped_storage().nbytes()
            if size and key not in outside and key not in drafts:
                drafts[key] = _Draft(f"{node.name}", size, step, step, is_secondary=place > 0)
        step += 1
    return drafts, step, backward


def _returned(graph: GraphModule, results: int | None) -> tuple[set[int], set[int]]:
    """Keys of the network's results, the first `results` of what is returned (all where None), and of
    the parameters' gradients."""
    output = next(node for node in graph.graph.nodes if node.op == "output")
    returned = [node for node in tree_leaves(output.args[0]) if isinstance(node, Node)]

    def keys(nodes: list[Node]) -> set[int]:
        return {storage_key(value) for node in nodes for value in _values(node)}

    count = len(returned) if results is None else results
    return keys(returned[:count]), keys(returned[count:])


def _finished(draft: _Draft, backward: int | None) -> Storage:
    if backward is not None and draft.first >= backward:
        role = Role.GRADIENT
    elif draft.is_mask or (draft.is_secondary and not draft.is_read_forward):
        role = Role.WORKSPACE
    else:
        role = Role.OUTPUT
    return Storage(draft.name, draft.bytes, draft.first, draft.last, role)
