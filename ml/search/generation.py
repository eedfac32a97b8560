"""An index generation on disk: what it holds, opening it, checking it, putting it in place.

A generation is a folder that is never changed once it stands. Its rows are views, sorted by log aspect:

    vectors.npy      (n, d) float16, rows of length 1
    rows.npy         (n, d) float32, the same numbers; left out where they would take over ROWS_BYTES
    cells.npy        (n, c, r, k) int8, cell values times 127; only where the embedder keeps cells
    log_aspects.npy  (n,) float64, ascending
    aspects.npy      (n,) float64, height / width
    view_ids.npy     (n,) int64
    model_ids.npy    (n,) int64
    angles.npy       (n, 2) float64, azimuth and elevation in radians
    cameras.npy      (n, 22) float64: fx fy cx cy width height, camera_from_model row-major
    masks.npy        (n, 128) uint8, the 32 x 32 mask of the crop, packed bits
    colors.npy       (n, 11) uint8, shares of the basic colors times 255; not in generations built before they were
    calibration.npy  (n, 2) float32, c and d of calibrated = c * cosine + d
    adapter.safetensors  phi, where photos' descriptors are adapted (ml.adapt.linear)
    lists.faiss      the vectors once more, in inverted lists; only where asked for and good enough
    collection.txt   name of the Milvus collection that holds them as well; only where asked for
    manifest.json
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.errors import GenerationCorrupt
from ml.search.manifest import Manifest, digest_of, read_manifest
from ml.types import Array, BoolArray, Camera, View

__all__ = [
    "ADAPTER",
    "CELL_SCALE",
    "MASK_SIDE",
    "ROWS_BYTES",
    "Generation",
    "camera_to_row",
    "check_sizes",
    "discard",
    "open_generation",
    "pack_masks",
    "put_in_place",
    "row_to_camera",
    "verify_files",
]

ADAPTER = "adapter.safetensors"
MASK_SIDE = 32
ROWS_BYTES = 2**30  # two million views of 128 values; more are streamed from the float16 ones
CELL_SCALE = 127.0
_WAY_OUT = "run manage.py build_index, or roll back to the generation before"
_TABLES = ("log_aspects", "aspects", "view_ids", "model_ids", "angles", "cameras", "masks", "calibration")


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """An opened generation; every array is memory-mapped, read-only, and as the module's page says."""

    folder: Path
    manifest: Manifest
    vectors: npt.NDArray[np.float16]
    rows: npt.NDArray[np.float32] | None
    cells: npt.NDArray[np.int8] | None
    log_aspects: npt.NDArray[np.float64]
    aspects: npt.NDArray[np.float64]
    view_ids: npt.NDArray[np.int64]
    model_ids: npt.NDArray[np.int64]
    angles: npt.NDArray[np.float64]
    cameras: npt.NDArray[np.float64]
    masks: npt.NDArray[np.uint8]
    calibration: npt.NDArray[np.float32]
    colors: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.view_ids)

    def view(self, row: int) -> View:
        return View(float(self.angles[row, 0]), float(self.angles[row, 1]))

    def camera(self, row: int) -> Camera:
        """The camera of the unstretched view."""
        return row_to_camera(self.cameras[row])

    def mask(self, row: int) -> BoolArray:
        """(32, 32) bool: the object in the view's stretched crop."""
        return np.unpackbits(self.masks[row]).reshape(MASK_SIDE, MASK_SIDE).astype(bool)


def camera_to_row(camera: Camera) -> npt.NDArray[np.float64]:
    """(22,) float64."""
    head = (camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height)
    return np.concatenate([np.asarray(head, dtype=np.float64), camera.camera_from_model.reshape(-1)])


def row_to_camera(row: npt.NDArray[np.float64]) -> Camera:
    fx, fy, cx, cy, width, height = (float(value) for value in row[:6])
    return Camera(fx, fy, cx, cy, int(width), int(height), np.array(row[6:]).reshape(4, 4))


def pack_masks(masks: BoolArray) -> npt.NDArray[np.uint8]:
    """(n, S, S) bool, S >= 32 -> (n, 128) uint8: a small pixel is set where half of its area is."""
    n, side = masks.shape[0], masks.shape[1]
    edges = (np.arange(MASK_SIDE) * side) // MASK_SIDE
    counts = np.diff(np.append(edges, side)).astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(masks.astype(np.float32), edges, axis=1), edges, axis=2)
    small = sums >= 0.5 * counts[:, None] * counts[None, :]
    return np.packbits(small.reshape(n, -1), axis=1)


def open_generation(folder: Path) -> Generation:
    """Memory-map a generation. Raises GenerationCorrupt where a file is missing, short or misshapen.

    Sizes and shapes are checked, contents are not: `verify_files` reads every byte.
    """
    manifest = read_manifest(folder)
    check_sizes(folder, manifest)
    n = manifest.views
    tables = {name: _map(folder / f"{name}.npy", n) for name in _TABLES}
    vectors = _map(folder / "vectors.npy", n)
    rows = _map(folder / "rows.npy", n) if "rows.npy" in manifest.files else None
    cells = _map(folder / "cells.npy", n) if manifest.cells else None
    if vectors.shape != (n, manifest.dim) or (cells is not None and cells.shape[1:] != manifest.cells):
        raise GenerationCorrupt(f"{folder}: the vectors have shape {vectors.shape}; {_WAY_OUT}")
    colors = _map(folder / "colors.npy", n) if "colors.npy" in manifest.files else None
    return Generation(folder, manifest, vectors, rows, cells, **tables, colors=colors)


def _map(path: Path, rows: int) -> Array:
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise GenerationCorrupt(f"{path} can't be opened ({error}); {_WAY_OUT}") from error
    if len(array) != rows:
        raise GenerationCorrupt(f"{path} has {len(array)} rows, not {rows}; {_WAY_OUT}")
    return array


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Every file there, of the size it was written with. Raises GenerationCorrupt."""
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise GenerationCorrupt(f"{path} is missing; {_WAY_OUT}")
        size = path.stat().st_size
        if size != digest.size:
            raise GenerationCorrupt(f"{path} has {size} bytes, not {digest.size}; {_WAY_OUT}")


def verify_files(folder: Path) -> Manifest:
    """Every byte of every file as it was written. Raises GenerationCorrupt."""
    manifest = read_manifest(folder)
    check_sizes(folder, manifest)
    for name, digest in manifest.files.items():
        if digest_of(folder / name).sha256 != digest.sha256:
            raise GenerationCorrupt(f"{folder / name} was altered after it was written; {_WAY_OUT}")
    open_generation(folder)
    return manifest


def put_in_place(staged: Path, out: Path) -> None:
    """fsync a finished folder and rename it to `out`, which must not exist."""
    for path in (*staged.iterdir(), staged):
        _fsync(path)
    if out.exists():
        raise FileExistsError(f"{out} exists; a generation is never overwritten, choose another folder")
    staged.rename(out)
    _fsync(out.parent)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def discard(staged: Path) -> None:
    """Remove a half-built folder."""
    shutil.rmtree(staged, ignore_errors=True)
