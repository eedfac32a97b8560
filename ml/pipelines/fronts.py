"""Pictures and models of a catalog -> which way its models face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ml import registry
from ml.geometry.crops import crop_photo
from ml.pipelines.indexing import features_of
from ml.pose.front import FrontProposal, proposed_front, quarter_scores
from ml.types import Box, Photo

__all__ = ["propose_front"]

_GROUND = (220, 220, 220)
_OPAQUE = 40  # of 255
_DIFFERENT = 30  # levels from the corner's color, where a picture has no transparency
_LEAST_PIXELS = 50


def propose_front(items: Sequence[tuple[Path, Path]], embedder_name: str) -> FrontProposal:
    """items: picture and onboarded directory of products. Embeds views that were not yet; pictures that
    can't be read or show nothing are passed over."""
    embedder = registry.embedder(embedder_name)
    scores = []
    for picture, directory in items:
        found = _object_in(picture)
        if found is None:
            continue
        vector = embedder.embed([crop_photo(*found, embedder.info.input_size)]).vectors[0]
        with np.load(features_of(directory, embedder_name), allow_pickle=False) as table:
            views, azimuths = table["vectors"].astype(np.float32), table["angles"][:, 0]
        scores.append(quarter_scores(vector, views, azimuths))
    return proposed_front(scores)


def _object_in(picture: Path) -> tuple[Photo, Box] | None:
    """The picture on an even ground, and the box of what it shows."""
    try:
        with Image.open(picture) as image:
            layer = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    pixels = np.asarray(layer)
    shown = pixels[..., 3] > _OPAQUE
    if shown.all():
        away = np.abs(pixels[..., :3].astype(np.int16) - pixels[0, 0, :3].astype(np.int16)).sum(axis=2)
        shown = away > _DIFFERENT
    rows, columns = np.nonzero(shown)
    if len(rows) < _LEAST_PIXELS:
        return None
    ground = Image.new("RGB", layer.size, _GROUND)
    ground.paste(layer, mask=layer.getchannel("A"))
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return Photo(np.array(ground, dtype=np.uint8)), Box(*(float(edge) for edge in edges))
