"""What was uploaded: is it a photo, of a bearable size? From the header alone; a worker decodes it."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import pillow_heif
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from PIL import ExifTags, Image, UnidentifiedImageError

from catalog.errors import BadPhoto
from catalog.services.photos import SentPhoto

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMATS", "read_photo", "sample_photo"]

pillow_heif.register_heif_opener()

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP")
_ASK = "send a JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP photo"
_SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that swap width and height


def read_photo(file: UploadedFile) -> SentPhoto:
    """Raises BadPhoto with what is wrong and what to do."""
    limit = settings.UPLOAD_PHOTO_BYTES
    if file.size is None or file.size > limit:
        size = f"{(file.size or 0) / 2**20:.0f} MB"
        raise BadPhoto(f"{_name(file)} has {size}; photos may have {limit // 2**20} MB: send a smaller one")
    return _checked(file.read(), _name(file))


def sample_photo(path: Path, name: str) -> SentPhoto:
    sent = _checked(path.read_bytes(), name)
    return SentPhoto(sent.data, sent.format, sent.width, sent.height, sample=name)


def _checked(data: bytes, name: str) -> SentPhoto:
    if not data:
        raise BadPhoto(f"{name} is empty; choose the photo again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                kind, (width, height) = str(image.format), image.size
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except UnidentifiedImageError as error:
        raise BadPhoto(f"{name} is not a photo, whatever its name says; {_ASK}") from error
    except Image.DecompressionBombError as error:
        raise BadPhoto(f"{name} has far too many pixels; send it smaller") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BadPhoto(f"{name} is damaged and can't be opened; {_ASK}") from error
    _check_size(name, width, height)
    if orientation in _SIDEWAYS and kind != "HEIF":  # HEIF is turned by its reader
        width, height = height, width
    return SentPhoto(data, kind, width, height)


def _check_size(name: str, width: int, height: int) -> None:
    if width < 16 or height < 16:
        raise BadPhoto(f"{name} has {width} x {height} pixels; a photo needs at least 16 x 16")
    if max(width, height) > settings.UPLOAD_SIDE or width * height > settings.UPLOAD_PIXELS:
        most = settings.UPLOAD_PIXELS // 1_000_000
        raise BadPhoto(f"{name} has {width} x {height} pixels; send it smaller: at most {most} megapixels")


def _name(file: UploadedFile) -> str:
    return (file.name or "the photo")[:80]
