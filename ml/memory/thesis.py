"""Tables 3.1 to 3.4 of the thesis again, beside its figures.

F. Massa, "Relating images and 3D models with convolutional neural networks", 2017, section 3.1. Of its
figures those known here are the outputs at batch 1 and the total saved for resnet152 at batch 128. The
author's Torch7 package (optimize-net) publishes more, of the same method: its README's outputs at batch
128 and gradients at batch 64, in MB of 2^20 bytes. There an in-place ReLU overwrites its gradient in the
backward pass too; summaries for training are expected to do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ml.memory.graph import Mode
from ml.memory.summary import Summary

__all__ = ["NETWORKS", "PACKAGE_NETWORKS", "Table", "tables"]

NETWORKS = ("alexnet", "vgg16", "googlenet", "resnet18", "resnet152")
PACKAGE_NETWORKS = ("alexnet", "vgg11", "googlenet")  # vgg11 is the package's vgg-A

_OUTPUTS_BATCH_1 = {
    "alexnet": (3, 1),
    "vgg16": (58, 25),
    "googlenet": (34, 15),
    "resnet18": (20, 8),
    "resnet152": (173, 14),
}
_SAVED_BATCH_128 = {"resnet152": 91}
_PACKAGE_OUTPUTS_128 = {"alexnet": (397, 97), "vgg11": (4386, 1960), "googlenet": (4390, 1993)}
_PACKAGE_OUTPUTS_64 = {"alexnet": (195, 195), "vgg11": (2191, 2191), "googlenet": (2195, 2195)}
_PACKAGE_GRADIENTS_64 = {"alexnet": (303, 156), "vgg11": (2228, 1023), "googlenet": (3346, 2098)}


_INFERENCE_HEADER = (
    *("network", "parameters", "outputs", "greedy", "by last use", "arena", "bound"),
    *("theirs before", "theirs after", "saved %", "saved % (theirs)"),
)
_TRAINING_HEADER = (
    *("network", "parameters", "outputs", "arena", "theirs before", "theirs after"),
    *("gradients", "greedy", "arena", "bound", "theirs before", "theirs after"),
    *("workspace", "together", "arena", "bound"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a heading."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Summarize = Callable[[str, int, Mode], Summary]


def tables(summarize: Summarize) -> Iterator[Table]:
    """The four tables, then the package's two; each is made when it is asked for."""
    yield _inference("Table 3.1: inference, batch 1", NETWORKS, 1, summarize, _OUTPUTS_BATCH_1)
    yield _inference("Table 3.2: inference, batch 128", NETWORKS, 128, summarize, {})
    yield _training("Table 3.3: training, batch 1", NETWORKS, 1, summarize, {}, {})
    yield _training("Table 3.4: training, batch 128", NETWORKS, 128, summarize, {}, {})
    title = "the author's package: inference, batch 128"
    yield _inference(title, PACKAGE_NETWORKS, 128, summarize, _PACKAGE_OUTPUTS_128)
    title, outputs = "the author's package: training, batch 64", _PACKAGE_OUTPUTS_64
    yield _training(title, PACKAGE_NETWORKS, 64, summarize, outputs, _PACKAGE_GRADIENTS_64)


def _inference(
    title: str, names: tuple[str, ...], batch: int, summarize: Summarize, theirs: dict[str, tuple[int, int]]
) -> Table:
    """Saved: of parameters and outputs, counted as Torch7 does: gradients of the parameters exist before
    and are dropped after."""
    rows = []
    for name in names:
        one = summarize(name, batch, Mode.INFERENCE)
        need = one.outputs
        before, after = 2 * one.parameters + need.before, one.parameters + need.greedy
        ours = (one.parameters, need.before, need.greedy, need.by_last_use, need.arena, need.lower_bound)
        saved = _SAVED_BATCH_128.get(name) if batch == 128 and names is NETWORKS else None
        known = (*_pair(theirs.get(name)), f"{100 * (1 - after / before):.0f}", _figure(saved))
        rows.append((name, *map(_mib, ours), *known))
    return Table(title, _INFERENCE_HEADER, tuple(rows))


def _training(
    title: str,
    names: tuple[str, ...],
    batch: int,
    summarize: Summarize,
    their_outputs: dict[str, tuple[int, int]],
    their_gradients: dict[str, tuple[int, int]],
) -> Table:
    rows = []
    for name in names:
        one = summarize(name, batch, Mode.TRAINING)
        outputs, gradients, together = one.outputs, one.gradients, one.together
        assert gradients is not None
        assert together is not None
        row = [name, _mib(one.parameters), _mib(outputs.before), _mib(outputs.arena)]
        row += _pair(their_outputs.get(name))
        row += map(_mib, (gradients.before, gradients.greedy, gradients.arena, gradients.lower_bound))
        row += _pair(their_gradients.get(name))
        row += map(_mib, (one.workspace, together.before, together.arena, together.lower_bound))
        rows.append(tuple(row))
    return Table(title, _TRAINING_HEADER, tuple(rows))


def _mib(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _figure(value: int | None) -> str:
    return "-" if value is None else str(value)


def _pair(values: tuple[int, int] | None) -> tuple[str, str]:
    return ("-", "-") if values is None else (str(values[0]), str(values[1]))
