"""Triangles that can't be drawn are left out, corners that coincide are joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ml.errors import BadMesh
from ml.types import Mesh

__all__ = ["clean", "welded"]

_FLAT = 1e-14
"""A face is degenerate below this share of the squared bounding-box diagonal: twice its area
can then no longer be told from rounding in float64."""


def clean(mesh: Mesh) -> tuple[Mesh, tuple[str, ...]]:
    """The mesh without unusable faces and unused vertices, and what was left out.

    Left out: faces that refer to no vertex or to one that is not finite, faces without area,
    and repeated faces (same corners, in any order). Raises BadMesh where nothing remains.
    """
    warnings: list[str] = []
    if not len(mesh.faces):
        raise BadMesh("the model has no faces: export it as triangles, not as points or lines")
    mesh = _keep(mesh, _usable(mesh), "refer to missing or non-finite vertices", warnings)
    if not len(mesh.faces):
        raise BadMesh(
            "no face has three usable corners (not a number, infinite, beyond 10^12, or missing): export the model "
            "again"
        )
    mesh = _without_unused_vertices(welded(_without_unused_vertices(mesh)))
    mesh = _keep(mesh, _has_area(mesh), "have no area", warnings)
    if not len(mesh.faces):
        raise BadMesh("no face has an area (the model is a point or a line): export the model again")
    mesh = _keep(mesh, _first_of_repeated(mesh.faces, len(mesh.vertices)), "repeat another", warnings)
    return _without_unused_vertices(mesh), tuple(warnings)


def welded(mesh: Mesh) -> Mesh:
    """Vertices at exactly the same place become one (uv are kept per corner, so none is lost)."""
    first, inverse = _unique_rows(mesh.vertices + 0.0)  # + 0.0: -0.0 equals 0.0
    return replace(mesh, vertices=mesh.vertices[first], faces=inverse[mesh.faces].astype(np.int32))


def _keep(mesh: Mesh, kept: npt.NDArray[np.bool_], why: str, warnings: list[str]) -> Mesh:
    dropped = int(len(kept) - kept.sum())
    if not dropped:
        return mesh
    warnings.append(f"{dropped:,} of {len(kept):,} faces {why}; left out")
    uv = None if mesh.uv is None else mesh.uv[kept]
    return replace(mesh, faces=mesh.faces[kept], face_material=mesh.face_material[kept], uv=uv)


def _usable(mesh: Mesh) -> npt.NDArray[np.bool_]:
    count = len(mesh.vertices)
    within: npt.NDArray[np.bool_] = np.all((mesh.faces >= 0) & (mesh.faces < count), axis=1)
    # beyond 1e12 units nothing is a product, and products of coordinates lose all precision
    finite: npt.NDArray[np.bool_] = np.all(np.abs(mesh.vertices) < 1e12, axis=1)
    if not count:
        return np.zeros(len(mesh.faces), dtype=bool)
    safe = np.where(within[:, None], mesh.faces, 0)
    usable: npt.NDArray[np.bool_] = np.logical_and(within, finite[safe].all(axis=1))
    return usable


def _has_area(mesh: Mesh) -> npt.NDArray[np.bool_]:
    corners = mesh.vertices[mesh.faces]
    doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    scale = float((np.ptp(mesh.vertices, axis=0) ** 2).sum())
    result: npt.NDArray[np.bool_] = doubled > _FLAT * scale
    return result


def _first_of_repeated(faces: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.bool_]:
    ordered = np.sort(faces, axis=1).astype(np.uint64)
    if count < 1 << 21:
        key = (ordered[:, 0] << np.uint64(42)) | (ordered[:, 1] << np.uint64(21)) | ordered[:, 2]
        first = np.unique(key, return_index=True)[1]
    else:
        first = np.unique(ordered, axis=0, return_index=True)[1]
    kept = np.zeros(len(faces), dtype=bool)
    kept[first] = True
    return kept


def _without_unused_vertices(mesh: Mesh) -> Mesh:
    used = np.zeros(len(mesh.vertices), dtype=bool)
    used[mesh.faces] = True
    if used.all():
        return mesh
    renumbered = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return replace(mesh, vertices=mesh.vertices[used], faces=renumbered[mesh.faces])


def _unique_rows(
    rows: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(first, inverse) of equal (n, 3) rows. One 64-bit hash is sorted instead of three columns;
    the result is checked, and columns are sorted in the unlikely case of a collision."""
    bits = np.ascontiguousarray(rows).view(np.uint64).reshape(-1, 3)
    key = np.zeros(len(bits), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in range(3):
            key = (key ^ bits[:, column]) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first][inverse], rows):
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)
