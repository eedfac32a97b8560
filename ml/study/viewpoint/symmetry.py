"""How often a model looks the same when it is turned about its upright axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ml.types import FloatArray, Mesh

__all__ = ["CONTINUOUS", "equivalents", "smallest_error", "turns_of"]

CONTINUOUS = 0  # turns of a round model: every azimuth is right
_TURNS = (4, 3, 2)  # looked for, the finest first
_ANY = (30.0, 47.0, 76.0)  # degrees; what fits after all of these is round
_SAMPLES = 6000
_QUANTILE = 0.98  # of the surface that must come to lie on the surface: a back or a handle must not get lost
_TOLERANCE = 0.012  # of the bounding box's diagonal, beside what sampling alone leaves


def turns_of(mesh: Mesh, *, seed: int = 0) -> int:
    """How many azimuths in a full turn show the same shape: 1 for most things, 2 for a bench without a back,
    4 for a square table, CONTINUOUS for a vase. Colors do not count.

    mesh: normalized, y up. The surface, turned, must lie on itself.
    """
    rng = np.random.default_rng(seed)
    points, others = _sampled(mesh, _SAMPLES, rng), _sampled(mesh, 4 * _SAMPLES, rng)
    tree = cKDTree(others)
    limit = _distance(points, tree) + _TOLERANCE * float(np.linalg.norm(mesh.extents))

    def fits(degrees: float) -> bool:
        return _distance(_turned(points, math.radians(degrees)), tree) <= limit

    if all(map(fits, _ANY)):
        return CONTINUOUS
    return next((turns for turns in _TURNS if fits(360 / turns)), 1)


def equivalents(azimuth: FloatArray, turns: int) -> npt.NDArray[np.float64]:
    """(..., turns) the azimuths that look like this one, radians; turns >= 1."""
    steps = np.arange(turns) * (2 * math.pi / turns)
    return np.asarray(azimuth, np.float64)[..., None] + steps


def smallest_error(
    estimated: FloatArray, true: FloatArray, turns: Sequence[int] | npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """(n,) smallest difference over each one's equivalent azimuths, in [0, pi]; 0 for CONTINUOUS. Radians."""
    errors = np.zeros(len(estimated))
    for place, (found, right, count) in enumerate(zip(estimated, true, turns, strict=True)):
        if count != CONTINUOUS:
            difference = np.abs((equivalents(right, int(count)) - found + np.pi) % (2 * np.pi) - np.pi)
            errors[place] = difference.min()
    return errors


def _distance(points: FloatArray, tree: cKDTree) -> float:
    return float(np.quantile(tree.query(points)[0], _QUANTILE))


def _turned(points: FloatArray, angle: float) -> npt.NDArray[np.float64]:
    """About the y axis."""
    x, y, z = points.T
    cos, sin = math.cos(angle), math.sin(angle)
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=1)


def _sampled(mesh: Mesh, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(count, 3) points drawn evenly over the surface."""
    corners = mesh.vertices[mesh.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = corners[rng.choice(len(areas), count, p=areas / areas.sum())]
    first, second = rng.random((2, count, 1))
    is_beyond = first + second > 1
    first, second = np.where(is_beyond, 1 - first, first), np.where(is_beyond, 1 - second, second)
    points: npt.NDArray[np.float64] = (
        chosen[:, 0] + first * (chosen[:, 1] - chosen[:, 0]) + second * (chosen[:, 2] - chosen[:, 0])
    )
    return points
