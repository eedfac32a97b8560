"""What a network needs, with and without sharing, in MiB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ml.memory.arena import arena_plan
from ml.memory.graph import MIB, Mode, NetworkMemory, Role, Storage, largest_alive, total_bytes
from ml.memory.networks import build
from ml.memory.overwriting import overwritten
from ml.memory.planning import greedy_plan, last_use_plan
from ml.memory.tracing import trace

__all__ = ["Need", "Summary", "read_memory", "summarize"]


@dataclass(frozen=True, slots=True)
class Need:
    """One kind of storage, in MiB.

    before       nothing shared: what every storage takes together
    greedy       sharing buffers as the thesis does
    by_last_use  sharing buffers as the thesis author's package does
    arena        offsets in one arena
    lower_bound  the largest set alive at once
    """

    before: float
    greedy: float
    by_last_use: float
    arena: float
    lower_bound: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A network at one batch and input size; MiB throughout.

    outputs              results of the forward pass
    workspace            the most held at one time in indices, masks and statistics
    gradients, together  in training: results of the backward pass; all three kinds in one arena
    parameter_gradients  in training: kept until the optimizer's step, never shared
    """

    network: str
    mode: Mode
    batch: int
    size: int
    parameters: float
    buffers: float
    inputs: float
    outputs: Need
    workspace: float
    gradients: Need | None
    together: Need | None
    parameter_gradients: float

    def as_row(self) -> dict[str, str | int | float]:
        """Flat, as printed: `outputs_before`, ..., `lower_bound` (of the outputs)."""
        row: dict[str, str | int | float] = {
            "network": self.network,
            "mode": str(self.mode),
            "batch": self.batch,
            "size": self.size,
            "parameters": self.parameters,
            "buffers": self.buffers,
            "inputs": self.inputs,
        }
        for name, need in (
            ("outputs", self.outputs),
            ("gradients", self.gradients),
            ("together", self.together),
        ):
            if need is None:
                continue
            for kind, value in asdict(need).items():
                is_bound = name == "outputs" and kind == "lower_bound"
                row["lower_bound" if is_bound else f"{name}_{kind}"] = value
        row["workspace"] = self.workspace
        if self.mode is Mode.TRAINING:
            row["parameter_gradients"] = self.parameter_gradients
        return row


def read_memory(
    name: str, batch: int, size: int | None, mode: Mode, *, is_in_place: bool = False
) -> tuple[NetworkMemory, int]:
    """The storages of the network called `name`, and the input's side. Raises UnknownName and
    NetworkNotTraceable. In place: element-wise operations overwrite what nobody reads again."""
    network = build(name, size)
    traced = trace(network.module, (batch, *network.input_shape), mode=mode)
    return (overwritten(traced) if is_in_place else traced).memory, network.input_shape[-1]


def summarize(
    name: str,
    batch: int = 1,
    size: int | None = None,
    mode: Mode = Mode.INFERENCE,
    *,
    is_in_place: bool = False,
) -> Summary:
    """Trace a network by name and plan its memory, as `read_memory` does."""
    memory, side = read_memory(name, batch, size, mode, is_in_place=is_in_place)
    is_training = mode is Mode.TRAINING
    return Summary(
        network=name,
        mode=mode,
        batch=batch,
        size=side,
        parameters=memory.parameters / MIB,
        buffers=memory.buffers / MIB,
        inputs=memory.inputs / MIB,
        outputs=_need(memory.of(Role.OUTPUT)),
        workspace=largest_alive(memory.of(Role.WORKSPACE)) / MIB,
        gradients=_need(memory.of(Role.GRADIENT)) if is_training else None,
        together=_need(memory.storages) if is_training else None,
        parameter_gradients=memory.parameter_gradients / MIB,
    )


def _need(storages: Sequence[Storage]) -> Need:
    return Need(
        before=total_bytes(storages) / MIB,
        greedy=greedy_plan(storages).bytes / MIB,
        by_last_use=last_use_plan(storages).bytes / MIB,
        arena=arena_plan(storages).bytes / MIB,
        lower_bound=largest_alive(storages) / MIB,
    )
