"""The API of a running installation, with a real worker behind it."""

from __future__ import annotations

import io
import json
import re
import struct
import zlib

import pytest
import requests
from PIL import Image

from catalog.services.searching import CROWD_POSES, POSES
from ml.geometry.boxes import iou
from ml.types import Box
from tests.conftest import Site

_JSON = {"Content-Type": "application/json"}


def test_a_photo_becomes_products_with_a_pose(running: Site, photo: bytes) -> None:
    status, submitted = running.post_photo(photo)
    assert status == 202

    search = running.answer(submitted)

    assert search["state"] == "done", search["error"]
    assert search["box_source"] == "found"
    first = search["results"][0]
    assert first["product"]["name"] == "Thistle wing armchair"
    assert [row["rank"] for row in search["results"]] == list(range(1, len(search["results"]) + 1))
    names = [row["product"]["name"] for row in search["results"]]
    assert len(set(names)) == len(names)
    camera = first["pose"]["camera"]
    assert (camera["width"], camera["height"]) == (480, 360)
    assert len(camera["camera_from_model"]) == 16
    assert abs(first["pose"]["azimuth_deg"] - 26) < 20
    assert search["photo"]["url"]
    for address in (first["view_url"], first["product"]["thumbnail_url"], search["photo"]["url"]):
        assert _picture(running, address).size[0] > 0
    assert _bytes(running, first["product"]["glb_url"])[:4] == b"glTF"


def test_while_others_wait_only_the_first_products_are_fitted(running: Site, photo: bytes) -> None:
    submitted = [running.post_photo(photo)[1] for _ in range(6)]
    posed = [sum(row["pose"] is not None for row in running.answer(one)["results"]) for one in submitted]
    assert min(posed) == CROWD_POSES
    assert CROWD_POSES < posed[-1] <= POSES  # nobody waited behind it


def test_the_shoppers_box_wins_and_another_box_is_another_search(running: Site, photo: bytes) -> None:
    _, submitted = running.post_photo(photo, box="100,50,380,310", tau="0.5")
    search = running.answer(submitted)
    asked = search["photo"]["asked_box"] or search["box"]  # it may have been drawn to the object's edges
    assert asked == pytest.approx([100, 50, 380, 310])
    assert iou(Box(*search["box"]), Box(*asked)) >= 0.5
    assert search["box_source"] == "shopper"

    status, again = running.post(
        f"/api/v1/searches/{search['id']}/box", json.dumps({"box": "full"}).encode(), _JSON
    )
    assert status == 202
    assert again["id"] != search["id"]
    whole = running.answer(again)
    assert whole["box"] == [0, 0, 480, 360]
    assert whole["box_source"] == "whole"
    assert whole["photo"]["asked_box"] is None
    assert whole["photo"]["url"] == search["photo"]["url"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"box": "1,2,3"}, "not four numbers"),
        ({"box": "50,50,20,80"}, "x0 < x1"),
        ({"box": "900,900,990,990"}, "draw it around the object"),
        ({"tau": "1.5"}, "outside (0, 1]"),
        ({"tau": "much"}, "tau"),
    ],
)
def test_bad_fields_get_a_sentence(running: Site, photo: bytes, fields: dict[str, str], words: str) -> None:
    status, problem = running.post_photo(photo, **fields)
    assert status == 422
    assert problem["status"] == 422
    assert words in problem["detail"]


def test_what_is_not_a_photo_gets_a_sentence_and_nothing_breaks(running: Site, photo: bytes) -> None:
    for data, words in (
        (b"only text, whatever the name says", "is not a photo"),
        (b"", "is empty"),
        (_bomb(20_000, 20_000), "too many pixels"),
        (photo[:120], "damaged"),
        (_small(), "at least 16 x 16"),
    ):
        status, problem = running.post_photo(data)
        assert status == 422, problem
        assert words in problem["detail"]
    assert running.answer(running.post_photo(photo)[1])["state"] == "done"


