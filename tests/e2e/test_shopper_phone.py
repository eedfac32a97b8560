"""A phone's own ways: its camera, HEIC and turned photos as it stores them, and a model in the room."""

from __future__ import annotations

import io
import re
import struct
import urllib.parse
import zipfile
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Browser, expect

from tests.conftest import Site
from tests.e2e.test_shopper_page import _done, _phone

pytestmark = pytest.mark.browser

SHRUNK_FROM = 1_500_000  # bytes, as in frontend/src/ui/shrink.ts
SIDEWAYS = 6  # EXIF orientation of a phone held upright: to be turned clockwise


def _heavy(photo: bytes, width: int) -> Image.Image:
    """The photo enlarged, with a sensor's noise, so that it has a phone photo's bytes."""
    picture = Image.open(io.BytesIO(photo)).resize((width, width * 3 // 4))
    noise = np.random.default_rng(1).normal(0, 9, (picture.height, picture.width, 1))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def _heic(photo: bytes) -> bytes:
    """Filled up with a box that readers skip: a phone's is as heavy, and takes long to make."""
    data = io.BytesIO()
    pillow_heif.from_pillow(Image.open(io.BytesIO(photo))).save(data, quality=90)
    return data.getvalue() + struct.pack(">I4s", SHRUNK_FROM + 8, b"free") + bytes(SHRUNK_FROM)


def _turned(picture: Image.Image) -> bytes:
    """As a phone stores it: lying on its side, with a note how to hold it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = SIDEWAYS
    data = io.BytesIO()
    picture.transpose(Image.Transpose.ROTATE_90).save(data, "JPEG", quality=95, exif=exif)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["HEIC", "turned and heavy", "turned and light"])
def test_a_photo_of_the_phones_camera_stands_upright(
    browser: Browser, running: Site, photo: bytes, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / ("photo.heic" if kind == "HEIC" else "photo.jpg")
    light = Image.open(io.BytesIO(photo))
    path.write_bytes(
        _heic(photo) if kind == "HEIC" else _turned(_heavy(photo, 2400) if "heavy" in kind else light)
    )
    assert (path.stat().st_size >= SHRUNK_FROM) == (kind != "turned and light")
    context = _phone(browser, running)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/")
    assert page.locator("#shoot").get_attribute("capture") == "environment"

    with page.expect_file_chooser() as chooser:
        page.get_by_text("Take a photo").click()
    chooser.value.set_files(path)
    _done(page)

    expect(page.locator("#detail-name")).to_have_text("Thistle wing armchair")
    stored = running.get(f"/api/v1/searches/{page.url.rstrip('/').rsplit('/', 1)[1]}")["photo"]
    size = {"HEIC": (480, 360), "turned and heavy": (2048, 1536), "turned and light": (480, 360)}[kind]
    assert (stored["width"], stored["height"]) == size
    [key] = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", stored["url"])
    sent = next((running.data / "photos").glob(f"*/{key.replace('-', '')}/original")).read_bytes()
    shown = page.locator("#photo").evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert tuple(shown) == size
    if kind == "turned and heavy":  # made smaller and upright before it was sent
        assert len(sent) < path.stat().st_size
        assert b"Exif" not in sent
    else:  # sent as it is: the browser can't read HEIC, and a light one isn't worth it
        assert sent == path.read_bytes()
    context.close()


def test_an_iphone_gets_the_model_as_usdz_in_its_real_size(browser: Browser, running: Site) -> None:
    [bunk] = running.get("/api/v1/products?q=bunk")["products"]
    context = _phone(browser, running)
    context.add_init_script(  # Safari's answer; no other browser opens USDZ
        "const asked = DOMTokenList.prototype.supports;"
        "DOMTokenList.prototype.supports = function (name) { return name === 'ar' || asked.call(this, name); };"
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(bunk["url"])
    link = page.get_by_role("link", name="See it in your room")
    with page.expect_download() as download:
        link.click()
    assert _usdz_extents(Path(download.value.path())) == pytest.approx(bunk["extents_m"], abs=1e-3)
    context.close()


def test_an_android_phone_is_sent_to_its_viewer_with_the_whole_model(browser: Browser, running: Site) -> None:
    [bunk] = running.get("/api/v1/products?q=bunk")["products"]
    agent = (
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
    )
    context = _phone(browser, running, user_agent=agent)
    page = context.new_page()
    page.goto(bunk["url"])
    link = page.get_by_role("link", name="See it in your room")
    expect(link).to_be_visible()
    href = link.get_attribute("href") or ""
    assert href.startswith("intent://arvr.google.com/scene-viewer/")
    said = urllib.parse.parse_qs(href.partition("?")[2].partition("#")[0])
    assert said["title"] == [bunk["name"]]
    model = page.request.get(said["file"][0]).body()
    assert model[:4] == b"glTF"
    assert b"KHR_mesh_quantization" not in model  # Scene Viewer promises only plain glTF
    context.close()


def _usdz_extents(path: Path) -> np.ndarray:
    """Width, height, depth of all geometry, by each part's own place."""
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".usda")}
    numbers = r"\(([^()]+)\)"
    placed = r"references = @\./(geometries/[^@]+)@.*?matrix4d xformOp:transform = (.+?)\n"
    corners = []
    for file, matrix in re.findall(placed, texts["model.usda"], re.DOTALL):
        place = np.array([row.split(",") for row in re.findall(numbers, matrix)], float)
        rows = re.search(r"point3f\[\] points = \[(.+?)\]", texts[file], re.DOTALL)
        assert rows
        points = np.array([row.split(",") for row in re.findall(numbers, rows[1])], float)
        corners.append((np.c_[points, np.ones(len(points))] @ place)[:, :3])
    return np.ptp(np.concatenate(corners), axis=0)
