"""A model that looks different from every side."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from ml.render.raycast import RayScene
from ml.types import Material, Mesh


def _desk() -> Mesh:
    """A corner desk: a long top with a short wing on the left, a high shelf at its right rear, legs."""
    parts = [  # center, sides
        ((0.0, 0.0, -0.2), (1.6, 0.05, 0.6)),
        ((0.6, 0.0, 0.35), (0.4, 0.05, 0.5)),
        ((-0.65, 0.35, -0.4), (0.3, 0.7, 0.2)),
        *(((x, -0.375, z), (0.06, 0.7, 0.06)) for x, z in ((-0.75, -0.45), (0.75, -0.45), (0.75, 0.55))),
        ((-0.6, -0.375, -0.2), (0.35, 0.7, 0.5)),
    ]
    solids = []
    for center, sides in parts:
        solid = trimesh.creation.box(sides)
        solid.apply_translation(center)
        solids.append(solid)
    whole = trimesh.util.concatenate(solids)
    vertices = np.asarray(whole.vertices, dtype=np.float64)
    vertices -= (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    faces = np.asarray(whole.faces, dtype=np.int32)
    wood = Material("wood", np.array([0.6, 0.45, 0.3, 1], np.float32))
    return Mesh(vertices, faces, np.zeros(len(faces), np.int32), (wood,))


@pytest.fixture(scope="session")
def desk() -> RayScene:
    return RayScene(_desk())
