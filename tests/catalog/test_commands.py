"""From files to answers by the commands alone, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import trimesh

REPOSITORY = Path(__file__).parents[2]


def run(data: Path, *arguments: str, is_failing: bool = False, **settings: str) -> str:
    environment = {
        **os.environ,
        "SHAPELENS_DATA": str(data),
        "SHAPELENS_EMBEDDER": "hog",
        "SHAPELENS_VIEWS": "12x1",
        "OMP_NUM_THREADS": "1",
        **settings,
    }
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == is_failing, done.stdout + done.stderr
    return done.stderr if is_failing else done.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    trimesh.creation.box((1.0, 0.4, 0.5)).export(folder / "bench.glb")
    trimesh.creation.cylinder(radius=0.2, height=0.4).export(folder / "stool.glb")
    (folder / "broken.glb").write_bytes(b"not a model")
    return folder


@pytest.fixture(scope="module")
def data(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    run(folder, "migrate", "--verbosity", "0")
    return folder


def test_files_become_answers(data: Path, models: Path) -> None:
    first = json.loads(run(data, "import_catalog", str(models), "--unit", "m", "--json"))
    assert first["counts"] == {"imported": 2, "failed": 1}
    [failed] = [item for item in first["items"] if item["outcome"] == "failed"]
    assert failed["key"] == "broken"
    assert failed["reason"]

    again = json.loads(run(data, "import_catalog", str(models), "--unit", "m", "--json"))
    assert again["counts"]["unchanged"] == 2
    assert {i["product_id"] for i in again["items"]} == {i["product_id"] for i in first["items"]}

    assert "2 models, 24 views" in run(data, "build_index")
    assert "2 models, 24 views" in run(data, "check_index")

    [sheet] = [path for path in data.glob("assets/*/*/thumbnail.jpg") if path.stat().st_size][:1]
    answer = json.loads(run(data, "search", str(sheet), "--tau", "0.1", "--json"))
    assert {row["key"] for row in answer["results"]} == {"bench", "stool"}
    assert [row["rank"] for row in answer["results"]] == [1, 2]
    assert "give one a photo" in run(
        data, "search", str(sheet), "--turn", "0", "--turn", "9", is_failing=True
    )


def test_a_missing_path_says_so(data: Path) -> None:
    assert "there is no file or folder" in run(data, "import_catalog", "/nowhere/at-all", is_failing=True)


def test_an_index_is_checked_and_rolled_back(data: Path, models: Path) -> None:
    run(data, "import_catalog", str(models), "--unit", "m")
    first = run(data, "build_index").split()[1]
    second = run(data, "build_index").split()[1]
    assert second != first
    assert f"index {second}" in run(data, "check_index")

    vectors = max((data / "index" / second).iterdir(), key=lambda path: path.stat().st_size)
    damaged = bytearray(vectors.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    vectors.write_bytes(damaged)
    assert vectors.name in run(data, "check_index", is_failing=True)

    assert f"index {first}" in run(data, "rollback_index")
    assert f"index {first}" in run(data, "check_index")


def test_setting_up_twice_makes_one_admin_and_keeps_the_index(models: Path, tmp_path: Path) -> None:
    first = run(tmp_path, "setup_local", "--catalog", str(models))
    assert "shown this once" in first
    assert "index 1 answers: 2 models" in first
    again = run(tmp_path, "setup_local", "--catalog", str(models))
    assert "shown this once" not in again
    assert "answers" not in again
    assert "index 1" in run(tmp_path, "check_index")


def test_a_library_imported_with_a_wrong_front_is_told_by_its_pictures(tmp_path: Path) -> None:
    """A shop of turned models, with the pictures of Sweet Home 3D's own library."""
    library = Path("/usr/share/sweethome3d/furniture/KatorLegaz.sh3f")
    if not library.exists():
        pytest.skip("Debian's sweethome3d-furniture is not installed")
    shop = tmp_path / "shop.sh3f"
    with zipfile.ZipFile(library) as source, zipfile.ZipFile(shop, "w") as target:
        lines = source.read("PluginFurnitureCatalog.properties").decode("latin-1").splitlines()
        numbers = [line.partition("=")[0].partition("#")[2] for line in lines if line.startswith("name#")][
            :24
        ]
        kept = [
            line for line in lines if "#" not in line or line.partition("=")[0].partition("#")[2] in numbers
        ]
        target.writestr("PluginFurnitureCatalog.properties", "\n".join(kept).encode("latin-1"))
        for name in source.namelist():
            if not name.endswith(".properties"):
                target.writestr(name, source.read(name))
    data = tmp_path / "data"
    settings = {"SHAPELENS_EMBEDDER": "viewnet", "SHAPELENS_VIEWS": "24x2"}
    run(data, "migrate", "--verbosity", "0", **settings)

    right = json.loads(run(data, "import_catalog", str(shop), "--name", "right", "--json", **settings))
    turned = json.loads(
        run(data, "import_catalog", str(shop), "--name", "turned", "--front", "-x", "--json", **settings)
    )

    assert right["counts"]["imported"] == 24
    assert not [text for text in right["warnings"] if "--front" in text]
    assert [text for text in turned["warnings"] if "import again with --front +z" in text], turned["warnings"]
