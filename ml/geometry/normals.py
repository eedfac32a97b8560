"""Normals of triangle corners: smooth over gentle edges, sharp over creases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.types import FloatArray, IntArray

__all__ = ["CREASE_DEG", "corner_normals", "face_normals", "merged_vertices"]

CREASE_DEG = 40.0  # faces that meet at a sharper angle are shaded apart
MERGE = 1e-6  # of the model's size: vertices closer than this are one
_MOST_FACES = 64  # about a vertex: with more, as at a fan's center, each face keeps its own normal
_CHUNK = 1 << 19  # pairs of faces looked at together; bounds the memory


def face_normals(vertices: FloatArray, faces: IntArray) -> npt.NDArray[np.float64]:
    """(f, 3) normals by the corners' order, as long as twice the face's area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    result: npt.NDArray[np.float64] = np.cross(b - a, c - a)
    return result


def merged_vertices(vertices: FloatArray) -> npt.NDArray[np.int64]:
    """(v,) a number for each place: vertices at the same place share it."""
    size = max(float(np.ptp(vertices, axis=0).max()), 1e-12)
    cells = np.rint((vertices - vertices.min(axis=0)) / (size * MERGE)).astype(np.int64)
    keys = (cells[:, 0] << 42) ^ (cells[:, 1] << 21) ^ cells[:, 2]
    result: npt.NDArray[np.int64] = np.unique(keys, return_inverse=True)[1].reshape(-1)
    return result


def corner_normals(vertices: FloatArray, faces: IntArray) -> npt.NDArray[np.float32]:
    """(f, 3, 3) unit normal at each face's corner; 0 for a face without area.

    A corner's normal is the area-weighted mean over the faces about it that meet its own face at
    less than CREASE_DEG, whichever way they are wound.
    """
    weighted = face_normals(vertices, faces)
    length = np.linalg.norm(weighted, axis=1, keepdims=True)
    unit = (weighted / np.maximum(length, 1e-300)).astype(np.float32)
    share = (weighted / max(float(length.max(initial=0)), 1e-300)).astype(np.float32)
    result = np.repeat(unit, 3, axis=0)
    place = merged_vertices(vertices)[faces].reshape(-1)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    counts = np.diff(starts, append=len(order))
    group = np.repeat(np.arange(len(starts)), counts)
    corners = np.flatnonzero((counts[group] > 1) & (counts[group] <= _MOST_FACES))
    for chunk in np.array_split(corners, 1 + int(counts[group[corners]].sum()) // _CHUNK):
        if len(chunk):
            start, count = starts[group[chunk]], counts[group[chunk]]
            own, mean = _mean_normals(chunk, order, start, count, unit, share)
            result[own] = mean
    return _unit_or(result, np.repeat(unit, 3, axis=0)).reshape(-1, 3, 3)


def _mean_normals(
    chunk: IntArray, order: IntArray, start: IntArray, count: IntArray, unit: FloatArray, weighted: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Corners (n,), rows of faces * 3, and the sum over their gentle neighbors (n, 3)."""
    own = order[chunk]
    first = np.cumsum(count) - count
    step = np.arange(int(count.sum())) - np.repeat(first, count)
    neighbor = order[np.repeat(start, count) + step] // 3
    me = np.repeat(own // 3, count)
    cosine = np.einsum("ij,ij->i", unit[me], unit[neighbor])
    gentle = np.where(np.abs(cosine) > np.cos(np.radians(CREASE_DEG)), np.sign(cosine), 0)
    return own, np.add.reduceat(weighted[neighbor] * gentle[:, None].astype(np.float32), first, axis=0)


def _unit_or(vectors: npt.NDArray[np.float32], otherwise: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, 3) scaled to length 1; the other row where there is no length to scale."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: npt.NDArray[np.float32] = np.where(length > 1e-12, vectors / np.maximum(length, 1e-30), otherwise)
    return result
