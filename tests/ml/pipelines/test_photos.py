from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageCms

from ml.errors import BadPhoto
from ml.pipelines.photos import PhotoLimits, encode_photo, open_photo
from ml.types import Photo

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """Red and green above blue and yellow: every rotation and reflection looks different."""
    pixels = np.empty((height, width, 3), np.uint8)
    top, left = slice(0, height // 2), slice(0, width // 2)
    pixels[:] = YELLOW
    pixels[top], pixels[:, left] = GREEN, BLUE
    pixels[top, left] = RED
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif_of(**tags: object) -> Image.Exif:
    exif = Image.Exif()
    for name, value in tags.items():
        if name == "Orientation":
            exif[ExifTags.Base.Orientation] = value
        else:
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base[name]] = value
    return exif


def corners(photo: Photo) -> list[tuple[int, ...]]:
    """Colors near the four corners, row by row."""
    h, w = photo.height, photo.width
    places = [(h // 8, w // 8), (h // 8, -w // 8), (-h // 8, w // 8), (-h // 8, -w // 8)]
    return [tuple(int(value) for value in photo.pixels[place]) for place in places]


def is_close(found: list[tuple[int, ...]], wanted: list[tuple[int, int, int]], by: int = 12) -> bool:
    return bool(np.abs(np.array(found) - np.array(wanted)).max() <= by)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF"])
def test_every_format_gives_the_same_upright_pixels(kind: str) -> None:
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    photo = open_photo(encoded(picture(), kind))
    assert (photo.width, photo.height) == (64, 48)
    assert is_close(corners(photo), [RED, GREEN, BLUE, YELLOW], by=24)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = picture() if orientation == 1 else picture().transpose(undo[orientation])
    photo = open_photo(encoded(stored, "JPEG", exif=exif_of(Orientation=orientation), quality=95))
    assert (photo.width, photo.height) == (64, 48)
    assert is_close(corners(photo), [RED, GREEN, BLUE, YELLOW])


def test_a_long_photo_is_reduced_to_the_bound() -> None:
    photo = open_photo(encoded(picture(3000, 1500), "JPEG"))
    assert (photo.width, photo.height) == (2048, 1024)
    assert is_close(corners(photo), [RED, GREEN, BLUE, YELLOW])


def test_the_focal_length_comes_from_the_35_mm_equivalent() -> None:
    photo = open_photo(encoded(picture(400, 300), "JPEG", exif=exif_of(FocalLengthIn35mmFilm=26)))
    assert photo.focal_px == pytest.approx(26 / math.hypot(36, 24) * 500)


def test_the_focal_length_follows_the_reduction() -> None:
    exif = exif_of(
        FocalLength=4.0, FocalPlaneXResolution=1000.0, FocalPlaneResolutionUnit=4, ExifImageWidth=4096
    )
    photo = open_photo(encoded(picture(4096, 2048), "JPEG", exif=exif))
    assert photo.width == 2048
    assert photo.focal_px == pytest.approx(4.0 * 1000 / 2)


@pytest.mark.parametrize("tags", [{}, {"FocalLengthIn35mmFilm": 0}, {"FocalLengthIn35mmFilm": 65535}])
def test_no_or_an_impossible_focal_length_is_none(tags: dict[str, object]) -> None:
    assert open_photo(encoded(picture(), "JPEG", exif=exif_of(**tags))).focal_px is None


def test_a_color_profile_is_converted_to_srgb() -> None:
    # given a profile whose red and blue are exchanged against sRGB's
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ").replace(b"tmp_", b"bXYZ")
    image = Image.new("RGB", (32, 32), (255, 0, 0))
    assert tuple(open_photo(encoded(image, "PNG", icc_profile=srgb)).pixels[9, 9]) == (255, 0, 0)
    assert tuple(open_photo(encoded(image, "PNG", icc_profile=swapped)).pixels[9, 9]) == (0, 0, 255)
    assert tuple(open_photo(encoded(image, "PNG", icc_profile=b"no profile")).pixels[9, 9]) == (255, 0, 0)


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    red, green, blue = (int(value) for value in open_photo(encoded(image, "JPEG")).pixels[9, 9])
    assert red > 200
    assert max(green, blue) < 60


def test_sixteen_bits_keep_their_scale() -> None:
    values = np.full((32, 32), 0x8000, np.uint16)
    photo = open_photo(encoded(Image.fromarray(values), "PNG"))
    assert (photo.pixels == 128).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    layer = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 20, 40))
    if mode == "P":
        image = Image.new("P", (40, 40), 1)
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.paste(0, (0, 0, 20, 40))
        data = encoded(image, "PNG", transparency=1)
    else:
        data = encoded(layer.convert(mode), "PNG")
    photo = open_photo(data)
    assert (photo.pixels[:, :20] == 0).all()
    assert (photo.pixels[:, 20:] == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_only_the_first_frame_counts(kind: str) -> None:
    second = Image.new("RGB", (64, 48), "white")
    photo = open_photo(encoded(picture(), kind, save_all=True, append_images=[second]))
    assert is_close(corners(photo), [RED, GREEN, BLUE, YELLOW], by=24)


def test_a_text_named_jpg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chair.jpg"
    path.write_text("this is a chair, believe me\n" * 40)
    with pytest.raises(BadPhoto, match="not a picture"):
        open_photo(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chair.jpg"
    path.touch()
    for data in (path, b""):
        with pytest.raises(BadPhoto, match="empty"):
            open_photo(data)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadPhoto, match=r"nothing\.jpg"):
        open_photo(tmp_path / "nothing.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(BadPhoto, match=r"damaged|not a picture"):
        open_photo(data[: int(len(data) * share)])


def test_a_png_bomb_is_refused_before_it_is_decoded() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(BadPhoto, match="million pixels"):
        open_photo(bomb)


def test_limits_are_the_callers() -> None:
    data = encoded(picture(), "PNG")
    with pytest.raises(BadPhoto, match="MiB"):
        open_photo(data, limits=PhotoLimits(max_bytes=len(data) - 1))
    with pytest.raises(BadPhoto, match="64 x 48"):
        open_photo(data, limits=PhotoLimits(max_pixels=64 * 48 - 1))
    assert open_photo(data, limits=PhotoLimits(max_pixels=64 * 48, max_bytes=len(data))).width == 64


def test_a_speck_is_refused() -> None:
    with pytest.raises(BadPhoto, match="1 x 1"):
        open_photo(encoded(Image.new("RGB", (1, 1)), "PNG"))


def test_encoding_leaves_no_metadata() -> None:
    exif = exif_of(FocalLengthIn35mmFilm=26)
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    photo = open_photo(encoded(picture(), "JPEG", exif=exif, comment=b"home"))
    data = encode_photo(photo)
    with Image.open(io.BytesIO(data)) as stored:
        assert stored.format == "JPEG"
        assert not stored.getexif()
        assert "comment" not in stored.info
        assert "icc_profile" not in stored.info
    assert is_close(corners(open_photo(data)), [RED, GREEN, BLUE, YELLOW])
