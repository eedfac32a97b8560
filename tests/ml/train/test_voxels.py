"""Coarse twins stand where the model stands."""

import numpy as np
import pytest

from ml.mesh.parametric.families import random_mesh
from ml.train.voxels import RESOLUTION, coarse_twin


@pytest.mark.parametrize("family", ["chair", "table", "sofa", "floor lamp"])
def test_twin_fills_the_models_box_within_a_voxel(family: str) -> None:
    mesh = random_mesh(family, np.random.default_rng(3))

    twin = coarse_twin(mesh, np.random.default_rng(0))

    voxel = mesh.extents.max() / RESOLUTION
    assert np.allclose(twin.vertices.min(axis=0), mesh.vertices.min(axis=0), atol=1.5 * voxel)
    assert np.allclose(twin.vertices.max(axis=0), mesh.vertices.max(axis=0), atol=1.5 * voxel)


def test_twin_is_closed_and_faces_outwards() -> None:
    mesh = random_mesh("sofa", np.random.default_rng(3))

    twin = coarse_twin(mesh, np.random.default_rng(0))

    a, b, c = (twin.vertices[twin.faces[:, k]] for k in range(3))
    signed_volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert signed_volume > 0
    edges = np.sort(
        np.concatenate([twin.faces[:, [0, 1]], twin.faces[:, [1, 2]], twin.faces[:, [2, 0]]]), axis=1
    )
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts % 2 == 0).all()
