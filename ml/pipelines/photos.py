"""A stranger's photo: checked before it is decoded, then upright, sRGB and bounded."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from ml.errors import BadPhoto
from ml.types import Photo

__all__ = ["PhotoLimits", "encode_photo", "open_photo"]

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "TIFF", "BMP")
_READABLE = "JPEG, PNG, WebP, HEIC, AVIF, GIF, TIFF or BMP"
_FILM_DIAGONAL_MM = math.hypot(36, 24)  # 35 mm equivalents compare diagonals (CIPA DCG-001)
_FOCAL_RANGE = (0.3, 20.0)  # focal length / longer side: fisheye to long telephoto; beyond is a mistake
_QUALITY = 90


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """max_bytes of the file; max_pixels told by its header, before decoding; long_side the photo is
    reduced to; short_side it must have then, pixels."""

    max_bytes: int = 40 << 20
    max_pixels: int = 80_000_000
    long_side: int = 2048
    short_side: int = 16


def open_photo(data: bytes | Path, *, limits: PhotoLimits | None = None) -> Photo:
    """The first frame of a picture, upright, sRGB on white, at most limits.long_side long.

    What it is comes from its content, never from a name. Raises BadPhoto.
    """
    limits = limits or PhotoLimits()
    content = _content(data, limits)
    _register_decoders()
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            _check_size(picture.size, limits)
            picture.draft("RGB", (limits.long_side, limits.long_side))
            exif = _exif(picture)
            upright = ImageOps.exif_transpose(_to_rgb(picture))
    except BadPhoto:
        raise
    except UnidentifiedImageError as error:
        raise BadPhoto(
            f"this file is not a picture that can be read, whatever its name says; save it as {_READABLE}"
        ) from error
    except Image.DecompressionBombError as error:
        raise BadPhoto(_too_many_pixels(limits)) from error
    except MemoryError as error:
        raise BadPhoto("the photo needs more memory than there is; reduce it and try again") from error
    except Exception as error:  # decoders raise anything on a damaged file
        raise BadPhoto(f"the photo is damaged or incomplete ({error}); save or send it again") from error
    small = _bounded(upright, limits)
    pixels = np.array(small, dtype=np.uint8)
    return Photo(pixels, _focal_px(exif, small.width, small.height))


def encode_photo(photo: Photo) -> bytes:
    """JPEG of the pixels alone: no metadata, so no place and no name leaves with it."""
    out = io.BytesIO()
    Image.fromarray(photo.pixels).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


# ---- before decoding ------------------------------------------------------------------------


def _content(data: bytes | Path, limits: PhotoLimits) -> bytes:
    if isinstance(data, Path):
        try:
            size = data.stat().st_size
            content = data.read_bytes() if size <= limits.max_bytes else b""
        except OSError as error:
            raise BadPhoto(f"the photo {data} can't be read ({error.strerror}); check the path") from error
    else:
        size, content = len(data), data
    if size == 0:
        raise BadPhoto("the photo is empty (0 bytes); choose the file again")
    if size > limits.max_bytes:
        raise BadPhoto(
            f"the photo has {size / 2**20:.1f} MiB, over the limit of {limits.max_bytes / 2**20:.0f} MiB; "
            "reduce it and try again"
        )
    return content


def _check_size(size: tuple[int, int], limits: PhotoLimits) -> None:
    if size[0] * size[1] > limits.max_pixels:
        raise BadPhoto(f"{size[0]:,} x {size[1]:,} pixels: {_too_many_pixels(limits)}")


def _too_many_pixels(limits: PhotoLimits) -> str:
    return f"the photo has more than {limits.max_pixels / 1e6:.0f} million pixels; reduce it and try again"


@cache
def _register_decoders() -> None:
    Image.init()
    pillow_heif.register_heif_opener()


# ---- pixels ---------------------------------------------------------------------------------


def _to_rgb(picture: Image.Image) -> Image.Image:
    """Any mode to 8-bit sRGB; what is transparent becomes white. Keeps the orientation tag."""
    picture.load()
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    profile = picture.info.get("icc_profile")
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    has_alpha = "transparency" in picture.info or picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"}
    if has_alpha:
        layer = picture.convert("RGBA")
        picture = Image.new("RGB", layer.size, "white")
        picture.paste(layer, mask=layer.getchannel("A"))
    elif picture.mode in {"P", "1"}:
        picture = picture.convert("RGB")
    rgb = _through_profile(picture, profile).convert("RGB")
    rgb.getexif()[ExifTags.Base.Orientation] = orientation
    return rgb


def _through_profile(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """To sRGB by the embedded color profile; unchanged where it has none or an unusable one."""
    if not profile or picture.mode not in {"RGB", "CMYK", "L"}:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return converted or picture


def _eight_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """(h, w) of 16 or 32 bits or floats -> 8 bits, by the least of the usual full scales that holds them."""
    finite = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    highest = float(finite.max(initial=0))
    scales = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    full = next((scale for scale in scales if highest <= scale), highest)
    return np.rint(np.clip(finite / full, 0, 1) * 255).astype(np.uint8)


def _bounded(picture: Image.Image, limits: PhotoLimits) -> Image.Image:
    scale = limits.long_side / max(picture.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if min(picture.size) < limits.short_side:
        raise BadPhoto(
            f"the photo is only {picture.width} x {picture.height} pixels; "
            f"each side needs at least {limits.short_side}"
        )
    return picture


# ---- focal length ---------------------------------------------------------------------------


def _exif(picture: Image.Image) -> dict[int, Any]:
    """The camera's tags; none where they can't be read."""
    try:
        return dict(picture.getexif().get_ifd(ExifTags.IFD.Exif))
    except Exception:  # noqa: BLE001 - a damaged block of metadata never costs the photo
        return {}


def _focal_px(exif: dict[int, Any], width: int, height: int) -> float | None:
    """Focal length in pixels of a width x height photo; None where the file doesn't tell."""
    equivalent = _number(exif.get(ExifTags.Base.FocalLengthIn35mmFilm))
    focal = equivalent / _FILM_DIAGONAL_MM * math.hypot(width, height)
    if not focal:
        focal = _focal_from_sensor(exif, max(width, height))
    low, high = (bound * max(width, height) for bound in _FOCAL_RANGE)
    return focal if low <= focal <= high else None


def _focal_from_sensor(exif: dict[int, Any], longest: int) -> float:
    """From the focal length in mm and the sensor's pixels a unit; 0 where one is missing."""
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0}.get(
        int(_number(exif.get(ExifTags.Base.FocalPlaneResolutionUnit))), 25.4
    )
    per_mm = _number(exif.get(ExifTags.Base.FocalPlaneXResolution)) / unit_mm
    taken = max(
        _number(exif.get(ExifTags.Base.ExifImageWidth)), _number(exif.get(ExifTags.Base.ExifImageHeight))
    )
    focal_mm = _number(exif.get(ExifTags.Base.FocalLength))
    return focal_mm * per_mm * longest / taken if taken else 0.0


def _number(value: Any) -> float:
    """A tag's value; 0 where it is missing or not a finite positive number."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
