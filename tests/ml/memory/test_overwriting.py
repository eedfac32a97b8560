"""In place where nothing is lost by it."""

from __future__ import annotations

import torch
from torch import nn

from ml.memory.graph import Mode, Role, largest_alive
from ml.memory.overwriting import overwritten
from ml.memory.tracing import trace


class _Elementwise(nn.Module):
    def forward(self, given: torch.Tensor) -> torch.Tensor:
        one = given * 2  # reads the input: not ours to overwrite
        two = torch.sigmoid(one)  # one is read again below
        three = torch.tanh(two)  # overwrites two
        return three + one  # overwrites three or one


def test_only_a_last_reader_overwrites() -> None:
    memory = overwritten(trace(_Elementwise(), (16, 16))).memory

    assert [(s.bytes, s.first, s.last) for s in memory.storages] in (
        [(1024, 0, 3), (1024, 1, 4)],
        [(1024, 0, 4), (1024, 1, 3)],
    )


def test_a_smaller_or_transposed_argument_is_left_alone() -> None:
    class Transposed(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            square = given @ given
            return square + square.t()

    memory = overwritten(trace(Transposed(), (8, 8))).memory

    assert len(memory.storages) == 2


def test_a_relu_in_place_overwrites_its_gradient_as_torch7_does() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(inplace=True), nn.Linear(16, 16))
    traced = trace(model, (4, 16), mode=Mode.TRAINING)

    assert [s.bytes for s in traced.memory.of(Role.GRADIENT)] == [256, 256]
    assert [s.bytes for s in overwritten(traced).memory.of(Role.GRADIENT)] == [256]


def test_the_bound_never_grows() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 16), nn.Tanh())
    for mode in Mode:
        traced = trace(model, (4, 16), mode=mode)
        assert largest_alive(overwritten(traced).memory.storages) <= largest_alive(traced.memory.storages)
