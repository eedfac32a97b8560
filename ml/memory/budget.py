"""How many crops a worker may embed at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import nn

from ml.errors import BudgetTooSmall
from ml.memory.graph import MIB
from ml.memory.measuring import eager_peak
from ml.protocols import Embedder

__all__ = ["RESERVE", "crops_within", "plan_batch_size", "planned_bytes"]

RESERVE = 0.125  # of a worker's budget: what the allocator keeps beside what it was asked for
_LARGEST = 1 << 16  # batches beyond this gain nothing


def planned_bytes(model: nn.Module, input_shape: Sequence[int], batch: int) -> int:
    """What a forward pass without gradients needs: parameters, buffers, the batch and the most that is
    alive besides. input_shape: of one example, (c, h, w). Found without computing anything."""
    state = [*model.parameters(), *model.buffers()]
    width = next((value.element_size() for value in state if value.is_floating_point()), 4)
    held = sum(value.untyped_storage().nbytes() for value in state)
    given = batch * int(torch.Size(input_shape).numel()) * width
    return held + given + eager_peak(model, (batch, *input_shape))


def plan_batch_size(
    model: nn.Module,
    input_shape: Sequence[int],
    budget_bytes: int,
    *,
    beside: int = 0,
    reserve: float = 0.0,
    name: str = "",
) -> int:
    """The largest batch with which `model`, run as it is without gradients, stays within `budget_bytes`:
    parameters, the batch and everything computed on the way, but not the Python process itself.

    input_shape: of one example, (c, h, w). beside: bytes the caller holds for each example as well. reserve:
    share of the budget left free. name: what the model is called where it doesn't fit. Raises BudgetTooSmall where not even one example fits.
    """

    @cache
    def needed(batch: int) -> int:
        return math.ceil((planned_bytes(model, input_shape, batch) + batch * beside) / (1 - reserve))

    if needed(1) > budget_bytes:
        raise BudgetTooSmall(
            f"{budget_bytes / MIB:.1f} MiB can't hold {name or type(model).__name__} with one input of shape "
            f"{tuple(input_shape)}; give it at least {-(-needed(1) // MIB)} MiB"
        )
    fits, fails = 1, _LARGEST + 1
    # The need grows with the batch along a convex line of few kinks: a chord from two points that fit
    # points close to the answer, or beyond it.
    guess = 2
    while fails - fits > 1:
        if needed(guess) <= budget_bytes:
            slope = max((needed(guess) - needed(1)) / max(guess - 1, 1), 1.0)
            fits = guess
            guess = fits + int((budget_bytes - needed(fits)) / slope)
        else:
            fails = guess
            guess = (fits + fails) // 2
        guess = min(max(guess, fits + 1), fails - 1)
    return fits


def crops_within(embedder: Embedder, budget_bytes: int) -> int:
    """How many crops `embedder` may be given at once so that it, they and all it computes stay within
    `budget_bytes`. Raises BudgetTooSmall."""
    info = embedder.info
    shape = (3, info.input_size, info.input_size)
    crop = 4 * 4 * info.input_size**2  # three colors and the mask, float32
    return plan_batch_size(
        embedder.network, shape, budget_bytes, beside=crop, reserve=RESERVE, name=info.name
    )
