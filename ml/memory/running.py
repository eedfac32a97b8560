"""A network run for real, plainly and inside its arena, beside what was predicted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ml.memory.executor import ArenaExecutor
from ml.memory.graph import MIB
from ml.memory.measuring import allocator_peak, eager_peak
from ml.memory.networks import NamedNetwork

__all__ = ["Comparison", "compare_runs"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sizes in MiB, besides parameters and input.

    is_equal            both runs agree within torch.testing's tolerance for their type
    largest_difference  of any value
    arena               size of the arena
    outside_planned     expected outside it: what convolutions need, results copied into it
    outside_measured    what the allocator gave outside it
    plain_planned       expected of an ordinary run
    plain_measured      what the allocator gave it
    """

    is_equal: bool
    largest_difference: float
    arena: float
    outside_planned: float
    outside_measured: float
    plain_planned: float
    plain_measured: float


@torch.no_grad()
def compare_runs(network: NamedNetwork, batch: int, *, seed: int = 0) -> Comparison:
    """Run `network` (with data) in evaluation mode on the CPU, on a random batch, both ways."""
    model: nn.Module = network.module.eval()
    shape = (batch, *network.input_shape)
    given = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    executor = ArenaExecutor(model, shape)
    plain, arranged = model(given), executor.run(given)[0]
    return Comparison(
        is_equal=_agree(plain, arranged),
        largest_difference=float((plain - arranged).abs().max()),
        arena=executor.plan.bytes / MIB,
        outside_planned=executor.transient_bytes / MIB,
        outside_measured=allocator_peak(lambda: executor.run(given)) / MIB,
        plain_planned=eager_peak(model, shape) / MIB,
        plain_measured=allocator_peak(lambda: model(given)) / MIB,
    )


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    try:
        torch.testing.assert_close(other, one)
    except AssertionError:
        return False
    return True
