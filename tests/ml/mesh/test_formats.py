"""Files that other programs wrote, and what trimesh writes: sizes, axes and colors arrive."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh

from ml.errors import BadMesh
from ml.mesh.glb import write_glb
from ml.mesh.models import load_model
from ml.mesh.sources import open_source
from ml.types import Frame, Mesh, ModelFile

FILES = Path(__file__).parent / "files"
STOOL = (0.40, 0.45, 0.30)  # width, height, depth
GREENS = ((0.0, 188 / 255, 0.0), (0.0, 0.5, 0.0))  # linear 0.5 in glTF; OBJ and DAE hold the number as it is
SWEET_HOME = Path("/usr/share/sweethome3d/furniture")


def _load(path: Path, frame: Frame = Frame()) -> tuple[Mesh, tuple[str, ...]]:  # noqa: B008
    return load_model(ModelFile(key="stool", path=path, name="stool", frame=frame))


def _seat_share(mesh: Mesh) -> float:
    """Of the surface that faces up, how much lies in the top tenth: a stool that stands has nearly all."""
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    level = np.abs(normal[:, 1]) * (corners[:, :, 1].min(axis=1) > 0.15)
    return float(level.sum() / np.abs(normal[:, 1]).sum())


@pytest.mark.parametrize(
    ("file", "frame", "textured", "green"),
    [
        ("blender/stool.glb", Frame(), True, True),
        ("blender/separate/stool.gltf", Frame(), True, True),
        ("blender/obj/stool.obj", Frame(), True, True),
        ("blender/stool.stl", Frame(), False, False),
        ("blender/stool.ply", Frame(up="+z"), False, False),
        ("gmsh/stool.step", Frame(), False, False),
        ("gmsh/stool.stl", Frame(), False, False),
        ("gmsh/stool.off", Frame(up="+z"), False, False),
        ("openscad/stool.3mf", Frame(), False, False),
        ("openscad/stool.off", Frame(up="+z"), False, False),
        ("openscad/stool.stl", Frame(), False, False),
        ("assimp/stool.dae", Frame(), True, True),
    ],
)
def test_another_programs_stool(file: str, frame: Frame, textured: bool, green: bool) -> None:
    mesh, warnings = _load(FILES / file, frame)

    assert np.allclose(mesh.extents, STOOL, atol=2e-3), warnings
    assert _seat_share(mesh) > 0.3
    texels = [m.texture for m in mesh.materials if m.texture is not None]
    assert bool(texels) == textured
    if textured:
        reds = {tuple(int(v) // 16 for v in texel[:3]) for texel in texels[0].reshape(-1, 4)}
        assert len(reds) == 2  # the checker's two colors
    near = [np.allclose(m.base_color[:3], one, atol=0.02) for m in mesh.materials for one in GREENS]
    assert any(near) == green


@pytest.mark.parametrize(
    ("unit", "metres"), [("millimeter", 0.001), ("inch", 0.0254), ("meter", 1), ("foot", 0.3048)]
)
def test_a_3mf_names_its_unit(tmp_path: Path, unit: str, metres: float) -> None:
    path = tmp_path / "stool.3mf"
    with zipfile.ZipFile(FILES / "openscad" / "stool.3mf") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'unit="millimeter"', f'unit="{unit}"'.encode()))
    mesh, _ = _load(path)
    assert np.allclose(mesh.extents, np.multiply(STOOL, 1000 * metres), rtol=1e-3)


@pytest.mark.parametrize(
    ("meter", "up", "extents"),
    [("0.0254", "Y_UP", (0.0102, 0.0114, 0.0076)), ("1", "Z_UP", (0.4, 0.3, 0.45))],
)
def test_a_dae_names_its_unit_and_its_up_axis(
    tmp_path: Path, meter: str, up: str, extents: tuple[float, ...]
) -> None:
    text = (FILES / "assimp" / "stool.dae").read_text()
    path = tmp_path / "stool.dae"
    path.write_text(text.replace('meter="1"', f'meter="{meter}"').replace("Y_UP", up))
    mesh, _ = _load(path)
    assert np.allclose(mesh.extents, extents, atol=1e-3)


def test_a_step_names_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "stool.step"
    path.write_text(
        (FILES / "gmsh" / "stool.step").read_text().replace("(.MILLI.,.METRE.)", "(.CENTI.,.METRE.)")
    )
    mesh, _ = _load(path)
    assert np.allclose(mesh.extents, np.multiply(STOOL, 10), rtol=1e-3)


def test_compression_that_is_not_read_is_named() -> None:
    with pytest.raises(BadMesh, match=r"KHR_draco_mesh_compression.*export it without compression"):
        _load(FILES / "blender" / "draco.glb")


@pytest.mark.parametrize("suffix", ["glb", "gltf", "obj", "stl", "ply", "off", "3mf"])
def test_what_trimesh_writes_comes_back(tmp_path: Path, suffix: str) -> None:
    scene = trimesh.Scene()
    for size, height in (((0.4, 0.04, 0.3), 0.43), ((0.05, 0.41, 0.05), 0.205)):
        scene.add_geometry(
            trimesh.creation.box(size, trimesh.transformations.translation_matrix((0, height, 0)))
        )
    path = tmp_path / f"stool.{suffix}"
    whole = scene if suffix in {"glb", "gltf", "obj", "3mf"} else scene.to_mesh()
    if suffix == "gltf":
        for name, data in whole.export(file_type="gltf").items():
            (tmp_path / ("stool.gltf" if name == "model.gltf" else name)).write_bytes(data)
    else:
        whole.export(path)

    mesh, _ = _load(path, Frame(unit="m", up="+y"))  # said for all, and it wins over what 3MF says

    assert len(mesh.faces) == 24
    assert np.allclose(mesh.extents, STOOL, atol=1e-4)


def test_our_own_glb_keeps_texture_and_color(tmp_path: Path) -> None:
    mesh, _ = _load(FILES / "blender" / "stool.glb")
    write_glb(mesh, tmp_path / "again.glb")
    again, _ = _load(tmp_path / "again.glb")
    assert np.allclose(again.extents, mesh.extents, atol=1e-6)
    before_by_name, after_by_name = ({m.name: m for m in one.materials} for one in (mesh, again))
    assert before_by_name.keys() == after_by_name.keys()
    for name, before in before_by_name.items():
        after = after_by_name[name]
        assert (before.texture is None) == (after.texture is None)
        assert np.allclose(before.base_color, after.base_color, atol=0.01)


def test_a_zip_of_nested_folders_with_everything_inside(tmp_path: Path) -> None:
    archive = tmp_path / "shop.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("obj/stool.obj", "obj/stool.mtl", "obj/checker.png"):
            file.write(FILES / "blender" / name, f"seats/wood/{Path(name).name}")
        for name in ("stool.gltf", "stool.bin", "checker.png"):
            file.write(FILES / "blender" / "separate" / name, f"seats/steel/{name}")
        file.write(FILES / "gmsh" / "stool.step", "cad/stool.stp")
        file.writestr("readme.txt", "three stools")

    source = open_source(archive, workdir=tmp_path / "work")

    assert sorted(model.key for model in source.models) == [
        "cad/stool", "seats/steel/stool", "seats/wood/stool",
    ]  # fmt: skip
    for model in source.models:
        mesh, warnings = load_model(model)
        assert np.allclose(mesh.extents, STOOL, atol=2e-3), (model.key, warnings)
    assert [one.path for one in source.ignored] == ["readme.txt"]


def test_a_manifest_says_what_the_files_leave_open(tmp_path: Path) -> None:
    shutil.copy(FILES / "gmsh" / "stool.off", tmp_path / "a.off")
    shutil.copy(FILES / "gmsh" / "stool.off", tmp_path / "b.off")
    (tmp_path / "products.csv").write_text(
        "file;name;sku;price;stock;unit;up;front;colour\n"
        "a.off;Hocker Ä;S-1;19,90;4;mm;z;;red\n"
        "b.off;Stool;S-1;;;cm;z;;\n"
        "c.off;Gone;S-3;;;;;;\n",
        encoding="latin-1",
    )

    source = open_source(tmp_path, workdir=tmp_path / "work")
    models = {model.key: model for model in source.models}

    assert (models["a"].name, models["a"].price, models["a"].stock) == ("Hocker Ä", "19,90", "4")
    assert np.allclose(load_model(models["a"])[0].extents, STOOL, atol=2e-3)
    assert np.allclose(load_model(models["b"])[0].extents, np.multiply(STOOL, 10), atol=2e-2)
    assert [failure.key for failure in source.failures] == ["c.off"]
    said = " ".join(source.warnings)
    assert "colour" in said
    assert "S-1" in said


@pytest.mark.skipif(not SWEET_HOME.exists(), reason="Debian's sweethome3d-furniture is not installed")
def test_sweet_homes_own_library_keeps_the_sizes_it_states(tmp_path: Path) -> None:
    source = open_source(SWEET_HOME / "BlendSwap-CC-0.sh3f", workdir=tmp_path)
    assert not source.failures
    for model in source.models[:6]:
        mesh, _ = load_model(model)
        assert model.frame.size is not None
        assert np.allclose(mesh.extents, model.frame.size, rtol=1e-3), model.name
