"""Files of strangers: each gets a sentence that says what is wrong, or just works; nothing is lost."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh

from ml.errors import BadMesh, BadSource
from ml.mesh.decimating import decimate
from ml.mesh.limits import MeshLimits, SourceLimits
from ml.mesh.normalizing import combined, normalize
from ml.mesh.reading import read_mesh
from ml.mesh.sources import open_source
from ml.types import Frame

_CUBE = """\
v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1
usemtl wood\nf 1 3 2\nf 1 4 3\nf 5 6 7\nf 5 7 8\nf 1 2 6\nf 1 6 5\nf 4 8 7\nf 4 7 3\nf 1 5 8\nf 1 8 4\nf 2 3 7\nf 2 7 6
"""


def _zip(path: Path, entries: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


# ---- archives --------------------------------------------------------------------------------


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = _zip(tmp_path / "bomb.zip", {"model.obj": b"\0" * 40_000_000})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(BadSource, match=r"bomb\.zip.*model\.obj"):
        open_source(bomb, workdir=tmp_path / "work")
    assert not list((tmp_path / "work").rglob("*.obj"))


def test_many_small_files_are_refused_by_their_number(tmp_path: Path) -> None:
    path = _zip(tmp_path / "many.zip", {f"{n}.obj": _CUBE for n in range(30)})
    with pytest.raises(BadSource, match="30"):
        open_source(path, workdir=tmp_path / "work", limits=SourceLimits(entries=20))


def test_entries_that_lead_outside_are_named_and_not_written(tmp_path: Path) -> None:
    path = _zip(
        tmp_path / "sly.zip",
        {"good.obj": _CUBE, "../outside.obj": _CUBE, "/etc/absolute.obj": _CUBE, "a/../../b.obj": _CUBE},
    )

    source = open_source(path, workdir=tmp_path / "work" / "deep")

    assert [model.key for model in source.models] == ["good"]
    assert len(source.failures) == 3
    assert all(failure.code == "refused_entry" and failure.reason for failure in source.failures)
    written = {file.name for file in tmp_path.rglob("*.obj")}
    assert written == {"good.obj"}


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("passwords.obj")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.obj", _CUBE)
    source = open_source(path, workdir=tmp_path / "work")
    assert [model.key for model in source.models] == ["good"]
    assert [failure.code for failure in source.failures] == ["refused_entry"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut off", b"not an archive at all"])
def test_what_is_no_archive_says_so(tmp_path: Path, data: bytes) -> None:
    for suffix in (".zip", ".sh3f"):
        path = tmp_path / f"broken{suffix}"
        path.write_bytes(data)
        with pytest.raises(BadSource, match="broken"):
            open_source(path, workdir=tmp_path / "work")


# ---- furniture libraries -----------------------------------------------------------------------


def test_a_library_with_latin_1_names_and_missing_entries(tmp_path: Path) -> None:
    properties = "\n".join(
        [
            "id=Test#1", "name=B\u00fccherregal",
            "id#1=shelf", "name#1=B\u00fccherregal gro\u00df", "category#1=M\u00f6bel", "model#1=/models/cube.obj",
            "width#1=80", "depth#1=40", "height#1=200", "movable#1=true", "doorOrWindow#1=false", "icon#1=/icons/none.png",
            "id#2=gone", "name#2=Verschwunden", "category#2=M\u00f6bel", "model#2=/models/missing.obj",
            "width#2=10", "depth#2=10", "height#2=10", "movable#2=true", "doorOrWindow#2=false",
            "id#3=nomodel", "name#3=Ohne Modell", "category#3=M\u00f6bel",
        ]
    )  # fmt: skip
    path = _zip(
        tmp_path / "lib.sh3f",
        {"PluginFurnitureCatalog.properties": properties.encode("latin-1"), "models/cube.obj": _CUBE},
    )

    source = open_source(path, workdir=tmp_path / "work")

    [shelf] = source.models
    assert shelf.name == "B\u00fccherregal gro\u00df"
    assert shelf.category == "M\u00f6bel"
    mesh, frame, _ = read_mesh(shelf.path)
    size = normalize(mesh, combined(shelf.frame, frame))[0].extents
    assert size == pytest.approx([0.8, 2.0, 0.4])
    assert len(source.failures) == 2
    reasons = {failure.name: failure for failure in source.failures}
    assert reasons["Verschwunden"].code == "missing_entry"
    assert "missing.obj" in reasons["Verschwunden"].reason
    assert reasons["Ohne Modell"].reason


# ---- meshes ------------------------------------------------------------------------------------


def test_an_obj_without_its_materials_just_works_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cube.obj"
    path.write_text("mtllib gone.mtl\n" + _CUBE)
    mesh, _, warnings = read_mesh(path)
    assert len(mesh.faces) == 12
    assert any("gone.mtl" in warning for warning in warnings)


def test_a_missing_texture_just_works_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "cube.mtl").write_text("newmtl wood\nKd 0.5 0.4 0.3\nmap_Kd gone.png\n")
    path = tmp_path / "cube.obj"
    path.write_text("mtllib cube.mtl\n" + _CUBE)
    mesh, _, warnings = read_mesh(path)
    assert len(mesh.faces) == 12
    assert any("gone.png" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.obj", b""),
        ("points.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"),
        ("text.glb", b"this is a letter, not a model"),
        ("cut.stl", b"solid x\n facet normal 0 0"),
        ("binary.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nend_header\n"),
        ("nothing.off", b"OFF\n0 0 0\n"),
    ],
)
def test_what_is_no_mesh_says_so(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadMesh) as caught:
        read_mesh(path)
    assert len(str(caught.value)) > 15


def test_points_that_are_not_numbers_are_left_out_or_refused(tmp_path: Path) -> None:
    partly = tmp_path / "partly.obj"
    partly.write_text(_CUBE + "v nan 0 0\nf 1 2 9\n")
    mesh, _, warnings = read_mesh(partly)
    assert np.isfinite(mesh.vertices).all()
    assert len(mesh.faces) == 12
    assert warnings
    wholly = tmp_path / "wholly.obj"
    wholly.write_text("v nan 0 0\nv 0 nan 0\nv 0 0 nan\nf 1 2 3\n")
    with pytest.raises(BadMesh):
        read_mesh(wholly)


def test_too_many_faces_are_refused_and_many_are_decimated(tmp_path: Path) -> None:
    path = tmp_path / "ball.stl"
    trimesh.creation.icosphere(subdivisions=4).export(path)  # 5,120 faces
    with pytest.raises(BadMesh, match="faces"):
        read_mesh(path, limits=MeshLimits(max_faces=1000))
    with pytest.raises(BadMesh, match=r"bytes|MB"):
        read_mesh(path, limits=MeshLimits(max_bytes=1000))
    mesh, warnings = decimate(read_mesh(path)[0], 2000)
    assert 1000 < len(mesh.faces) <= 2000
    assert mesh.extents == pytest.approx([2, 2, 2], abs=0.05)
    assert warnings


def test_a_flat_and_a_tiny_model_are_normalized_without_dividing_by_zero(tmp_path: Path) -> None:
    flat = tmp_path / "rug.obj"
    flat.write_text("v 0 0 0\nv 200 0 0\nv 200 0 100\nv 0 0 100\nf 1 2 3\nf 1 3 4\n")
    mesh, frame, _ = read_mesh(flat)
    normal, _ = normalize(mesh, combined(Frame(unit="cm"), frame))
    assert normal.extents == pytest.approx([2.0, 0.0, 1.0])


def test_every_file_of_a_folder_is_accounted_for(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "cube.obj").write_text("mtllib cube.mtl\n" + _CUBE)
    (folder / "deep" / "er" / "cube.mtl").write_text("newmtl wood\nKd 1 1 1\n")
    (folder / "chair.max").write_bytes(b"x")
    (folder / "readme.txt").write_text("hello")
    (folder / "loose.png").write_bytes(b"x")

    source = open_source(folder, workdir=tmp_path / "work")

    assert [model.key for model in source.models] == ["deep/er/cube"]
    assert [failure.code for failure in source.failures] == ["unsupported_format"]
    told = {Path(name).name for name in (*source.resources, *(file.path for file in source.ignored))}
    assert told >= {"cube.mtl", "readme.txt", "loose.png"}
