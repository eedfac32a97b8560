"""Networks run inside their arena give what they give otherwise."""

from __future__ import annotations

import pytest
import torch
import torchvision.models
from torch import nn

from ml.memory import executor
from ml.memory.executor import ArenaExecutor
from ml.memory.graph import Mode
from ml.memory.measuring import allocator_peak, eager_peak
from ml.memory.planning import Plan


class _Branches(nn.Module):
    """Residual, concatenation, batch normalization, pooling, views and two results."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.left, self.right = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(16 * 8 * 8, 5)

    def forward(self, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        stem = self.stem(given)
        joined = torch.cat([self.left(stem) + stem, torch.sigmoid(self.right(stem))], dim=1)
        pooled = self.pool(joined)
        return self.head(pooled.flatten(1)), pooled


def _model(name: str) -> nn.Module:
    torch.manual_seed(3)
    if name == "branches":
        return _Branches().eval()
    model: nn.Module = getattr(torchvision.models, name)(weights=None).eval()
    return model


@pytest.mark.parametrize(
    ("name", "is_in_place"),
    [("branches", False), ("branches", True), ("squeezenet1_1", False), ("mobilenet_v3_small", True)],
)
def test_results_equal_an_ordinary_run(name: str, *, is_in_place: bool) -> None:
    model = _model(name)
    size = 16 if name == "branches" else 64
    batch = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = model(batch)
    expected = expected if isinstance(expected, tuple) else (expected,)

    arranged = ArenaExecutor(model, batch.shape, is_in_place=is_in_place)

    for _ in range(2):  # the second run starts from an arena full of the first
        torch.testing.assert_close(arranged.run(batch), list(expected))


def test_results_survive_the_next_run() -> None:
    model = _model("branches")
    arranged = ArenaExecutor(model, (1, 3, 16, 16))
    first = arranged.run(torch.ones(1, 3, 16, 16))
    kept = [value.clone() for value in first]

    arranged.run(torch.zeros(1, 3, 16, 16))

    torch.testing.assert_close(first, kept)


@pytest.mark.parametrize("is_in_place", [False, True])
def test_gradients_equal_an_ordinary_backward_pass(*, is_in_place: bool) -> None:
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 9, 4),
        nn.GELU(),
    )
    batch, upstream = torch.rand(2, 3, 8, 8), torch.rand(2, 4)
    result = model(batch)
    expected = [result.detach(), *torch.autograd.grad(result, list(model.parameters()), upstream)]

    arranged = ArenaExecutor(model, batch.shape, mode=Mode.TRAINING, is_in_place=is_in_place)

    torch.testing.assert_close(arranged.run(batch, upstream), expected)


class _Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        early = self.first(given)
        result: torch.Tensor = self.second(early) + early
        return result


def test_a_wrong_plan_gives_wrong_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results really lie where the plan says: with everything at offset 0 they destroy one another."""
    torch.manual_seed(3)
    model, batch = _Skip(), torch.rand(2, 3, 16, 16)
    expected = model(batch).detach()
    torch.testing.assert_close(ArenaExecutor(model, batch.shape).run(batch)[0], expected)

    monkeypatch.setattr(executor, "arena_plan", lambda storages: Plan((0,) * len(storages), 6144))

    assert not torch.allclose(ArenaExecutor(model, batch.shape).run(batch)[0], expected, atol=0.01)


def test_the_planned_peaks_hold_at_the_allocator() -> None:
    model = _model("squeezenet1_1")
    batch = torch.rand(4, 3, 96, 96)
    arranged = ArenaExecutor(model, batch.shape)
    arranged.run(batch)

    with torch.no_grad():
        plain = allocator_peak(lambda: model(batch))
    outside = allocator_peak(lambda: arranged.run(batch))

    assert 0.7 * eager_peak(model, batch.shape) <= plain <= eager_peak(model, batch.shape)
    assert outside <= arranged.transient_bytes
