"""The values that pass between stages. Frames and units are those of docs/conventions.md.

Arrays are owned by the value that holds them and never written to after construction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "Array",
    "BoolArray",
    "Box",
    "Camera",
    "Crop",
    "Detection",
    "FloatArray",
    "Frame",
    "IntArray",
    "Material",
    "Mesh",
    "Photo",
    "Pose",
    "Unit",
    "View",
    "ViewSet",
]

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

Unit = Literal["mm", "cm", "m", "in"]
Axis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]


@dataclass(frozen=True, slots=True)
class Box:
    """Edges in pixels of the upright photo; pixel i spans [i, i + 1)."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def aspect(self) -> float:
        """height / width."""
        return self.height / self.width

    @property
    def area(self) -> float:
        return max(self.width, 0.0) * max(self.height, 0.0)

    def as_tuple(self) -> tuple[float, float, float, float]:
        return (self.x0, self.y0, self.x1, self.y1)


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An upright photo.

    pixels      (h, w, 3) uint8, sRGB
    focal_px    focal length in pixels from EXIF, None where the file has none
    """

    pixels: npt.NDArray[np.uint8]
    focal_px: float | None = None

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def full_box(self) -> Box:
        return Box(0.0, 0.0, float(self.width), float(self.height))


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One object cut from a photo or a view, stretched to a square, ready to embed.

    pixels           (3, S, S) float32, RGB in [0, 1]; an embedder turns it grey itself
    crop_from_photo  (3, 3) float64, photo pixel -> crop pixel
    aspect           height / width of the box
    mask             (S, S) float32 in [0, 1], 1 = object; None where it is not known
    """

    pixels: npt.NDArray[np.float32]
    crop_from_photo: npt.NDArray[np.float64]
    aspect: float
    mask: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Surface color of one part.

    base_color  (4,) float32, sRGB + alpha in [0, 1]
    texture     (h, w, 4) uint8 sRGB + alpha, multiplied by base_color; row 0 is v = 1
    """

    name: str
    base_color: npt.NDArray[np.float32]
    texture: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles of one CAD model.

    vertices       (v, 3) float64
    faces          (f, 3) int32, rows of `vertices`
    face_material  (f,) int32, index into `materials`
    uv             (f, 3, 2) float32 per corner, or None
    materials      at least one

    A normalized mesh is in metres, y up, +z the front, its bounding box centred on 0.
    """

    vertices: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int32]
    face_material: npt.NDArray[np.int32]
    materials: tuple[Material, ...]
    uv: npt.NDArray[np.float32] | None = None

    @property
    def extents(self) -> npt.NDArray[np.float64]:
        """(3,) width (x), height (y), depth (z) of the bounding box."""
        result: npt.NDArray[np.float64] = np.ptp(self.vertices, axis=0)
        return result


@dataclass(frozen=True, slots=True)
class Frame:
    """How a source measures: None where the source leaves it open.

    unit   length of one source unit
    up     the source axis that points up
    front  the source axis that points out of the model's front
    size   (width, height, depth) in metres the model must be scaled to, e.g. from a .sh3f:
           along the source's x, y, z after `rotation`, before it is turned by up and front
    rotation  nine floats, row-major (3, 3), applied to source points before up and front are
           read (a .sh3f's modelRotation); None for none
    """

    unit: Unit | None = None
    up: Axis | None = None
    front: Axis | None = None
    size: tuple[float, float, float] | None = None
    rotation: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """OpenCV pinhole: x right, y down, z forward; no skew, no distortion.

    camera_from_model  (4, 4) float64, metres
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    camera_from_model: npt.NDArray[np.float64]

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(3, 3) K: camera coordinates -> homogeneous pixels."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class View:
    """From where a view was rendered; radians. Azimuth 0 faces the front and grows towards
    the model's left side (counter-clockwise seen from above); elevation is up."""

    azimuth: float
    elevation: float


@dataclass(frozen=True, slots=True, eq=False)
class ViewSet:
    """All views of one model, shaded with the index's fixed light, tightly cropped.

    grid      n views
    pixels    (n, S, S, 3) uint8 sRGB on the neutral background; the tight box plus its
              margin is stretched to the square, as photo crops are
    masks     (n, S, S) bool
    aspects   (n,) float32, height / width of the tight box, before stretching
    cameras   (n,) cameras of the *unstretched* view: the pixel frame in which the tight box
              has its longer edge S long and its corner at (0, 0)
    fingerprint  names the renderer that made them
    """

    grid: tuple[View, ...]
    pixels: npt.NDArray[np.uint8]
    masks: BoolArray
    aspects: npt.NDArray[np.float32]
    cameras: tuple[Camera, ...]
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Detection:
    """A proposed object. score in [0, 1], higher is likelier."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Where the model stands in the photo. Angles in radians, camera in photo pixels."""

    azimuth: float
    elevation: float
    camera: Camera
    silhouette_iou: float | None = None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model found in a source, before it is read.

    key         stable within the source: path without suffix, or the .sh3f catalog id
    path        the mesh file on disk (archives are unpacked beside it, resources included)
    name, category, tags, creator, license, sku, price, stock, link: '' or () where unknown
    icon        picture of the product, or None
    frame       what the source says of units and axes
    """

    key: str
    path: Path
    name: str
    frame: Frame = Frame()
    category: str = ""
    tags: tuple[str, ...] = ()
    creator: str = ""
    license: str = ""
    sku: str = ""
    description: str = ""
    price: str = ""
    currency: str = ""
    stock: str = ""
    link: str = ""
    icon: Path | None = None
