"""Models drawn in code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from ml.types import Material, Mesh

Part = tuple[trimesh.Trimesh, tuple[float, ...]]


def joined(*parts: Part) -> Mesh:
    """Solids, each with its RGBA color in [0, 1]."""
    vertices, faces, material, offset = [], [], [], 0
    for index, (solid, _) in enumerate(parts):
        vertices.append(np.asarray(solid.vertices, dtype=np.float64))
        faces.append(np.asarray(solid.faces) + offset)
        material.append(np.full(len(solid.faces), index))
        offset += len(solid.vertices)
    materials = tuple(
        Material(f"part {i}", np.array(color, np.float32)) for i, (_, color) in enumerate(parts)
    )
    return Mesh(
        np.concatenate(vertices),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(material).astype(np.int32),
        materials,
    )


def block(x: float, y: float, z: float, width: float, height: float, depth: float) -> trimesh.Trimesh:
    """A box by its center and its sides."""
    solid = trimesh.creation.box((width, height, depth))
    solid.apply_translation((x, y, z))
    return solid


def quad(texture: np.ndarray | None = None, color: tuple[float, ...] = (1, 1, 1, 1)) -> Mesh:
    """A 2 x 2 square that faces +z, its texture upright."""
    vertices = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=np.float64)
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)[faces]
    material = Material("picture", np.array(color, np.float32), texture)
    return Mesh(vertices, faces, np.zeros(2, np.int32), (material,), uv)


@pytest.fixture(scope="session")
def make_quad() -> Callable[..., Mesh]:
    return quad


@pytest.fixture(scope="session")
def make_mesh() -> Callable[..., Mesh]:
    return joined


@pytest.fixture(scope="session")
def make_block() -> Callable[..., trimesh.Trimesh]:
    return block


@pytest.fixture(scope="session")
def sphere() -> Mesh:
    return joined((trimesh.creation.icosphere(subdivisions=4), (0.8, 0.4, 0.2, 1)))


@pytest.fixture(scope="session")
def chair() -> Mesh:
    """A seat, a back at its rear, four legs and one red arm on the model's left."""
    wood = (0.7, 0.5, 0.3, 1)
    legs = [(block(x, -0.25, z, 0.05, 0.5, 0.05), wood) for x in (-0.2, 0.2) for z in (-0.2, 0.2)]
    return joined(
        (block(0, 0, 0, 0.5, 0.06, 0.5), wood),
        (block(0, 0.25, -0.22, 0.5, 0.5, 0.05), wood),
        (block(0.22, 0.15, 0.05, 0.05, 0.08, 0.4), (0.9, 0.1, 0.1, 1)),
        *legs,
    )
