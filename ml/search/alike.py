"""Models that look like one of the same index, by the views' vectors alone: no photo, no network."""

from __future__ import annotations

import numpy as np

from ml.search.aspect import aspect_slice
from ml.search.generation import Generation

__all__ = ["most_alike"]

SIDES = 12  # of the model's views compared, evenly over all of them
TAU = 0.75  # proportions a view may differ by: wider than in a search, as two products are never one

_BLOCK = 8192  # rows converted to float32 at a time


def most_alike(generation: Generation, model_id: int, *, top: int) -> list[tuple[int, float]]:
    """Other models and their likeness in [-1, 1], best first; none where the index lacks the model.

    Each of the model's sides takes the other's most alike view of about its proportions, 0 where there is none;
    the likeness is the mean of these cosines (thesis eq. 3.9, with views for photos).
    """
    mine = np.flatnonzero(generation.model_ids == model_id)
    if not len(mine):
        return []
    angles = generation.angles[mine]
    mine = mine[np.lexsort((angles[:, 0], angles[:, 1]))]
    sides = mine[np.linspace(0, len(mine) - 1, min(SIDES, len(mine))).round().astype(int)]
    vectors = generation.vectors if generation.rows is None else generation.rows
    near = [
        aspect_slice(generation.log_aspects, float(generation.aspects[side]), TAU, aspects=generation.aspects)
        for side in sides
    ]
    asked = np.asarray(vectors[sides], np.float32).T
    cosines = np.zeros((len(generation), len(sides)), np.float32)
    for start in range(min(one.start for one in near), max(one.stop for one in near), _BLOCK):
        block = slice(start, start + _BLOCK)
        cosines[block] = np.asarray(vectors[block], np.float32) @ asked
    for column, one in enumerate(near):
        cosines[: one.start, column] = cosines[one.stop :, column] = 0.0
    order = np.argsort(generation.model_ids, kind="stable")
    ids, first = np.unique(generation.model_ids[order], return_index=True)
    likeness = np.maximum(np.maximum.reduceat(cosines[order], first, axis=0), 0.0).mean(axis=1)
    ranked = np.argsort(-likeness, kind="stable")
    return [(int(ids[at]), float(likeness[at])) for at in ranked if ids[at] != model_id][:top]
