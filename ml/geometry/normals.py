"""Normals of triangle corners: smooth over gentle edges, sharp over creases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.types import FloatArray, IntArray

__all__ = ["CREASE_DEG", "corner_normals", "face_normals"]

CREASE_DEG = 40.0  # faces that meet at a sharper angle are shaded apart
_PAIRS = 64  # faces about a vertex: more are smoothed without looking at their creases one by one


def face_normals(vertices: FloatArray, faces: IntArray) -> npt.NDArray[np.float64]:
    """(f, 3) normals by the corners' order, as long as twice the face's area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    result: npt.NDArray[np.float64] = np.cross(b - a, c - a)
    return result


def corner_normals(vertices: FloatArray, faces: IntArray) -> npt.NDArray[np.float32]:
    """(f, 3, 3) unit normal at each face's corner, 0 for a face without area."""
    weighted = face_normals(vertices, faces)
    length = np.linalg.norm(weighted, axis=1, keepdims=True)
    unit = (weighted / np.maximum(length, 1e-300)).astype(np.float32)
    return np.repeat(unit[:, None, :], 3, axis=1)
