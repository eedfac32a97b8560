"""The batch a memory budget allows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ml import registry
from ml.errors import BudgetTooSmall
from ml.memory.budget import RESERVE, crops_within, plan_batch_size, planned_bytes
from ml.memory.graph import MIB
from ml.memory.measuring import allocator_peak, eager_peak


class _Wide(nn.Module):
    """Per example: 64 B in, 4096 B hidden, 16 B out; 64-byte-wide parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.grow, self.shrink = nn.Linear(16, 1024, bias=False), nn.Linear(1024, 4, bias=False)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.shrink(self.grow(given))
        return result


_HELD = (16 * 1024 + 1024 * 4) * 4
_EACH = 64 + 4096 + 16


def test_the_need_is_parameters_batch_and_what_is_alive() -> None:
    assert planned_bytes(_Wide(), (16,), 1) == _HELD + _EACH
    assert planned_bytes(_Wide(), (16,), 7) == _HELD + 7 * _EACH


@pytest.mark.parametrize("batch", [1, 2, 3, 100, 1023])
def test_the_batch_is_the_largest_that_fits(batch: int) -> None:
    assert plan_batch_size(_Wide(), (16,), _HELD + batch * _EACH) == batch
    assert plan_batch_size(_Wide(), (16,), _HELD + batch * _EACH + _EACH - 1) == batch


def test_the_batch_has_a_limit() -> None:
    assert plan_batch_size(nn.Linear(1, 1), (1,), 1 << 40) == 1 << 16


def test_too_small_a_budget_says_what_is_needed() -> None:
    with pytest.raises(BudgetTooSmall, match=r"_Wide.*at least 1 MiB"):
        plan_batch_size(_Wide(), (16,), _HELD)


def test_a_value_nobody_reads_again_is_dropped_when_its_name_is() -> None:
    class Holding(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            first = given * 2
            second = first * 2
            third = second * 2  # first and second are still named
            return third * 2

    assert eager_peak(Holding(), (256,)) == 4 * 1024


def test_a_run_with_the_planned_batch_keeps_to_the_budget() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 8, 3), nn.Flatten())
    budget = 8 * MIB
    batch = plan_batch_size(model, (3, 32, 32), budget)
    given = torch.rand(batch, 3, 32, 32)

    with torch.no_grad():
        peak = allocator_peak(lambda: model(given))

    held = sum(p.untyped_storage().nbytes() for p in model.parameters())
    assert batch > 10
    assert held + given.untyped_storage().nbytes() + peak <= budget


@pytest.mark.parametrize("spec", ["viewnet", "hog"])
def test_as_many_crops_as_fit_beside_the_network(spec: str) -> None:
    embedder = registry.embedder(spec)
    side = embedder.info.input_size
    budget = 24 * MIB

    crops = crops_within(embedder, budget)

    def needed(count: int) -> float:
        held = planned_bytes(embedder.network, (3, side, side), count) + count * 16 * side**2
        return held / (1 - RESERVE)

    assert crops > 1
    assert needed(crops) <= budget < needed(crops + 1)


def test_a_budget_below_one_crop_names_the_embedder() -> None:
    with pytest.raises(BudgetTooSmall, match=r"viewnet.*at least \d+ MiB"):
        crops_within(registry.embedder("viewnet"), MIB)
