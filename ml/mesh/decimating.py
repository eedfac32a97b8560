"""Fewer faces where a model has more than anyone can see."""

from __future__ import annotations

import fast_simplification
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ml.mesh.cleaning import clean
from ml.types import Mesh

__all__ = ["decimate"]


def decimate(mesh: Mesh, target: int) -> tuple[Mesh, tuple[str, ...]]:
    """At most about `target` faces by quadric edge collapses; unchanged below it.

    Every new face takes the material and the texture coordinates of the nearest old face.
    """
    count = len(mesh.faces)
    if count <= target:
        return mesh, ()
    points, faces = fast_simplification.simplify(
        mesh.vertices.astype(np.float32), mesh.faces, target_reduction=1 - target / count, agg=7
    )
    points, faces = np.asarray(points, dtype=np.float64), np.asarray(faces, dtype=np.int32)
    if not 0 < len(faces) < count:
        return mesh, (f"{count:,} faces could not be reduced",)
    nearest = cKDTree(mesh.vertices[mesh.faces].mean(axis=1)).query(points[faces].mean(axis=1))[1]
    uv = None if mesh.uv is None else _carried_uv(mesh, nearest, points[faces])
    reduced = Mesh(points, faces, mesh.face_material[nearest], mesh.materials, uv)
    reduced, _ = clean(reduced)
    return reduced, (f"reduced from {count:,} to {len(reduced.faces):,} faces",)


def _carried_uv(
    mesh: Mesh, nearest: npt.NDArray[np.intp], corners: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """(n, 3, 2): the old face's affine texture map, continued to the new corners."""
    assert mesh.uv is not None
    old = mesh.vertices[mesh.faces[nearest]]
    edge1, edge2 = old[:, 1] - old[:, 0], old[:, 2] - old[:, 0]
    offset = corners - old[:, :1]
    d11, d12, d22 = (np.einsum("ij,ij->i", a, b) for a, b in ((edge1, edge1), (edge1, edge2), (edge2, edge2)))
    p1 = np.einsum("ikj,ij->ik", offset, edge1)
    p2 = np.einsum("ikj,ij->ik", offset, edge2)
    determinant = np.maximum(d11 * d22 - d12 * d12, 1e-30)[:, None]
    v = np.clip((d22[:, None] * p1 - d12[:, None] * p2) / determinant, -8, 8)
    w = np.clip((d11[:, None] * p2 - d12[:, None] * p1) / determinant, -8, 8)
    base = mesh.uv[nearest]
    uv = (
        base[:, :1]
        + v[..., None] * (base[:, 1:2] - base[:, :1])
        + w[..., None] * (base[:, 2:3] - base[:, :1])
    )
    return np.asarray(uv, dtype=np.float32)
