"""A coarse twin of a mesh: the surface of a 20^3 voxel grid, as many shape collections are handed around.

Trained beside the detailed model, so that a catalog of coarse surfaces can be searched with photos too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml.types import Material, Mesh

__all__ = ["RESOLUTION", "coarse_twin", "occupancy", "surface_of"]

RESOLUTION = 20  # voxels along the longest edge
_FINE = 3  # samples a voxel and axis: a voxel is filled by the share of them near the surface
_LEVEL = 0.28  # of a voxel's filled share at which the surface lies: thin boards must survive
_SAMPLES = 120_000  # points on the surface: 60^2 fine cells a side of a cube, several in each
_CLAY = (0.63, 0.63, 0.63, 1.0)


def coarse_twin(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """The mesh as a one-colored surface of RESOLUTION voxels, in its place and size."""
    grid, origin, step = occupancy(mesh, rng)
    vertices, faces = surface_of(grid)
    return Mesh(
        vertices=origin + vertices * step,
        faces=faces,
        face_material=np.zeros(len(faces), np.int32),
        materials=(Material("clay", np.array(_CLAY, np.float32)),),
    )


def occupancy(
    mesh: Mesh, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Filled share of each voxel near the surface, the center of voxel (0, 0, 0) and a voxel's edge (metres).

    The grid has an empty border of one voxel on each side.
    """
    step = float(mesh.extents.max()) / RESOLUTION
    fine = step / _FINE
    counts = np.maximum(1, np.ceil(mesh.extents / step - 1e-6)).astype(int)
    low = -(counts * step) / 2 + (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    cells = np.floor((_points_on(mesh, rng) - low) / fine).astype(np.int64)
    cells = np.clip(cells, 0, counts * _FINE - 1)
    filled = np.zeros(tuple(counts * _FINE), np.bool_)
    filled[tuple(cells.T)] = True
    shape = tuple(value for count in counts for value in (count, _FINE))
    share = filled.reshape(shape).mean(axis=(1, 3, 5))
    share = np.minimum(1.0, share * _FINE)  # a board one fine cell thick fills its voxel
    return np.pad(share, 1), low - step / 2, step


def surface_of(
    grid: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Vertices (v, 3) in voxels and faces (f, 3) where the grid crosses _LEVEL, by surface nets: one
    vertex a cell of eight voxels, at the mean of its edges' crossings. Faces look outwards."""
    inside = grid > _LEVEL
    total = np.zeros((*(n - 1 for n in grid.shape), 3))
    count = np.zeros(total.shape[:3])
    quads: list[npt.NDArray[np.int64]] = []
    number = np.arange(count.size).reshape(count.shape)
    for axis in range(3):
        first = [slice(None)] * 3
        second = [slice(None)] * 3
        first[axis], second[axis] = slice(0, -1), slice(1, None)
        a, b = grid[tuple(first)], grid[tuple(second)]
        crossing = np.argwhere(inside[tuple(first)] != inside[tuple(second)])
        values = tuple(crossing.T)
        point = crossing.astype(np.float64)
        point[:, axis] += (_LEVEL - a[values]) / (b[values] - a[values])
        u, v = (axis + 1) % 3, (axis + 2) % 3
        corners = []
        for du, dv in ((0, 0), (-1, 0), (-1, -1), (0, -1)):
            cell = crossing.copy()
            cell[:, u] += du
            cell[:, v] += dv
            np.add.at(total, tuple(cell.T), point)
            np.add.at(count, tuple(cell.T), 1)
            corners.append(number[tuple(cell.T)])
        quad = np.stack(corners, axis=1)
        leaves = inside[tuple(first)][values]  # the surface looks along +axis
        quad[~leaves] = quad[~leaves][:, ::-1]
        quads.append(quad)
    quad = np.concatenate(quads)
    used, rows = np.unique(quad, return_inverse=True)
    quad = rows.reshape(-1, 4).astype(np.int32)
    vertices = (total / np.maximum(count, 1)[..., None]).reshape(-1, 3)[used]
    faces = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    return vertices, faces


def _points_on(mesh: Mesh, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(n, 3) points spread over the surface, and every corner."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0:
        return mesh.vertices
    face = rng.choice(len(area), _SAMPLES, p=area / area.sum())
    u, v = rng.random((2, _SAMPLES, 1))
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    spread = a[face] + u * (b[face] - a[face]) + v * (c[face] - a[face])
    return np.concatenate([mesh.vertices, spread])
