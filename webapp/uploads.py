"""What was uploaded: is it a photo, of a bearable size? From the header alone; a worker decodes it."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import pillow_heif
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from PIL import ExifTags, Image, UnidentifiedImageError

from catalog.errors import BadPhoto
from catalog.services.photos import SentPhoto

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMATS", "read_photo", "sample_photo"]

pillow_heif.register_heif_opener()

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP")
_SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that swap width and height


def read_photo(file: UploadedFile) -> SentPhoto:
    """Raises BadPhoto with what is wrong and what to do."""
    limit = settings.UPLOAD_PHOTO_BYTES
    if file.size is None or file.size > limit:
        values = {"name": _name(file), "size": f"{(file.size or 0) / 2**20:.0f}", "most": limit // 2**20}
        raise BadPhoto(
            gettext("%(name)s has %(size)s MB; photos may have %(most)s MB: send a smaller one") % values
        )
    return _checked(file.read(), _name(file))


def sample_photo(path: Path, name: str) -> SentPhoto:
    sent = _checked(path.read_bytes(), name)
    return SentPhoto(sent.data, sent.format, sent.width, sent.height, sample=name)


def _checked(data: bytes, name: str) -> SentPhoto:
    if not data:
        raise BadPhoto(gettext("%(name)s is empty; choose the photo again") % {"name": name})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                kind, (width, height) = str(image.format), image.size
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except UnidentifiedImageError as error:
        raise BadPhoto(
            gettext(
                "%(name)s is not a photo, whatever its name says; send a JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP photo"
            )
            % {"name": name}
        ) from error
    except Image.DecompressionBombError as error:
        raise BadPhoto(
            gettext("%(name)s has far too many pixels; send it smaller") % {"name": name}
        ) from error
    except Exception as error:  # decoders raise anything on a damaged file
        raise BadPhoto(
            gettext(
                "%(name)s is damaged and can't be opened; send a JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP photo"
            )
            % {"name": name}
        ) from error
    _check_size(name, width, height)
    if orientation in _SIDEWAYS and kind != "HEIF":  # HEIF is turned by its reader
        width, height = height, width
    return SentPhoto(data, kind, width, height)


def _check_size(name: str, width: int, height: int) -> None:
    values = {"name": name, "width": width, "height": height, "most": settings.UPLOAD_PIXELS // 1_000_000}
    if width < 16 or height < 16:
        raise BadPhoto(
            gettext("%(name)s has %(width)s x %(height)s pixels; a photo needs at least 16 x 16") % values
        )
    if max(width, height) > settings.UPLOAD_SIDE or width * height > settings.UPLOAD_PIXELS:
        raise BadPhoto(
            gettext(
                "%(name)s has %(width)s x %(height)s pixels; send it smaller: at most %(most)s megapixels"
            )
            % values
        )


def _name(file: UploadedFile) -> str:
    return (file.name or gettext("the photo"))[:80]
