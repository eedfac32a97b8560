"""Models drawn in code and rendered once: what index and search tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.mesh.storage import save_mesh
from ml.pipelines.indexing import CalibrationSource, GenerationEntry, build_generation
from ml.render.views import ViewGrid, render_views, save_views
from ml.types import Material, Mesh

GRID = ViewGrid(azimuths=12, elevations_deg=(0.0, 20.0))
VIEW_SIDE = 128
QUICK = CalibrationSource(patches=400, absent_patches=200)

_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
_FACES = np.array(
    [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
        [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ],
    dtype=np.int32,
)  # fmt: skip


def boxes_mesh(*boxes: tuple[float, float, float, float, float, float]) -> Mesh:
    """Axis-aligned boxes (x, y, z, width, height, depth), each of its own color, centered together."""
    vertices, faces, material, materials = [], [], [], []
    for index, (x, y, z, *size) in enumerate(boxes):
        vertices.append(_CORNERS * size + (x, y, z))
        faces.append(_FACES + 8 * index)
        material += [index] * len(_FACES)
        color = np.array(
            [0.3 + 0.5 * ((index * 0.37) % 1), 0.5, 0.7 - 0.4 * ((index * 0.61) % 1), 1], np.float32
        )
        materials.append(Material(f"part {index}", color))
    points = np.concatenate(vertices)
    points -= (points.min(axis=0) + points.max(axis=0)) / 2
    return Mesh(points, np.concatenate(faces), np.array(material, np.int32), tuple(materials))


def legs(width: float, height: float, depth: float, thickness: float = 0.05):
    """Four legs under a width x depth top at `height`."""
    right, back = width - thickness, depth - thickness
    return [(x, 0.0, z, thickness, height, thickness) for x in (0.0, right) for z in (0.0, back)]


MESHES = {
    "chair": boxes_mesh(
        *legs(0.45, 0.45, 0.45), (0, 0.45, 0, 0.45, 0.05, 0.45), (0, 0.5, 0, 0.45, 0.5, 0.05)
    ),
    "table": boxes_mesh(*legs(1.4, 0.7, 0.8), (0, 0.7, 0, 1.4, 0.05, 0.8)),
    "shelf": boxes_mesh(
        (0, 0, 0, 0.03, 1.8, 0.3),
        (0.77, 0, 0, 0.03, 1.8, 0.3),
        *[(0, 0.4 * k, 0, 0.8, 0.03, 0.3) for k in range(5)],
    ),
    "sofa": boxes_mesh(
        (0, 0, 0, 2.0, 0.4, 0.9),
        (0, 0.4, 0, 2.0, 0.4, 0.25),
        (0, 0.4, 0, 0.2, 0.2, 0.9),
        (1.8, 0.4, 0, 0.2, 0.2, 0.9),
    ),
    "stool": boxes_mesh(*legs(0.4, 0.6, 0.4, 0.08), (0, 0.6, 0, 0.4, 0.08, 0.4)),
}


@pytest.fixture(scope="session")
def onboarded(tmp_path_factory) -> dict[str, Path]:
    """name -> a directory with the model's views."""
    root = tmp_path_factory.mktemp("models")
    directories = {}
    for name, mesh in MESHES.items():
        directories[name] = root / name
        directories[name].mkdir()
        save_views(render_views(mesh, GRID, VIEW_SIDE), directories[name])
        save_mesh(mesh, directories[name] / "mesh.npz")
    return directories


@pytest.fixture(scope="session")
def entries(onboarded) -> list[GenerationEntry]:
    """Model ids 10, 20, ... in the order of MESHES."""
    return [
        GenerationEntry(10 * (index + 1), directory, 1024 * (index + 1))
        for index, directory in enumerate(onboarded.values())
    ]


@pytest.fixture(scope="session")
def generation(entries, tmp_path_factory) -> Path:
    """Never to be written to: copy it first."""
    out = tmp_path_factory.mktemp("generations") / "one"
    build_generation(entries, out, embedder_name="hog", calibration=QUICK)
    return out


@pytest.fixture(scope="session")
def meshes() -> dict[str, Mesh]:
    return MESHES