def test_a_photo_that_breaks_off_fails_with_a_sentence(running: Site, photo: bytes) -> None:
    status, submitted = running.post_photo(photo[: len(photo) // 3])
    if status == 202:
        search = running.answer(submitted)
        assert search["state"] == "failed"
        assert search["error"]
    else:
        assert submitted["detail"]


def test_a_phone_photo_stands_upright(running: Site, photo: bytes) -> None:
    turned = Image.open(io.BytesIO(photo)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    exif[0x010F] = "a phone"
    data = io.BytesIO()
    turned.save(data, "JPEG", exif=exif, quality=92)

    search = running.answer(running.post_photo(data.getvalue())[1])

    assert (search["photo"]["width"], search["photo"]["height"]) == (480, 360)
    assert search["results"][0]["product"]["name"] == "Thistle wing armchair"
    stored = _picture(running, search["photo"]["url"])
    assert stored.size == (480, 360)
    assert not stored.getexif()


def test_several_photos_are_one_object(running: Site, photo: bytes) -> None:
    from tests.conftest import draw_photo

    boundary = "together"
    parts = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="{n}.jpg"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for n, data in enumerate([photo, draw_photo("wing-armchair", azimuth=-0.6)])
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    status, submitted = running.post("/api/v1/searches", parts + f"--{boundary}--\r\n".encode(), headers)
    assert status == 202
    search = running.answer(submitted)
    assert len(search["photos"]) == 2
    assert search["results"][0]["product"]["name"] == "Thistle wing armchair"


def test_unknown_addresses_are_problems(running: Site) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    status, problem = running.post(f"/api/v1/searches/{nobody}/cancel", b"", _JSON)
    assert status == 404
    assert problem["detail"]
    status, problem = running.post(
        "/api/v1/searches", b"", {"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert status == 422
    assert "no photo was sent" in problem["detail"]


def test_products_and_samples_are_listed(running: Site) -> None:
    page = running.get("/api/v1/products")
    assert page["count"] == 4
    [found] = running.get("/api/v1/products?q=bunk")["products"]
    assert found["name"] == "Twin bunk bed"
    assert found["price"] == "549.00"
    assert running.get(f"/api/v1/products/{found['id']}") == found
    samples = running.get("/api/v1/samples")
    assert len(samples) >= 10
    assert _picture(running, samples[0]["url"]).size == (samples[0]["width"], samples[0]["height"])


def test_a_products_page_shows_what_looks_like_it_by_the_index(running: Site) -> None:
    [chair] = running.get("/api/v1/products?q=wing")["products"]
    for _ in range(2):  # found, and then remembered
        page = _bytes(running, chair["url"]).decode()
        section = page.partition('id="alike"')[2].partition("</section>")[0]
        names = re.findall(r'class="card-name">([^<]+)<', section)
        assert len(names) == 3  # all that are offered, but itself
        assert chair["name"] not in names
        assert "shelf" in names[-1].casefold()


def test_a_model_has_no_other_files(running: Site) -> None:
    [found] = running.get("/api/v1/products?q=bunk")["products"]
    folder = found["glb_url"].rsplit("/", 1)[0]
    for name in ("mesh.npz", "../../db.sqlite3", "views/9999.jpg", "views/-1.jpg"):
        assert running.get(f"{folder}/{name}") is None


def test_the_viewers_model_is_lighter_and_the_download_stays_whole(running: Site) -> None:
    [bunk] = running.get("/api/v1/products?q=bunk")["products"]
    folder = running.url + bunk["glb_url"].rsplit("/", 1)[0]
    whole = requests.get(f"{folder}/model.glb", timeout=30)
    light = requests.get(f"{folder}/viewer.glb", timeout=30)  # says itself that it takes gzip
    plain = requests.get(f"{folder}/viewer.glb", headers={"Accept-Encoding": "identity"}, timeout=30)

    assert light.headers["Content-Encoding"] == "gzip"
    assert all("Accept-Encoding" in answer.headers["Vary"] for answer in (light, plain))
    assert light.headers["Content-Type"] == "model/gltf-binary"
    assert int(light.headers["Content-Length"]) < 0.4 * len(whole.content)
    assert int(light.headers["X-File-Size"]) == len(light.content)
    assert b"KHR_mesh_quantization" in light.content
    assert b"KHR_mesh_quantization" not in whole.content
    assert plain.content == whole.content

    [shelf] = running.get("/api/v1/products?q=shelf")["products"]  # too light to be made lighter
    folder = running.url + shelf["glb_url"].rsplit("/", 1)[0]
    assert "Content-Encoding" not in requests.head(f"{folder}/viewer.glb", timeout=30).headers


def _bytes(site: Site, path: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(site.url + path, timeout=30) as response:
        data: bytes = response.read()
    return data


def _picture(site: Site, path: str) -> Image.Image:
    return Image.open(io.BytesIO(_bytes(site, path)))


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred kilobytes that says it has that many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (height * (width // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _small() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    return data.getvalue()
