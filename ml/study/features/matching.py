"""Queries against views under a similarity and an aspect filter: each model's best view, and where the right one
comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ml.types import BoolArray, FloatArray, IntArray

__all__ = [
    "SIMILARITIES",
    "Similarity",
    "Task",
    "best_of_models",
    "first_category",
    "passing",
    "ranks",
    "sampled_ranks",
    "scores",
]

Similarity = Literal["L2", "dot", "cosine"]
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Queries and gallery, without what describes them.

    query_aspects  (q,); view_aspects (v,)
    model          (v,) model of each view, in [0, models)
    right          (q, models) bool, the models that are right
    same_category  (q, models) bool
    """

    query_aspects: npt.NDArray[np.float64]
    view_aspects: npt.NDArray[np.float64]
    model: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    same_category: npt.NDArray[np.bool_]

    def of_views(self, chosen: IntArray) -> Task:
        """With these views alone."""
        return Task(
            self.query_aspects,
            self.view_aspects[chosen],
            self.model[chosen],
            self.right,
            self.same_category,
        )


def scores(queries: FloatArray, views: FloatArray, similarity: Similarity) -> npt.NDArray[np.float32]:
    """(q, v), higher is more alike. L2 is minus the squared distance; cosine is the dot product at length 1."""
    if similarity == "cosine":
        queries, views = _normalized(queries), _normalized(views)
    product = np.asarray(queries @ views.T, np.float32)
    if similarity != "L2":
        return product
    lengths = np.square(queries).sum(1)[:, None] + np.square(views).sum(1)[None]
    return np.asarray(2 * product - lengths, np.float32)


def passing(task: Task, tau: float) -> npt.NDArray[np.bool_]:
    """(q, v) views with tau < query's / view's aspect < 1 / tau (thesis eq. 3.4); all for tau 0. A query that no
    view passes for is compared with all of them, as the search widens its filter."""
    if tau <= 0:
        return np.ones((len(task.query_aspects), len(task.view_aspects)), np.bool_)
    ratio = task.query_aspects[:, None] / task.view_aspects[None]
    passes: npt.NDArray[np.bool_] = (ratio > tau) & (ratio < 1 / tau)
    passes[~passes.any(1)] = True
    return passes


def best_of_models(scored: FloatArray, passes: BoolArray, task: Task) -> npt.NDArray[np.float32]:
    """(q, models) each model's best passing view; -inf where none passes."""
    order = np.argsort(task.model, kind="stable")
    models, starts = np.unique(task.model[order], return_index=True)
    masked = np.where(passes, scored, -np.inf)[:, order]
    best = np.full((len(scored), task.right.shape[1]), -np.inf, np.float32)
    best[:, models] = np.maximum.reduceat(masked, starts, axis=1)
    return best


def ranks(best: FloatArray, right: BoolArray) -> npt.NDArray[np.float64]:
    """(q,) place of the best right model, 1 the first; inf where none was compared. Equal scores count against
    it: a descriptor that says the same of all finds nothing."""
    of_right = np.where(right, best, -np.inf).max(1)
    above = ((best >= of_right[:, None]) & ~right).sum(1)
    return np.where(np.isfinite(of_right), 1.0 + above, np.inf)


def sampled_ranks(
    best: FloatArray, right: BoolArray, category: BoolArray, models: int, draws: int, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Among only `models` models, the right ones and others drawn at random: (q,) share of the draws in which a
    right model comes first, and in which one of the right category does."""
    rng = np.random.default_rng(seed)
    firsts, categories = np.zeros(len(best)), np.zeros(len(best))
    for _ in range(draws):
        chance = rng.random(best.shape)
        chance[right] = -1.0  # always among them
        limit = np.partition(chance, models - 1, axis=1)[:, models - 1 : models]
        kept = np.where(chance <= limit, best, -np.inf)
        firsts += ranks(kept, right) == 1
        categories += np.take_along_axis(category, kept.argmax(1)[:, None], axis=1)[:, 0]
    return firsts / draws, categories / draws


def first_category(best: FloatArray, category: BoolArray) -> npt.NDArray[np.float64]:
    """(q,) whether the first model is of the right category."""
    return np.take_along_axis(category, best.argmax(1)[:, None], axis=1)[:, 0].astype(np.float64)


def _normalized(rows: FloatArray) -> FloatArray:
    lengths: FloatArray = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows / lengths
