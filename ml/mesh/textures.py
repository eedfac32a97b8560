"""Pictures on surfaces: checked by their header, then decoded and reduced to a bound."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.mesh.limits import MeshLimits

__all__ = ["TextureRefusedError", "decode_texture", "open_picture", "texture_array"]


class TextureRefusedError(ValueError):
    """A texture that is left out; the message says why."""


def open_picture(data: bytes, limits: MeshLimits) -> Image.Image:
    """The picture in `data`, its header read and its size believed, not yet decoded."""
    if len(data) > limits.texture_bytes:
        raise TextureRefusedError(f"{len(data):,} bytes, over the limit of {limits.texture_bytes:,}")
    try:
        picture = Image.open(io.BytesIO(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TextureRefusedError("more pixels than can be decoded safely") from error
    except Exception as error:  # Pillow's plugins raise anything on broken headers
        raise TextureRefusedError("not a picture that can be read") from error
    check_size(picture, limits)
    return picture


def check_size(picture: Image.Image, limits: MeshLimits) -> None:
    """Raise TextureRefusedError where the header promises more pixels than the limit."""
    width, height = picture.size
    if width * height > limits.texture_pixels:
        raise TextureRefusedError(f"{width} x {height} pixels, over the limit of {limits.texture_pixels:,}")


def texture_array(picture: Image.Image, limits: MeshLimits) -> tuple[npt.NDArray[np.uint8], bool]:
    """(h, w, 4) uint8 sRGB + alpha, at most `texture_side` long; whether it was reduced."""
    check_size(picture, limits)
    side = limits.texture_side
    large = max(picture.size) > side
    try:
        if large and picture.format == "JPEG":
            picture.draft("RGB", (side, side))
        decoded: Any = picture.convert("RGBA")
    except Exception as error:  # as above, on broken bodies
        raise TextureRefusedError(f"can't be decoded ({error})") from error
    if max(decoded.size) > side:
        factor = side / max(decoded.size)
        size = (max(1, round(decoded.width * factor)), max(1, round(decoded.height * factor)))
        decoded = decoded.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return np.array(decoded, dtype=np.uint8), large


def decode_texture(data: bytes, limits: MeshLimits) -> tuple[npt.NDArray[np.uint8], bool]:
    """`texture_array` of an encoded picture."""
    return texture_array(open_picture(data, limits), limits)
