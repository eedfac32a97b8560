"""All views of a model, rendered straight into their crops (docs/adr/0003, 0004)."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ml.errors import BadMesh, ViewsCorrupt
from ml.geometry.boxes import around, expand, mask_box
from ml.geometry.cameras import camera_for_view, cropped, project
from ml.render.raycast import RayScene
from ml.render.shading import BACKGROUND, RENDERER_FINGERPRINT, shade_hits
from ml.types import Box, Camera, Mesh, View, ViewSet

__all__ = [
    "DEFAULT_GRID",
    "GRAY_SHEET",
    "SHEET_COLUMNS",
    "ViewGrid",
    "encode_jpeg",
    "gray_sheet",
    "load_views",
    "render_views",
    "save_views",
    "sheet_tile",
    "view_jpeg",
]

SHEET_COLUMNS = 12
SHEET_QUALITY = 90
GRAY_SHEET = "views-gray.jpg"
GRAY_SIDE = 96  # pixels of a view on it, as the networks see it
THINNEST = 1 / 256  # a tight box's shorter edge, as a share of the longer: a rug seen edge-on
_TOLERANCE = 1.5  # pixels of a view a mask may stay short of the projected box
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ViewGrid:
    """Azimuths evenly around, at each elevation in turn: view k has elevation k // azimuths."""

    azimuths: int = 36
    elevations_deg: tuple[float, ...] = (0.0, 15.0, 30.0)

    @property
    def views(self) -> tuple[View, ...]:
        return tuple(
            View(azimuth=2 * math.pi * k / self.azimuths, elevation=math.radians(elevation))
            for elevation in self.elevations_deg
            for k in range(self.azimuths)
        )

    def __len__(self) -> int:
        return self.azimuths * len(self.elevations_deg)


DEFAULT_GRID = ViewGrid()


# ---- rendering ------------------------------------------------------------------------------


def render_views(model: Mesh | RayScene, grid: ViewGrid = DEFAULT_GRID, size: int = 224) -> ViewSet:
    """All views of a normalized mesh, shaded and tight. Raises BadMesh where nothing can be seen."""
    scene = model if isinstance(model, RayScene) else RayScene(model)
    views = grid.views
    pixels = np.empty((len(views), size, size, 3), np.uint8)
    masks = np.zeros((len(views), size, size), np.bool_)
    aspects = np.empty(len(views), np.float32)
    cameras = []
    for k, view in enumerate(views):
        camera, box = _tight(scene, view, size)
        crop = cropped(camera, expand(box), size, size)
        hits = scene.hits(crop)
        again = _shrunk(hits.pixel, box, size)
        if again is not None:
            camera, box = _framed(camera, again, size)
            crop = cropped(camera, expand(box), size, size)
            hits = scene.hits(crop)
        pixels[k] = shade_hits(hits, crop)
        masks[k].reshape(-1)[hits.pixel] = True
        aspects[k] = box.aspect
        cameras.append(camera)
    if not masks.any():
        raise BadMesh("nothing of the model can be seen from any side; check its faces and transparency")
    return ViewSet(views, pixels, masks, aspects, tuple(cameras), RENDERER_FINGERPRINT)


def _tight(scene: RayScene, view: View, size: int) -> tuple[Camera, Box]:
    """The unstretched camera and its tight box: corner at (0, 0), longer edge `size` long."""
    camera = camera_for_view(scene.points, view, size)
    return _framed(camera, around(project(camera, scene.points)), size)


def _framed(camera: Camera, box: Box, size: int) -> tuple[Camera, Box]:
    """Camera and box of the picture cut to `box`, thickened where it is all but a line."""
    least = THINNEST * max(box.width, box.height)
    dx, dy = max(0.0, least - box.width) / 2, max(0.0, least - box.height) / 2
    box = Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)
    scale = size / max(box.width, box.height)
    width, height = box.width * scale, box.height * scale
    moved = Camera(
        fx=camera.fx * scale,
        fy=camera.fy * scale,
        cx=(camera.cx - box.x0) * scale,
        cy=(camera.cy - box.y0) * scale,
        width=max(1, round(width)),
        height=max(1, round(height)),
        camera_from_model=camera.camera_from_model,
    )
    return moved, Box(0.0, 0.0, width, height)


def _shrunk(pixel: npt.NDArray[np.int64], box: Box, size: int) -> Box | None:
    """The box of what is really seen where that is clearly less than the projected vertices': a
    needle thinner than a pixel, cut-out leaves. None where the box fits or nothing is seen."""
    if not len(pixel):
        return None
    mask = np.zeros(size * size, np.bool_)
    mask[pixel] = True
    seen, outer = mask_box(mask.reshape(size, size)), expand(box)
    assert seen is not None
    inner = (size - size / (outer.width / box.width)) / 2
    gaps = (seen.x0 - inner, seen.y0 - inner, size - inner - seen.x1, size - inner - seen.y1)
    if max(gaps) <= _TOLERANCE:
        return None
    sx, sy = outer.width / size, outer.height / size
    return Box(
        outer.x0 + seen.x0 * sx, outer.y0 + seen.y0 * sy, outer.x0 + seen.x1 * sx, outer.y0 + seen.y1 * sy
    )


# ---- on disk --------------------------------------------------------------------------------


