"""Lifetimes read from small networks, against what was worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ml.errors import NetworkNotTraceable
from ml.memory.graph import Mode, Role, Storage, largest_alive, total_bytes
from ml.memory.tracing import trace


class _Chain(nn.Module):
    """Four activations of 4 x 16 float32 (256 bytes) each."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(16, 16) for _ in range(4)))

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(given)
        return result


class _Aliases(nn.Module):
    """One storage under many names: in-place ReLU, a view, a flatten, dropout outside training."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.last = nn.Linear(32, 8)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu_(self.first(given))
        hidden = nn.functional.dropout(hidden.view(4, 2, 16).flatten(1), training=self.training)
        result: torch.Tensor = self.last(hidden)
        return result


class _Skip(nn.Module):
    """The first activation is read again at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(16, 16), nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        early = self.a(given)
        return self.c(self.b(early)) + early


def _described(storages: tuple[Storage, ...]) -> list[tuple[int, int, int]]:
    return [(storage.bytes, storage.first, storage.last) for storage in storages]


def test_a_chain_keeps_two_activations_alive() -> None:
    memory = trace(_Chain(), (4, 16)).memory

    assert _described(memory.storages) == [(256, 0, 1), (256, 1, 2), (256, 2, 3), (256, 3, 4)]
    assert (memory.steps, memory.backward_step) == (4, None)
    assert total_bytes(memory.storages) == 1024
    assert largest_alive(memory.storages) == 512
    assert memory.parameters == 4 * (16 * 16 + 16) * 4
    assert memory.inputs == 256


def test_views_in_place_operations_and_resting_dropout_take_no_memory() -> None:
    memory = trace(_Aliases(), (4, 16)).memory

    # linear at 0, relu_ at 1, linear at 2
    assert _described(memory.storages) == [(4 * 32 * 4, 0, 2), (4 * 8 * 4, 2, 3)]


def test_dropout_in_training_takes_a_result_and_a_mask() -> None:
    memory = trace(_Aliases(), (4, 16), mode=Mode.TRAINING).memory

    outputs, masks = memory.of(Role.OUTPUT), memory.of(Role.WORKSPACE)
    assert [storage.bytes for storage in outputs] == [512, 512, 128]
    assert [storage.bytes for storage in masks] == [512]  # float32 on a CPU
    assert memory.backward_step is not None
    assert masks[0].last >= memory.backward_step


def test_a_skip_connection_keeps_its_source_alive() -> None:
    memory = trace(_Skip(), (4, 16)).memory

    assert _described(memory.storages) == [(256, 0, 3), (1024, 1, 2), (256, 2, 3), (256, 3, 4)]
    assert largest_alive(memory.storages) == 256 + 1024 + 256


def test_pooling_indices_are_workspace_that_nobody_reads() -> None:
    memory = trace(nn.Sequential(nn.Conv2d(1, 2, 1), nn.MaxPool2d(2)), (1, 1, 8, 8)).memory

    (indices,) = memory.of(Role.WORKSPACE)
    assert indices.bytes == 2 * 4 * 4 * 8  # int64
    assert indices.first == indices.last == 1
    assert [storage.bytes for storage in memory.of(Role.OUTPUT)] == [2 * 64 * 4, 2 * 16 * 4]


def test_training_keeps_what_the_backward_pass_reads() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid(), nn.Linear(16, 16))
    memory = trace(model, (4, 16), mode=Mode.TRAINING).memory

    backward = memory.backward_step
    assert backward == 3
    linear, sigmoid, result = memory.of(Role.OUTPUT)
    assert linear.last == 1  # sigmoid's gradient needs its result only
    assert sigmoid.last >= backward
    assert result.last == memory.steps
    assert memory.parameter_gradients == memory.parameters
    assert [storage.bytes for storage in memory.of(Role.GRADIENT)] == [256, 256]


def test_running_statistics_are_state_and_no_allocation() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
    memory = trace(model, (2, 3, 8, 8), mode=Mode.TRAINING).memory

    assert memory.buffers == 4 * 4 + 4 * 4 + 8
    assert [storage.bytes for storage in memory.of(Role.OUTPUT)] == [2048, 2048]
    assert sorted(storage.bytes for storage in memory.of(Role.WORKSPACE)) == [16, 16]


def test_the_model_and_its_mode_are_left_alone() -> None:
    model = nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 2).eval())
    before = {name: value.clone() for name, value in model.state_dict().items()}

    trace(model, (4, 16), mode=Mode.TRAINING)

    assert model.training
    assert not model[1].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_shape_that_does_not_fit_is_named() -> None:
    with pytest.raises(NetworkNotTraceable, match=r"\(4, 17\).*input size"):
        trace(_Chain(), (4, 17))


def test_a_run_that_depends_on_values_is_refused() -> None:
    class Branching(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return given * 2 if given.sum() > 0 else given

    with pytest.raises(NetworkNotTraceable, match="Branching"):
        trace(Branching(), (2, 2))
