"""What the network is asked for; all on similarities of unit vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Bank", "Temperature", "alike", "best_positives", "info_nce"]

_NEVER = -1e4
_ALIKE = 6.0  # mean difference in levels, at 12 x 12, below which two plain views can't be told apart


class Temperature(nn.Module):
    """A learnt scale of similarities, as CLIP has it; at most 100."""

    def __init__(self, start: float = 14.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(start).log())

    def forward(self, similarities: Tensor) -> Tensor:
        result: Tensor = similarities * self.log_scale.clamp(max=4.6).exp()
        return result


class Bank:
    """Gallery vectors of the last steps: more negatives than a batch holds (He et al., Momentum contrast,
    2020, without its second network: the bank is short and the network slow).

    vectors (n, dim); model (n,), -1 where nothing is yet
    """

    def __init__(self, size: int, dim: int) -> None:
        self.vectors = torch.zeros(size, dim)
        self.model = torch.full((size,), -1, dtype=torch.long)
        self._next = 0

    def add(self, vectors: Tensor, model: Tensor) -> None:
        rows = (torch.arange(len(model)) + self._next) % len(self.model)
        # copies: this step's losses still look at the old ones
        self.vectors = self.vectors.index_copy(0, rows, vectors.detach())
        self.model = self.model.index_copy(0, rows, model)
        self._next = (self._next + len(model)) % len(self.model)


def alike(plain: Tensor, model: Tensor) -> Tensor:
    """(n, n) bool: other views of the same model that look the same, so that none may count as wrong.

    plain (n, side, side) uint8 gray; model (n,).
    """
    small = functional.adaptive_avg_pool2d(plain.float()[:, None], 12).flatten(1)
    difference = torch.cdist(small, small, p=1) / small.shape[1]
    same = (model[:, None] == model[None]) & (difference < _ALIKE)
    return same & ~torch.eye(len(model), dtype=torch.bool)


def info_nce(
    logits: Tensor, ignored: Tensor, more: Tensor | None = None, below: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cross entropy of (n, n) logits whose diagonal is right, both ways, and the share found.

    ignored (n, n) bool is left out; more (n, m) are further wrong ones for the rows,
    below (n, k) for the columns.
    (van den Oord et al., Representation learning with contrastive predictive coding, 2018)
    """
    right = torch.arange(len(logits))
    masked = logits.masked_fill(ignored, _NEVER)
    rows = masked if more is None else torch.cat([masked, more], dim=1)
    columns = masked.T if below is None else torch.cat([masked.T, below], dim=1)
    loss = functional.cross_entropy(rows, right) + functional.cross_entropy(columns, right)
    return loss / 2, (rows.detach().argmax(1) == right).float().mean()


def best_positives(logits: Tensor, positive: Tensor, count: int) -> Tensor:
    """Each of a row's `count` best positives against all of the row's negatives: the mean of their cross
    entropies over the rows that have both.

    logits (n, m), positive (n, m) bool. A photo need not match every chair, but chairs should fill its first places:
    with one positive alone (count 1) the places after the first are left to chance.
    """
    has = positive.any(1) & ~positive.all(1)
    if not bool(has.any()):
        return logits.sum() * 0
    logits, positive = logits[has], positive[has]
    wrong = logits.masked_fill(positive, _NEVER).logsumexp(1, keepdim=True)
    best = logits.masked_fill(~positive, _NEVER).topk(min(count, logits.shape[1]), dim=1).values
    is_there = best > _NEVER
    each = functional.softplus(wrong - best).masked_fill(~is_there, 0.0)
    return (each.sum(1) / is_there.sum(1)).mean()
