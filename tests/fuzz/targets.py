"""Every parser of strangers' files: what it begins with, and how it is called.

A parser may refuse (a ShapelensError, or what its callers turn into one); anything else it raises, and any
crash, hang or excess of memory, is a finding.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ml.errors import ShapelensError

__all__ = ["TARGETS", "Target"]

FILES = Path(__file__).parents[1] / "ml" / "mesh" / "files"


@dataclass(frozen=True, slots=True)
class Target:
    """seeds: sound files to damage; parse: reads one; refusals: what it may raise; inputs: of one `make fuzz`;
    has_child: parse makes a process of its own."""

    seeds: Callable[[], list[bytes]]
    parse: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = (ShapelensError,)
    inputs: int = 10_000
    has_child: bool = False


# ---- photos -------------------------------------------------------------------------------


@cache
def _photos() -> list[bytes]:
    import pillow_heif

    pillow_heif.register_heif_opener()
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    exif[0x010F] = "camera"
    made = []
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP"):
        out = io.BytesIO()
        picture.save(out, kind, **({"exif": exif} if kind in {"JPEG", "PNG", "WEBP", "TIFF"} else {}))
        made.append(out.getvalue())
    return made


def _open_photo(data: bytes) -> object:
    from ml.pipelines.photos import open_photo

    return open_photo(data)


def _look_at_upload(data: bytes) -> object:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from webapp.uploads import read_photo

    return read_photo(SimpleUploadedFile("photo.jpg", data))


# ---- models and catalogs ------------------------------------------------------------------


def _mesh_seeds(suffix: str) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(FILES.rglob(f"*.{suffix}"))]


def _read_mesh(suffix: str) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        from ml.mesh.models import load_model
        from ml.types import ModelFile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model.{suffix}"
            path.write_bytes(data)
            if suffix == "obj":  # its materials are read too
                (Path(folder) / "stool.mtl").write_bytes(data)
            if suffix == "gltf":  # nothing is read without its buffer
                for beside in ("stool.bin", "checker.png"):
                    shutil.copy(FILES / "blender" / "separate" / beside, folder)
            return load_model(ModelFile(key="k", path=path, name="n"))

    return parse


def _read_in_a_child(suffix: str) -> Callable[[bytes], object]:
    """As an import reads it: where the reader is another project's compiled code, its crash is answered as well."""

    def parse(data: bytes) -> object:
        from ml.mesh.models import load_model
        from ml.pipelines.children import ChildLimits, run_in_children
        from ml.types import ModelFile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model.{suffix}"
            path.write_bytes(data)
            jobs = [ModelFile(key="k", path=path, name="n")]
            limits = ChildLimits(seconds=60, memory_mb=2048)
            outcome = next(run_in_children(load_model, jobs, workers=1, limits=limits))
            if outcome.error is not None:
                raise outcome.error
            return outcome.made

    return parse


def _archives() -> list[bytes]:
    made = []
    rows = [{"file": "a/stool.off", "name": "Stool", "price": "9.90"}]
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", compression) as archive:
            archive.write(FILES / "gmsh" / "stool.off", "a/stool.off")
            archive.writestr("manifest.json", json.dumps(rows))
        made.append(out.getvalue())
    return made


def _sweet_home() -> list[bytes]:
    catalog = (
        "name#1=Stool\nid#1=stool\nmodel#1=/stool.obj\nicon#1=/stool.png\nwidth#1=40\ndepth#1=40\n"
        "height#1=45\ncategory#1=Seats\ncreator#1=Nobody\n"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", catalog)
        archive.write(FILES / "blender" / "obj" / "stool.obj", "stool.obj")
    return [out.getvalue()]


def _open_source(name: str) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        from ml.mesh.sources import content_hash, open_source

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            source = open_source(path, workdir=Path(folder) / "work")
            escaped = [
                model.path for model in source.models if Path(folder) not in model.path.resolve().parents
            ]
            assert not escaped, f"{escaped} lie outside"
            return [content_hash(model) for model in source.models]

    return parse


def _tables() -> list[bytes]:
    rows = [{"file": "a.glb", "name": "Änne", "price": "9,90", "stock": 3}]
    return [
        json.dumps(rows).encode(),
        "file;name;price;currency\na.glb;Stuhl;9,90;EUR\n".encode("utf-16"),
        b"file,name,price\na.glb,Chair,9.90\n",
    ]


def _read_table(suffix: str) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        from ml.mesh.manifests import read_table

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"table.{suffix}"
            path.write_bytes(data)
            return read_table(path)

    return parse


TARGETS: dict[str, Target] = {
    "photo": Target(_photos, _open_photo),
    "upload": Target(_photos, _look_at_upload),
    **{
        suffix: Target(_mesh_seeds(suffix), _read_mesh(suffix))
        for suffix in ("glb", "gltf", "obj", "stl", "ply", "off", "3mf", "dae")
    },
    "step": Target(_mesh_seeds("step"), _read_in_a_child("step"), inputs=200, has_child=True),
    "zip": Target(_archives, _open_source("shop.zip")),
    "sh3f": Target(_sweet_home, _open_source("shop.sh3f")),
    "csv": Target(_tables, _read_table("csv"), (ShapelensError, ValueError, OSError)),
    "json": Target(_tables, _read_table("json"), (ShapelensError, ValueError, OSError)),
}
