"""What a shopper does, in a real browser, against a real server and worker."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Site

pytestmark = pytest.mark.browser


def _search(page: Page, photo: Path) -> str:
    """Upload and wait for the overlay; the search's id."""
    page.goto("/")
    page.set_input_files("#choose", str(photo))
    expect(page.locator(".card").first).to_be_visible()
    _wait_for_model(page)
    return page.url.rstrip("/").rsplit("/", 1)[1]


def _open(page: Page, found: str) -> str:
    """An answer there is already, and its overlay; its id."""
    page.goto(f"/s/{found}/")
    expect(page.locator(".card").first).to_be_visible()
    _wait_for_model(page)
    return found


def _wait_for_model(page: Page) -> None:
    expect(page.locator("#overlay")).to_have_attribute("data-model", re.compile(r"\d+"), timeout=60_000)


def _drawn_box(page: Page) -> tuple[np.ndarray, tuple[int, int]]:
    """Edges of the canvas's opaque pixels, and the canvas's size."""
    data = page.evaluate(
        """async () => {
            const canvas = document.getElementById('overlay');
            const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
            return Array.from(new Uint8Array(await blob.arrayBuffer()));
        }"""
    )
    alpha = np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGBA"))[..., 3] > 40
    columns, rows = np.flatnonzero(alpha.any(axis=0)), np.flatnonzero(alpha.any(axis=1))
    assert len(columns), "nothing is drawn"
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float), alpha.shape[::-1]


def _projected_box(site: Site, result: dict[str, Any]) -> np.ndarray:
    """Edges, in the photo's pixels, of the GLB's vertices under the camera the server gave."""
    import urllib.request

    with urllib.request.urlopen(site.url + result["product"]["glb_url"], timeout=30) as response:
        scene = trimesh.load(io.BytesIO(response.read()), file_type="glb")
    vertices = scene.to_geometry().vertices
    camera = result["pose"]["camera"]
    points = np.c_[vertices, np.ones(len(vertices))] @ np.reshape(camera["camera_from_model"], (4, 4)).T
    x = camera["fx"] * points[:, 0] / points[:, 2] + camera["cx"]
    y = camera["fy"] * points[:, 1] / points[:, 2] + camera["cy"]
    return np.array([x.min(), y.min(), x.max(), y.max()])


def test_the_model_stands_where_the_server_placed_it(page: Page, running: Site, photo_file: Path) -> None:
    packed: list[str] = []
    page.on(
        "response",
        lambda r: (
            packed.append(r.header_value("content-encoding") or "") if r.url.endswith("viewer.glb") else None
        ),
    )
    search = running.get(f"/api/v1/searches/{_search(page, photo_file)}")
    assert packed == ["gzip"]  # the lighter model is the one that is measured below
    first = search["results"][0]
    expected = _projected_box(running, first)
    for width in (1280, 700):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        drawn, (across, down) = _drawn_box(page)
        scale = np.array([across, down, across, down]) / np.tile(
            [search["photo"]["width"], search["photo"]["height"]], 2
        )
        assert np.abs(drawn - expected * scale).max() <= 3, (drawn, expected * scale)
        canvas = page.locator("#overlay").bounding_box()
        picture = page.locator("#photo").bounding_box()
        assert canvas == picture  # the canvas covers the photo exactly


def test_the_thing_is_shown_cut_out_of_its_photo(page: Page, running: Site, answered: str) -> None:
    photo = running.get(f"/api/v1/searches/{_open(page, answered)}")["photo"]
    points = np.concatenate([np.array(ring) for ring in photo["outline"]])
    edges = np.concatenate([points.min(axis=0), points.max(axis=0)])
    assert np.abs(edges - photo["box"]).max() <= 0.06 * max(photo["width"], photo["height"])
    cut = page.get_by_role("img", name="The thing in your photo, cut out")
    expect(cut).to_be_visible()
    page.wait_for_timeout(500)  # the picture is drawn
    drawn = np.asarray(Image.open(io.BytesIO(cut.screenshot())).convert("RGB"), int)
    is_ground = np.abs(drawn - 128).max(axis=2) <= 2
    assert 0.1 < 1 - is_ground[10:-10, 10:-10].mean() < 0.9
    rim = np.concatenate([is_ground[4, 12:-12], is_ground[-5, 12:-12]])
    assert rim.mean() > 0.95, "nothing of the photo's ground is left around it"


def test_orbit_leaves_the_pose_and_snap_back_returns(page: Page, answered: str) -> None:
    _open(page, answered)
    rest, _ = _drawn_box(page)
    snap = page.get_by_role("button", name="Snap back")
    expect(snap).to_be_hidden()
    box = page.locator("#overlay").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.6, steps=4)
    page.mouse.up()
    page.wait_for_timeout(200)
    turned, _ = _drawn_box(page)
    assert np.abs(turned - rest).max() > 6
    snap.click()
    expect(snap).to_be_hidden()
    page.wait_for_timeout(200)
    assert np.abs(_drawn_box(page)[0] - rest).max() <= 1
    page.locator("#opacity").fill("30")
    assert page.locator("#overlay").evaluate("c => getComputedStyle(c).opacity") == "0.3"
    page.get_by_text("Outline").click()
    page.wait_for_timeout(300)
    assert np.abs(_drawn_box(page)[0] - rest).max() <= 3


