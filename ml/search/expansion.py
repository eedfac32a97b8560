"""The photo's vector drawn toward the views it found: what the first ones share counts for more than one lucky
likeness, so the search looks twice, the second time with their help."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.types import FloatArray

__all__ = ["LEAST_OTHERS", "expanded"]

LEAST_OTHERS = 10  # products searched for each one that helps: of few products the first are not alike


def expanded(query: FloatArray, views: FloatArray) -> npt.NDArray[np.float32]:
    """query (d,) and the views' vectors (k, d), all of length 1 -> (d,) of length 1: their sum, each view weighted by
    its cosine with the query, none below 0.

    Average query expansion (Chum et al., Total recall, 2007), weighted as by Radenović et al. (Fine-tuning CNN image
    retrieval with no human annotation, 2018) with alpha 1.
    """
    total = query + np.maximum(views @ query, 0.0) @ views
    result: npt.NDArray[np.float32] = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
    return result
