"""One product, looked for in a set of photos (thesis ch. 4): where is it, and from where is it seen?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ml import registry
from ml.detect.suppression import OVERLAP, suppress
from ml.geometry.boxes import clip, stretched
from ml.geometry.crops import crop_photo
from ml.pipelines.galleries import IndexOptions, build_gallery
from ml.pipelines.photos import open_photo
from ml.pipelines.progress import Progress, silent
from ml.pipelines.windows import embed_boxes
from ml.search.aspect import aspect_slice
from ml.search.config import SearchConfig
from ml.search.generation import Generation, open_generation
from ml.search.rerank import Looks, Stored, reranked
from ml.search.scan import ExactScan
from ml.types import Box, Detection, FloatArray, Photo

__all__ = ["Sighting", "find_model"]

SCALES = (1.0, 0.7, 0.5, 0.35)  # of the photo's sides, by a window's larger one
STEP = 0.25  # of a window's sides between two windows
TAU = 0.75  # a window's aspect is the model's own only up to its steps
_ASPECTS = (0.1, 0.5, 0.9)  # quantiles of the views' aspects that windows are made in
_REGROWN = (0.85, 1.0, 1.18)  # sides of a good window that are tried again


@dataclass(frozen=True, slots=True)
class Sighting:
    """calibrated: 0 is one false alarm in 10,000 windows a view (thesis 4.3.1); angles in degrees."""

    photo: Path
    box: Box
    score: float
    calibrated: float
    azimuth_deg: float
    elevation_deg: float


def find_model(
    model: Path,
    photos: Sequence[Path],
    cache: Path,
    *,
    each: int = 3,
    options: IndexOptions | None = None,
    progress: Progress | None = None,
) -> list[Sighting]:
    """At most `each` places a photo, all photos' best first; no two overlap by an IoU above 0.5.

    model: a mesh file, or a source with one model. Raises BadSource, NoViews, BadPhoto.
    """
    tell = progress or silent
    options = options or IndexOptions()
    built = build_gallery([model], cache, options=options, progress=tell)
    views = open_generation(built.generation)
    found: list[Sighting] = []
    for done, path in enumerate(photos):
        tell("looking", done, len(photos))
        found += _sightings(path, open_photo(path), views, options.embedder, each)
    tell("looking", len(photos), len(photos))
    return sorted(found, key=lambda one: -one.calibrated)


def _sightings(path: Path, photo: Photo, views: Generation, embedder: str, each: int) -> list[Sighting]:
    windows = [found.box for found in registry.detector(registry.DEFAULT_DETECTOR).detect(photo)]
    windows += _windows(photo, np.quantile(views.aspects, _ASPECTS))
    seen = {one.box: one for one in _scored(path, photo, windows, views, embedder)}
    for one in _best(seen, overlap=0.6)[: 3 * each]:
        again = _scored(path, photo, list(_around(one.box, photo)), views, embedder)
        seen |= {other.box: other for other in again}
    return [_seen_from(one, photo, views, embedder) for one in _best(seen)[:each]]


def _seen_from(one: Sighting, photo: Photo, views: Generation, embedder: str) -> Sighting:
    """With the viewpoint that the cells agree on as well, as a search ranks views; where the embedder has cells."""
    if views.cells is None:
        return one
    network = registry.embedder(embedder)
    found = network.embed([crop_photo(photo, one.box, network.info.input_size)])
    assert found.cells is not None  # the views have theirs by the same embedder
    fitting = aspect_slice(views.log_aspects, one.box.aspect, TAU, aspects=views.aspects)
    cosines = views.vectors[fitting].astype(np.float32) @ found.vectors[0]
    stored = Stored(np.array(views.cells[fitting]), np.array(views.masks[fitting]))
    ranked = reranked(cosines, np.arange(len(cosines)), Looks(found.cells[0]), stored, SearchConfig())
    azimuth, elevation = np.degrees(views.angles[fitting.start + int(np.argmax(ranked))])
    return replace(one, azimuth_deg=float(azimuth), elevation_deg=float(elevation))


def _best(seen: dict[Box, Sighting], overlap: float = OVERLAP) -> list[Sighting]:
    kept = suppress((Detection(box, one.calibrated) for box, one in seen.items()), overlap=overlap)
    return [seen[detection.box] for detection in kept]


def _windows(photo: Photo, aspects: FloatArray) -> Iterator[Box]:
    for scale in SCALES:
        for aspect in aspects:
            longest = scale * min(photo.height, photo.width * aspect)
            height, width = longest, longest / aspect
            for y in _starts(height, photo.height):
                for x in _starts(width, photo.width):
                    yield Box(x, y, x + width, y + height)


def _starts(size: float, whole: int) -> list[float]:
    count = max(1, math.ceil((whole - size) / (STEP * size)) + 1)
    return [float(start) for start in np.linspace(0, max(whole - size, 0), count)]


def _around(box: Box, photo: Photo) -> Iterator[Box]:
    """A window grown and shrunk in each direction, kept inside the photo."""
    for wide in _REGROWN:
        for high in _REGROWN:
            yield clip(stretched(box, wide, high), photo.width, photo.height)


def _scored(
    path: Path, photo: Photo, boxes: Sequence[Box], views: Generation, embedder: str
) -> list[Sighting]:
    """Each window by its best view of those whose aspect fits (eq. 3.4); none for a window none fits."""
    vectors = embed_boxes(photo, boxes, registry.embedder(embedder))
    slices = [aspect_slice(views.log_aspects, box.aspect, TAU, aspects=views.aspects) for box in boxes]
    rows, cosines = ExactScan(views.vectors, views.rows).best(vectors, slices, views.calibration)
    found = []
    for box, row, cosine in zip(boxes, rows, cosines, strict=True):
        if row >= 0:
            azimuth, elevation = np.degrees(views.angles[row])
            above = float(cosine * views.calibration[row, 0] + views.calibration[row, 1])
            found.append(Sighting(path, box, float(cosine), above, float(azimuth), float(elevation)))
    return found