def _asked_box(search: dict[str, Any]) -> list[float]:
    """As the shopper drew it, whatever was searched with."""
    asked: list[float] = search["photo"]["asked_box"] or search["box"]
    return asked


def test_moving_the_box_searches_again(page: Page, running: Site, answered: str) -> None:
    first = _open(page, answered)
    page.get_by_role("button", name="Box", exact=True).click()
    handle = page.locator(".handle.se").bounding_box()
    assert handle
    page.mouse.move(handle["x"] + 15, handle["y"] + 15)
    page.mouse.down()
    page.mouse.move(handle["x"] + 75, handle["y"] + 55, steps=5)
    page.mouse.up()
    page.wait_for_url(lambda url: first not in url)
    page.get_by_role("button", name="Box", exact=True).click()  # before the answer, which leaves them there
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#work")).to_have_attribute("data-mode", "box")
    search = running.get(f"/api/v1/searches/{page.url.rstrip('/').rsplit('/', 1)[1]}")
    before = running.get(f"/api/v1/searches/{first}")
    assert search["box_source"] == "shopper"
    asked = _asked_box(search)
    assert asked[2] > before["box"][2] + 10
    assert asked[:2] == pytest.approx(before["box"][:2], abs=1.5)
    is_redrawn = search["photo"]["asked_box"] is not None
    expect(page.locator("#redrawn")).to_be_visible(visible=is_redrawn)
    stage, shown = page.locator("#boxes").bounding_box(), page.locator(".box").bounding_box()
    assert stage
    assert shown
    wide = search["box"][2] - search["box"][0]
    assert shown["width"] / stage["width"] == pytest.approx(wide / search["photo"]["width"], abs=0.02)

    # the same by keyboard
    second = page.url
    page.locator(".box").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != second)
    _wait_for_model(page)
    moved = running.get(f"/api/v1/searches/{page.url.rstrip('/').rsplit('/', 1)[1]}")
    assert _asked_box(moved)[0] < search["box"][0] - 2
    assert _asked_box(moved)[1] == pytest.approx(search["box"][1], abs=1.5)


def test_a_reload_and_a_shared_address_show_the_same(page: Page, answered: str) -> None:
    _open(page, answered)
    name = page.locator("#detail-name").inner_text()
    page.reload()
    _wait_for_model(page)
    assert page.locator("#detail-name").inner_text() == name == "Thistle wing armchair"
    page.get_by_role("link", name="Open product").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.locator("canvas[data-glb]")).to_have_attribute("data-drawn", re.compile(r"\d+"))


def test_a_sample_photo_is_one_click(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="A checked wing chair").click()
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator("#detail-name")).not_to_be_empty()


def test_what_is_not_a_photo_is_said_beside_the_button(page: Page, tmp_path: Path) -> None:
    fake = tmp_path / "holiday.jpg"
    fake.write_text("only text")
    page.goto("/")
    page.set_input_files("#choose", str(fake))
    expect(page.get_by_role("alert")).to_contain_text("holiday.jpg is not a photo")
    expect(page.locator("#dropzone")).to_be_visible()


def test_a_phone_has_no_sideways_scroll_and_works_in_the_dark(
    browser: Browser, running: Site, photo_file: Path
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        base_url=running.url,
        color_scheme="dark",
        has_touch=True,
        is_mobile=True,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/")
    expect(page.get_by_text("Take a photo")).to_be_visible()
    _search(page, photo_file)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("Opacity", "Compare"):
        expect(page.get_by_label(name)).to_be_visible()
    context.close()


def test_on_a_phone_a_swipe_over_the_photo_scrolls_and_does_not_touch_the_box(
    browser: Browser, running: Site, answered: str
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 640}, base_url=running.url, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    found = _open(page, answered)
    page.get_by_role("button", name="Box", exact=True).click()
    page.evaluate("scrollTo(0, 0)")
    stage = page.locator("#boxes").bounding_box()
    assert stage
    _swipe_up(page, stage["x"] + 8, stage["y"] + stage["height"] * 0.9)
    page.wait_for_function("scrollY > 60")
    assert found in page.url  # no other box was searched
    context.close()


def _swipe_up(page: Page, x: float, y: float) -> None:
    """A finger put down, drawn up by 200 pixels, and lifted."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 11):
        point = {"x": x, "y": y - 20 * step}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        page.wait_for_timeout(16)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_the_apis_page_lists_its_addresses_and_asks_no_other_host(page: Page, running: Site) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/api/v1/docs")
    expect(page.get_by_text("/api/v1/searches", exact=True).first).to_be_visible()
    expect(page.get_by_text("/api/v1/imports", exact=True).first).to_be_visible()
    assert [url for url in asked if not url.startswith((running.url, "data:", "blob:"))] == []
