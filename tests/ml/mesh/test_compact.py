from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from ml.mesh.compact import FROM_BYTES, WINS_AT, compact_glb, write_compact
from ml.mesh.glb import write_glb
from ml.mesh.parametric.sample import sample_catalog
from ml.types import Mesh


def _sample(key: str) -> Mesh:
    return next(product for product in sample_catalog() if product.key == key).design.build()


def _scene(data: bytes) -> trimesh.Scene:
    return trimesh.load_scene(io.BytesIO(data), file_type="glb")


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 20,480 faces with one material."""
    path = tmp_path_factory.mktemp("heavy") / "model.glb"
    ball = trimesh.creation.icosphere(5, 0.4)
    mesh = _sample("wing-armchair")
    write_glb(
        Mesh(
            vertices=ball.vertices,
            faces=ball.faces.astype(mesh.faces.dtype),
            face_material=np.zeros(len(ball.faces), mesh.face_material.dtype),
            materials=mesh.materials[:1],
            uv=None,
        ),
        path,
    )
    return path


def test_a_compact_model_is_the_model_within_a_step(heavy: Path) -> None:
    before = _scene(heavy.read_bytes()).to_geometry()
    after = _scene(compact_glb(heavy.read_bytes())).to_geometry()

    assert len(after.faces) == len(before.faces)
    away, _ = cKDTree(after.vertices).query(before.vertices)
    assert away.max() <= 0.87 * before.extents.max() / 16383  # half a step each way
    assert after.area == pytest.approx(before.area, rel=1e-3)
    assert after.volume == pytest.approx(before.volume, rel=1e-3)
    assert np.abs(np.linalg.norm(after.vertex_normals, axis=1) - 1).max() < 0.02


def test_parts_materials_and_textures_stay(tmp_path: Path) -> None:
    for product in sample_catalog()[:6]:
        write_glb(product.design.build(), tmp_path / "model.glb")
        data = (tmp_path / "model.glb").read_bytes()
        before, after = _scene(data), _scene(compact_glb(data))
        assert set(after.geometry) == set(before.geometry)
        assert after.extents == pytest.approx(before.extents, abs=2e-4)
        for name, part in before.geometry.items():
            old, new = part.visual.material, after.geometry[name].visual.material
            assert np.array_equal(old.baseColorFactor, new.baseColorFactor)
            assert (old.baseColorTexture is None) == (new.baseColorTexture is None)


def test_it_is_written_where_it_wins(heavy: Path, tmp_path: Path) -> None:
    assert write_compact(heavy, tmp_path / "small.gz")
    packed = (tmp_path / "small.gz").read_bytes()
    assert len(packed) <= WINS_AT * heavy.stat().st_size
    assert gzip.decompress(packed) == compact_glb(heavy.read_bytes())

    light = tmp_path / "light.glb"
    light.write_bytes(heavy.read_bytes()[: FROM_BYTES - 1])
    assert not write_compact(light, tmp_path / "light.gz")
    assert not (tmp_path / "light.gz").exists()