def save_views(views: ViewSet, folder: Path) -> None:
    """Write views.jpg, one sheet of all views, the same small and gray, and views.npz, the rest."""
    size = views.pixels.shape[1]
    sheet = _sheet(views.pixels)
    (folder / "views.jpg").write_bytes(encode_jpeg(sheet))
    (folder / GRAY_SHEET).write_bytes(_small_and_gray(sheet, size))
    np.savez_compressed(
        folder / "views.npz",
        version=np.int64(_VERSION),
        size=np.int64(size),
        masks=np.packbits(views.masks.reshape(len(views.grid), -1), axis=1),
        aspects=views.aspects,
        angles=np.array([(view.azimuth, view.elevation) for view in views.grid]),
        intrinsics=np.array([(c.fx, c.fy, c.cx, c.cy, c.width, c.height) for c in views.cameras]),
        camera_from_model=np.stack([camera.camera_from_model for camera in views.cameras]),
        fingerprint=np.array(views.fingerprint),
    )


def load_views(folder: Path) -> ViewSet:
    """Read what `save_views` wrote. Raises ViewsCorrupt where a file is missing, damaged or unfit."""
    try:
        with np.load(folder / "views.npz", allow_pickle=False) as table:
            content = {name: table[name] for name in table.files}
        if int(content["version"]) != _VERSION:
            raise ValueError(f"version {int(content['version'])}, not {_VERSION}")
        size, n = int(content["size"]), len(content["angles"])
        sheet = cv2.imdecode(np.fromfile(folder / "views.jpg", np.uint8), cv2.IMREAD_COLOR_RGB)
        if sheet is None or sheet.shape[:2] != _sheet_shape(n, size):
            raise ValueError("views.jpg does not hold the views")
        masks = np.unpackbits(content["masks"], axis=1, count=size * size).reshape(n, size, size)
        return ViewSet(
            grid=tuple(View(float(azimuth), float(elevation)) for azimuth, elevation in content["angles"]),
            pixels=_tiles(np.asarray(sheet, np.uint8), n, size),
            masks=masks.view(np.bool_),
            aspects=content["aspects"].astype(np.float32),
            cameras=tuple(map(_camera, content["intrinsics"], content["camera_from_model"])),
            fingerprint=str(content["fingerprint"]),
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, cv2.error) as error:
        message = f"the views in {folder} can't be read ({error}); import the model again"
        raise ViewsCorrupt(message) from error


def gray_sheet(folder: Path) -> npt.NDArray[np.uint8]:
    """All views of a model on one small gray sheet: read in a thirtieth of the time `load_views` takes.

    Of a model that was imported before it was kept, views.jpg at half its size. Raises ViewsCorrupt.
    """
    is_kept = (folder / GRAY_SHEET).exists()
    path = folder / (GRAY_SHEET if is_kept else "views.jpg")
    try:
        data = np.fromfile(path, np.uint8)
        sheet = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if is_kept else cv2.IMREAD_REDUCED_GRAYSCALE_2)
    except (OSError, cv2.error) as error:
        raise ViewsCorrupt(f"{path} can't be read ({error}); import the model again") from error
    if sheet is None:
        raise ViewsCorrupt(f"{path} is no picture; import the model again")
    return np.asarray(sheet, np.uint8)


def sheet_tile(sheet: npt.NDArray[np.uint8], k: int, count: int) -> npt.NDArray[np.uint8]:
    """View k of a sheet of `count` views, square."""
    columns = min(count, SHEET_COLUMNS)
    side = sheet.shape[1] // columns
    row, column = divmod(k, columns)
    return sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]


def view_jpeg(folder: Path, k: int) -> bytes:
    """View k as a JPEG in its true proportions, without margin. Raises ViewsCorrupt, IndexError."""
    views = load_views(folder)
    camera, aspect = views.cameras[k], float(views.aspects[k])
    longest = max(camera.width, camera.height)
    width, height = max(8, round(longest * min(1, 1 / aspect))), max(8, round(longest * min(1, aspect)))
    return encode_jpeg(cv2.resize(views.pixels[k], (width, height), interpolation=cv2.INTER_AREA))


def encode_jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    """JPEG with full color resolution: thin colored parts keep their color."""
    parameters = [
        cv2.IMWRITE_JPEG_QUALITY,
        SHEET_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)
    return bytes(data)


def _small_and_gray(sheet: npt.NDArray[np.uint8], size: int) -> bytes:
    """A sheet of views `size` px large -> JPEG of the same, GRAY_SIDE px each."""
    gray = cv2.cvtColor(sheet, cv2.COLOR_RGB2GRAY)
    side = min(size, GRAY_SIDE)
    small = (gray.shape[1] // size * side, gray.shape[0] // size * side)
    reduced = cv2.resize(gray, small, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", reduced, [cv2.IMWRITE_JPEG_QUALITY, SHEET_QUALITY])
    return bytes(data)


def _sheet_shape(n: int, size: int) -> tuple[int, int]:
    return math.ceil(n / SHEET_COLUMNS) * size, min(n, SHEET_COLUMNS) * size


def _sheet(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(n, S, S, 3) -> one picture, SHEET_COLUMNS a row."""
    n, size = pixels.shape[:2]
    sheet = np.full((*_sheet_shape(n, size), 3), BACKGROUND, np.uint8)
    for k in range(n):
        row, column = divmod(k, SHEET_COLUMNS)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = pixels[k]
    return sheet


def _tiles(sheet: npt.NDArray[np.uint8], n: int, size: int) -> npt.NDArray[np.uint8]:
    """The reverse of `_sheet`."""
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    tiles = sheet.reshape(rows, size, columns, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)
    return np.ascontiguousarray(tiles[:n])


def _camera(intrinsics: npt.NDArray[np.float64], camera_from_model: npt.NDArray[np.float64]) -> Camera:
    fx, fy, cx, cy, width, height = (float(value) for value in intrinsics)
    return Camera(fx, fy, cx, cy, int(width), int(height), camera_from_model)
