"""What the API takes and gives."""

from __future__ import annotations

from typing import Literal

from ninja import Schema

__all__ = ["AgainIn", "ProductOut", "ProductsOut", "SampleOut", "SearchOut", "SubmittedOut"]

State = Literal["queued", "looking", "matching", "fitting", "done", "failed", "cancelled"]


class SubmittedOut(Schema):
    id: str
    url: str
    api_url: str


class AgainIn(Schema):
    """box: [x0, y0, x1, y1] in pixels of the upright photo as it was sent, "full", or null to find it."""

    box: list[float] | Literal["full"] | None = None


class PhotoOut(Schema):
    """url is null until the photo was made upright; box and camera are in width x height pixels."""

    url: str | None
    width: int
    height: int
    sent_width: int
    sent_height: int
    sample: str | None


class DetectionOut(Schema):
    box: list[float]
    score: float


class ProductOut(Schema):
    """Sizes: width x depth x height. extents_m: width, height, depth in metres."""

    id: int
    name: str
    sku: str
    category: str
    tags: list[str]
    description: str
    size_text: str
    price: str | None
    currency: str
    link: str
    url: str
    thumbnail_url: str
    views_url: str
    glb_url: str
    extents_m: list[float]
    source: str
    license: str
    creator: str


class CameraOut(Schema):
    """OpenCV: x right, y down, z forward; pixels; camera_from_model (4, 4) row by row, metres."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    camera_from_model: list[float]


class PoseOut(Schema):
    azimuth_deg: float
    elevation_deg: float
    camera: CameraOut
    silhouette_iou: float | None


class ResultOut(Schema):
    rank: int
    product: ProductOut
    confidence: str
    score: float
    calibrated: float
    azimuth_deg: float
    elevation_deg: float
    view_url: str
    glb_url: str
    pose: PoseOut | None


class SearchOut(Schema):
    id: str
    state: State
    error: str | None
    error_code: str | None
    queue_position: int | None
    url: str
    photo: PhotoOut
    photos: list[PhotoOut]
    box: list[float] | None
    box_source: str | None
    detections: list[DetectionOut]
    no_match: bool
    tau: float
    tau_widened: bool
    seconds: dict[str, float]
    results: list[ResultOut]


class SampleOut(Schema):
    name: str
    title: str
    note: str
    url: str
    thumbnail_url: str
    width: int
    height: int


class ProductsOut(Schema):
    page: int
    pages: int
    count: int
    products: list[ProductOut]
