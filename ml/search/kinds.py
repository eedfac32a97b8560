"""Products of the kind of thing that a photo shows come before others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.types import FloatArray

__all__ = ["kind_scores", "likeliest"]

_ENOUGH = 0.4  # of the likeliest product's: from there on a product is of the photo's kind
_FLOOR = 0.03  # what one of another kind is left: both may be told wrong


def likeliest(photos: FloatArray, products: FloatArray) -> npt.NDArray[np.float32]:
    """photos (n, k + 1) and products (p, k + 1), how likely each kind is, the last one none of them -> (n,) in [0, 1]:
    how likely the photo and the product that fits it best are of one kind."""
    return np.asarray((photos[:, :-1] @ products[:, :-1].T).max(axis=1, initial=0.0), np.float32)


def kind_scores(photo: FloatArray, products: FloatArray) -> npt.NDArray[np.float32]:
    """photo (k + 1,) and products (p, k + 1), how likely each kind is, the last one none of them -> (p,) from
    log(_FLOOR / (_FLOOR + _ENOUGH)) to 0: the logarithm of how likely photo and product are of one kind, beside the
    likeliest, by the photo's share of kinds at all. 0 for all where the photo is of no kind that any of them may be.

    Among the products that may well be of the photo's kind this says nothing: which of them it is, their looks do.
    """
    common = products[:, :-1] @ photo[:-1]
    most = float(common.max(initial=0.0))
    if most <= 0:
        return np.zeros(len(products), np.float32)
    share = np.minimum(common / most, _ENOUGH)
    sure = 1.0 - float(photo[-1])
    return np.asarray(sure * np.log((share + _FLOOR) / (_ENOUGH + _FLOOR)), np.float32)
