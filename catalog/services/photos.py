"""Photos: keep what was sent, make it upright, delete it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from catalog import engine, media, storage
from catalog.errors import BadBox, BadPhoto, MediaDown
from catalog.models import Photo

if TYPE_CHECKING:
    import ml.types

__all__ = ["SentPhoto", "check_box", "delete_photo", "open_upright", "store_photo"]

log = logging.getLogger(__name__)

SMALLEST_BOX_PX = 4.0


@dataclass(frozen=True, slots=True)
class SentPhoto:
    """A file whose header was found to be that of a photo within the limits.

    data           the file's bytes
    width, height  upright, in pixels
    sample         name of the sample photo it is, or ''
    """

    data: bytes
    format: str
    width: int
    height: int
    sample: str = ""


def store_photo(sent: SentPhoto) -> Photo:
    """Write the file, then the row: a row always has its file."""
    photo = Photo(
        format=sent.format,
        size_bytes=len(sent.data),
        sent_width=sent.width,
        sent_height=sent.height,
        sample=sent.sample,
    )
    media.write_photo(storage.photo_original(photo.uuid), sent.data)
    photo.save()
    return photo


def open_upright(photo: Photo) -> ml.types.Photo:
    """The photo's pixels as they are searched; makes the stored picture the first time.

    Raises BadPhoto where the file can't be decoded.
    """
    try:
        original = media.read_photo(storage.photo_original(photo.uuid)).data
    except FileNotFoundError as error:
        raise BadPhoto("the photo was deleted; send it again") from error
    pixels = engine.open_photo(original)
    if photo.is_upright:
        return pixels
    media.write_photo(storage.photo_picture(photo.uuid), engine.encode_photo(pixels))
    photo.width, photo.height, photo.focal_px = pixels.width, pixels.height, pixels.focal_px
    made = {"width": photo.width, "height": photo.height, "focal_px": photo.focal_px}
    if not Photo.objects.filter(pk=photo.pk).update(**made):  # deleted meanwhile: leave nothing behind
        _remove(photo)
        raise BadPhoto("the photo was deleted; send it again")
    return pixels


def check_box(box: list[float], width: int, height: int) -> list[float]:
    """The box clipped to a photo of that size. Raises BadBox with what is wrong."""
    x0, y0, x1, y1 = box
    if not (x0 < x1 and y0 < y1):
        raise BadBox(
            gettext("the box %(box)s is empty; give x0,y0,x1,y1 with x0 < x1 and y0 < y1")
            % {"box": _text(box)}
        )
    clipped = [max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)]
    if clipped[2] - clipped[0] < SMALLEST_BOX_PX or clipped[3] - clipped[1] < SMALLEST_BOX_PX:
        raise BadBox(
            gettext(
                "the box %(box)s has next to nothing in the %(width)s x %(height)s photo; draw it around the object"
            )
            % {"box": _text(box), "width": width, "height": height}
        )
    return clipped


def delete_photo(photo: Photo) -> None:
    """The row first: a file without a row is unreachable, and tidied up later."""
    photo.delete()
    _remove(photo)


def _remove(photo: Photo) -> None:
    try:
        media.delete(storage.photo_directory(photo.uuid))
    except MediaDown:
        log.warning("photo %s is deleted, and its files go when the bucket is swept", photo.uuid)


def _text(box: list[float]) -> str:
    return ",".join(f"{edge:g}" for edge in box)
