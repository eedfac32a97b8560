from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from ml.errors import BadMesh
from ml.mesh.storage import load_mesh
from ml.pipelines.onboarding import OnboardJob, OnboardLimits, OnboardResult, mesh_hash, onboard, onboard_many
from ml.render.shading import RENDERER_FINGERPRINT
from ml.render.views import ViewGrid, load_views
from ml.types import Frame, ModelFile

GRID = ViewGrid(azimuths=4, elevations_deg=(0.0, 20.0))
FILES = {
    "facts.json",
    "mesh.npz",
    "model.glb",
    "original.zip",
    "thumbnail.jpg",
    "views-gray.jpg",
    "views.jpg",
    "views.npz",
}
CENTIMETRES = Frame(unit="cm", up="+y", front="+z")


def write_obj(folder: Path, name: str = "cabinet") -> Path:
    """A textured box of 80 x 120 x 40, with its material and picture beside it."""
    (folder / "textures").mkdir(parents=True)
    picture = np.full((8, 8, 3), (40, 90, 160), np.uint8)
    cv2.imwrite(str(folder / "textures" / "oak.png"), picture)
    (folder / f"{name}.mtl").write_text("newmtl oak\nKd 1 1 1\nmap_Kd textures/oak.png\n")
    box = trimesh.creation.box((80, 120, 40))
    lines = [f"mtllib {name}.mtl", "vt 0 0", "vt 1 0", "vt 1 1", "usemtl oak"]
    lines += [f"v {x} {y} {z}" for x, y, z in box.vertices]
    lines += [f"f {a + 1}/1 {b + 1}/2 {c + 1}/3" for a, b, c in box.faces]
    path = folder / f"{name}.obj"
    path.write_text("\n".join(lines) + "\n")
    return path


def job(path: Path, out: Path, name: str = "cabinet") -> OnboardJob:
    return OnboardJob(ModelFile(key=name, path=path, name=name), CENTIMETRES, out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("onboarding")
    return onboard(job(write_obj(root / "source"), root / "assets" / "cabinet"), grid=GRID)


def test_a_model_gets_all_its_files_and_no_other(made) -> None:
    assert {path.name for path in made.directory.iterdir()} == FILES
    assert [path.name for path in made.directory.parent.iterdir()] == ["cabinet"]


def test_what_is_told_is_what_was_made(made) -> None:
    assert (made.faces, made.materials, made.view_count, made.warnings) == (12, 1, 8, ())
    np.testing.assert_allclose(made.extents, (0.8, 1.2, 0.4), atol=1e-6)
    facts = json.loads((made.directory / "facts.json").read_text(encoding="utf-8"))
    assert facts["faces"] == 12
    assert facts["watertight"] is True
    assert facts["renderer"] == RENDERER_FINGERPRINT
    assert facts["mesh_hash"] == made.mesh_hash
    assert facts["materials"] == ["oak"]


def test_mesh_views_and_glb_agree(made) -> None:
    mesh, views = load_mesh(made.directory / "mesh.npz"), load_views(made.directory)
    assert mesh_hash(mesh) == made.mesh_hash
    assert len(views.grid) == len(GRID)
    assert views.aspects[0] == pytest.approx(1.2 / 0.8, rel=0.02)
    center = views.pixels[0][112, 112].astype(int)
    assert center[0] > center[1] > center[2]  # the oak of the picture, not white or gray
    glb = trimesh.load_scene(made.directory / "model.glb")
    np.testing.assert_allclose(glb.bounds, [(-0.4, -0.6, -0.2), (0.4, 0.6, 0.2)], atol=1e-5)


def test_the_original_is_kept_with_what_it_refers_to(made) -> None:
    with zipfile.ZipFile(made.directory / "original.zip") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {"cabinet.obj", "cabinet.mtl", "textures/oak.png"}


def test_the_thumbnail_is_a_picture(made) -> None:
    picture = cv2.imread(str(made.directory / "thumbnail.jpg"))
    assert picture is not None
    assert picture.shape == (320, 320, 3)


def test_the_hash_is_of_the_shape_alone(tmp_path: Path, made) -> None:
    path = write_obj(tmp_path / "source")
    path.with_suffix(".mtl").write_text("newmtl oak\nKd 0.1 0.2 0.3\n")
    again = onboard(job(path, tmp_path / "out"), grid=GRID)
    assert again.mesh_hash == made.mesh_hash
    path.write_text(path.read_text().replace("v 40.0", "v 41.0"))
    assert onboard(job(path, tmp_path / "out"), grid=GRID).mesh_hash != made.mesh_hash


def test_onboarding_again_replaces_the_directory(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "stale.txt").write_text("from before")
    onboard(job(write_obj(tmp_path / "source"), out), grid=GRID)
    assert {path.name for path in out.iterdir()} == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_a_bad_model_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.obj"
    path.write_text("v 0 0 0\nv nan 0 0\nv 0 1 0\n")
    with pytest.raises(BadMesh):
        onboard(job(path, tmp_path / "out"), grid=GRID)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.obj"]


def test_the_limit_on_faces_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(BadMesh, match="faces"):
        onboard(
            job(write_obj(tmp_path / "source"), tmp_path / "out"), grid=GRID, limits=OnboardLimits(faces=11)
        )


def test_children_read_good_models_and_name_bad_ones(tmp_path: Path) -> None:
    bad = tmp_path / "bad.obj"
    bad.write_text("this is no mesh\n")
    jobs = [job(bad, tmp_path / "out" / "bad", "bad")]
    jobs += [job(write_obj(tmp_path / n), tmp_path / "out" / n, n) for n in ("a", "b")]
    told: list[OnboardResult] = []
    results = {r.job.model.name: r for r in onboard_many(jobs, grid=GRID, on_result=told.append)}
    assert set(results) == {"bad", "a", "b"}
    assert [r.job.model.name for r in told] == list(results)
    assert isinstance(results["bad"].error, BadMesh)
    assert results["bad"].model is None
    for name in ("a", "b"):
        assert results[name].error is None
        assert {path.name for path in (tmp_path / "out" / name).iterdir()} == FILES


def test_what_a_killed_child_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "out.tmp-77").mkdir()
    (result,) = onboard_many([job(write_obj(tmp_path / "source"), out)], limits=OnboardLimits(seconds=0.001))
    assert "longer than" in str(result.error)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_no_jobs_give_no_results() -> None:
    assert list(onboard_many([])) == []
