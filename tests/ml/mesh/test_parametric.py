from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.errors import BadMesh, UnknownName
from ml.mesh.glb import write_glb
from ml.mesh.parametric.families import FAMILIES, random_mesh
from ml.mesh.reading import read_mesh
from ml.mesh.storage import load_mesh, save_mesh


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_random_product_is_a_normalized_mesh(family: str) -> None:
    mesh = random_mesh(family, np.random.default_rng(7))
    assert np.isfinite(mesh.vertices).all()
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices)
    assert mesh.face_material.max() < len(mesh.materials)
    center = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    np.testing.assert_allclose(center, 0, atol=1e-6)
    assert 0.03 < mesh.extents.max() < 4


def test_the_same_seed_draws_the_same_product() -> None:
    first, again = (random_mesh("chair", np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, again.vertices)
    other = random_mesh("chair", np.random.default_rng(4))
    assert other.vertices.shape != first.vertices.shape or not np.array_equal(other.vertices, first.vertices)


def test_an_unknown_family_names_those_there_are() -> None:
    with pytest.raises(UnknownName, match="bookcase"):
        random_mesh("spaceship", np.random.default_rng(0))


def test_storage_gives_back_every_bit(tmp_path: Path) -> None:
    mesh = random_mesh("table", np.random.default_rng(1))
    save_mesh(mesh, tmp_path / "mesh.npz")
    back = load_mesh(tmp_path / "mesh.npz")
    np.testing.assert_array_equal(back.vertices, mesh.vertices)
    np.testing.assert_array_equal(back.faces, mesh.faces)
    assert [m.name for m in back.materials] == [m.name for m in mesh.materials]


def test_a_glb_reads_back_in_metres_and_in_size(tmp_path: Path) -> None:
    mesh = random_mesh("desk", np.random.default_rng(2))
    write_glb(mesh, tmp_path / "desk.glb")
    back, frame, _ = read_mesh(tmp_path / "desk.glb")
    assert frame.unit == "m"
    assert frame.up == "+y"
    np.testing.assert_allclose(back.extents, mesh.extents, rtol=1e-4)


def test_a_truncated_glb_is_named(tmp_path: Path) -> None:
    write_glb(random_mesh("mug", np.random.default_rng(2)), tmp_path / "mug.glb")
    whole = (tmp_path / "mug.glb").read_bytes()
    (tmp_path / "mug.glb").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadMesh):
        read_mesh(tmp_path / "mug.glb")
