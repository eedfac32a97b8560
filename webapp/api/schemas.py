"""What the API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

__all__ = [
    "AgainIn",
    "FeedbackIn",
    "GenerationOut",
    "ImportIn",
    "ImportItemOut",
    "ImportItemsOut",
    "ImportOut",
    "IndexOut",
    "Problem",
    "ProductOut",
    "ProductsOut",
    "SampleOut",
    "SearchOut",
    "ShareIn",
    "ShareOut",
    "SubmittedOut",
    "TurnsIn",
    "UpdateOut",
    "WordsIn",
]

State = Literal["queued", "looking", "matching", "fitting", "done", "failed", "cancelled"]


class SubmittedOut(Schema):
    id: str
    url: str
    api_url: str
    callback_secret: str | None


class CameraOut(Schema):
    """OpenCV: x right, y down, z forward; pixels; camera_from_model (4, 4) row by row, metres."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    camera_from_model: list[float]


class AgainIn(Schema):
    """box: [x0, y0, x1, y1] in pixels of the upright photo as it was sent, "full", or null to find it.
    photo: position of the photo it is in, from 0; the other photos' boxes stay."""

    box: list[float] | Literal["full"] | None = None
    photo: int = 0


Turn = Annotated[float, Field(ge=-360, le=360)]


class TurnsIn(Schema):
    """turns_deg: for each photo, in order, how far around the thing it was taken from, since the first:
    counter-clockwise seen from above, which is to the right as one faces it; null where nobody knows."""

    turns_deg: Annotated[list[Turn | None], Field(max_length=32)]


class WordsIn(Schema):
    words: Annotated[str, Field(max_length=200)]


class FeedbackIn(Schema):
    """said: "is_it", "not_it", or null to take that back; camera: where the model was put by hand."""

    product: int
    said: Literal["is_it", "not_it"] | None = None
    camera: CameraOut | None = None


class ShareIn(Schema):
    product: int


class ShareOut(Schema):
    token: str
    url: str
    expires_at: datetime


class PhotoOut(Schema):
    """url is null until the photo was made upright; box and camera are in width x height pixels. box: what
    was or will be searched, null while it has to be found. asked_box: the shopper's own, where nothing was recognized
    in it and another one about the same thing was searched with; else null. outline: rings of [x, y] around the
    object's pixels, holes by the even-odd rule, once it was searched; empty where it can't be told from what is
    around it."""

    url: str | None
    width: int
    height: int
    sent_width: int
    sent_height: int
    sample: str | None
    box: list[float] | None
    box_source: str | None
    turn_deg: float | None
    outline: list[list[list[float]]]
    asked_box: list[float] | None


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
    stock: int | None
    link: str
    url: str
    thumbnail_url: str
    views_url: str
    view_urls: list[str]
    glb_url: str
    extents_m: list[float]
    source: str
    license: str
    creator: str


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
    words: str
    words_used: list[str]
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


# ---- for those who manage catalogs --------------------------------------------------------


class ImportIn(Schema):
    """unit, up, front: what the files leave open; "" keeps what they say."""

    name: str = ""
    unit: Literal["", "mm", "cm", "m", "in"] = ""
    up: Literal["", "y", "z"] = ""
    front: Literal["", "+z", "-z", "+x", "-x"] = ""
    exclude_category: list[str] = []
    builds_index: bool = True


class ImportOut(Schema):
    """counts: files by outcome (imported, updated, unchanged, failed, ignored, found, withdrawn)."""

    id: int
    catalog: str
    state: Literal["queued", "running", "paused", "found", "done", "failed", "cancelled"]
    error: str
    total: int
    processed: int
    counts: dict[str, int]
    warnings: list[str]
    created_at: datetime
    finished_at: datetime | None
    url: str
    items_url: str


class ImportItemOut(Schema):
    key: str
    name: str
    outcome: Literal["imported", "updated", "unchanged", "failed", "ignored", "found", "withdrawn"]
    code: str
    reason: str
    warnings: list[str]
    product_id: int | None


class ImportItemsOut(Schema):
    page: int
    pages: int
    count: int
    items: list[ImportItemOut]


class GenerationOut(Schema):
    id: int
    status: Literal["queued", "building", "ready", "failed", "retired"]
    is_active: bool
    embedder: str
    models: int
    views: int
    stage: str
    done: int
    total: int
    error: str
    created_at: datetime
    finished_at: datetime | None


class IndexOut(Schema):
    """waiting: models that are ready and not in the active generation."""

    active: int | None
    waiting: int
    generations: list[GenerationOut]


class UpdateOut(Schema):
    """unknown: [row number, what it names] of rows that fit no product."""

    rows: int
    updated: int
    unchanged: int
    unknown: list[tuple[int, str]]
    warnings: list[str]


class Problem(Schema):
    """RFC 9457. type: a word that never changes; detail: what is wrong and what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Any] | None = None
