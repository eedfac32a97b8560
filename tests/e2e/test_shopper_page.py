"""The rest of what a shopper does: words, filters, trouble, by hand, sharing, deleting, other languages."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.conftest import REPOSITORY, Site
from tests.e2e.test_shopper import _drawn_box, _open, _search, _wait_for_model

pytestmark = pytest.mark.browser

FIRST_PAGE_SCRIPTS = 90_000  # bytes, compressed, before three.js
AXE = REPOSITORY / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def shots() -> Path:
    """Where pictures of the pages are kept to be looked at."""
    folder = REPOSITORY / "test-results" / "shopper"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def phone(browser: Browser, running: Site) -> Iterator[Page]:
    context = _phone(browser, running)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def _phone(browser: Browser, running: Site, **more: object) -> BrowserContext:
    return browser.new_context(
        viewport={"width": 390, "height": 844}, base_url=running.url, has_touch=True, is_mobile=True, **more
    )  # type: ignore[arg-type]


def _id(page: Page) -> str:
    return page.url.partition("?")[0].rstrip("/").rsplit("/", 1)[1]


def _done(page: Page) -> None:
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#results .card").first).to_be_visible()


def test_words_narrow_the_search_and_those_not_used_are_named(
    phone: Page, photo_file: Path, shots: Path
) -> None:
    phone.goto("/")
    phone.get_by_label("Words, if you like").fill("bunk plutonium")
    phone.set_input_files("#choose", str(photo_file))
    _done(phone)
    assert phone.locator(".card-name").all_inner_texts() == ["Twin bunk bed"]
    expect(phone.locator(".unused")).to_contain_text("plutonium")
    expect(phone.locator(".unused")).not_to_contain_text("bunk")
    before = phone.url
    phone.get_by_label("With the words").fill("")
    phone.locator("#rewords button").click()
    phone.wait_for_url(lambda url: url != before)
    _done(phone)
    expect(phone.locator(".card")).to_have_count(3)
    _wait_for_model(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.screenshot(path=shots / "phone-results.png", full_page=True)


def test_filters_and_sorting_stay_in_the_address(page: Page, answered: str) -> None:
    _open(page, answered)
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_label("Sort").select_option("price")
    page.wait_for_url(re.compile("sort=price"))
    prices = [float(text.split()[0]) for text in page.locator(".card-price").all_inner_texts()]
    assert prices == sorted(prices)
    option = page.locator("select[name=price] option").nth(1)
    expect(option).to_contain_text(re.compile(r"\(\d\)"))
    count = int(re.search(r"\((\d)\)", option.inner_text())[1])  # type: ignore[index]
    page.get_by_label("Price").select_option(index=1)
    expect(page.locator(".card")).to_have_count(count)
    page.reload()
    expect(page.locator(".card")).to_have_count(count)


def test_a_photo_that_could_not_be_sent_is_kept_and_sent_again(page: Page, photo_file: Path) -> None:
    page.goto("/")

    def broken(route: Route) -> None:
        route.abort()

    page.route("**/api/v1/searches", broken)
    page.set_input_files("#choose", str(photo_file))
    expect(page.locator("#notes")).to_contain_text("can't be reached")
    assert page.locator("#photo").evaluate("i => i.naturalWidth") == 480
    page.unroute("**/api/v1/searches", broken)
    page.get_by_role("button", name="Try again").click()
    _done(page)
    expect(page.locator("#detail-name")).to_have_text("Thistle wing armchair")


def test_products_are_there_before_their_poses(page: Page, running: Site, answered: str) -> None:
    """What the page shows while models are fitted, from the answer the server gives at that moment."""
    _open(page, answered)
    address = f"**/s/{_id(page)}/answer*"

    is_fitting = True

    def fitting(route: Route) -> None:
        response = route.fetch()
        text = response.text()
        route.fulfill(
            response=response,
            body=text.replace('"state": "done"', '"state": "fitting"') if is_fitting else text,
        )

    page.route(address, fitting)
    page.reload()
    expect(page.locator(".card")).to_have_count(3)
    expect(page.locator("#progress-text")).to_have_text("Fitting the 3D models…")
    page.locator(".card").nth(1).click()
    expect(page.locator("#detail-name")).to_have_text(page.locator(".card-name").nth(1).inner_text())
    is_fitting = False
    _wait_for_model(page)
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator(".card").nth(1)).to_have_attribute(
        "aria-current", "true"
    )  # the shopper's choice stays
    page.unroute_all(behavior="wait")


def test_a_second_photo_of_the_same_thing_is_added(page: Page, running: Site, photo_file: Path) -> None:
    first = _search(page, photo_file)
    page.locator("#show-box").click()
    page.set_input_files("#more-photos", str(photo_file))
    page.wait_for_url(lambda url: first not in url)
    _done(page)
    expect(page.locator("#photos button")).to_have_count(2)
    page.get_by_role("button", name="Photo 2").click()
    expect(page.locator(".box")).to_be_visible()
    assert len(running.get(f"/api/v1/searches/{_id(page)}")["photos"]) == 2

    second = page.url
    page.get_by_label("where did you stand for this one?").select_option("A quarter round to the right")
    page.wait_for_url(lambda url: url != second)
    _done(page)
    page.get_by_role("button", name="Photo 2").click()
    expect(page.locator("#turn")).to_have_value("90")
    turned = running.get(f"/api/v1/searches/{_id(page)}")["photos"]
    assert [photo["turn_deg"] for photo in turned] == [0, 90]
    page.get_by_role("button", name="Photo 1").click()
    expect(page.locator("#turn-of")).to_be_hidden()


def test_the_model_is_placed_by_hand_and_that_is_kept(page: Page, running: Site, photo_file: Path) -> None:
    found = _search(page, photo_file)
    page.locator("#adjust").click()
    rest, _ = _drawn_box(page)
    stage = page.locator("#overlay").bounding_box()
    assert stage
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y - 24, steps=4)
    page.mouse.up()
    page.wait_for_timeout(200)
    moved, _ = _drawn_box(page)
    assert moved - rest == pytest.approx(
        np.array([40, -24, 40, -24]), abs=6
    )  # the side it is seen from changes a little
    page.keyboard.press("e")
    page.get_by_role("button", name="Save this place").click()
    expect(page.locator("#adjust-hint")).to_contain_text("Saved")
    [(kind, camera)] = running.rows(
        "SELECT f.kind, f.camera FROM catalog_feedback f JOIN catalog_search s ON s.id = f.search_id "
        f"WHERE s.uuid = '{found.replace('-', '')}'"
    )
    assert kind == "pose"
    server = running.get(f"/api/v1/searches/{found}")["results"][0]["pose"]["camera"]
    saved = json.loads(camera)
    across = 40 * saved["width"] / stage["width"]
    slid = saved["camera_from_model"][3] - server["camera_from_model"][3]
    assert slid * saved["fx"] / saved["camera_from_model"][11] == pytest.approx(across, rel=0.05)


def test_wireframe_and_swipe(page: Page, answered: str) -> None:
    _open(page, answered)
    painted = (
        "() => { const c = document.createElement('canvas'); const o = document.getElementById('overlay');"
        " c.width = o.width; c.height = o.height; const x = c.getContext('2d'); x.drawImage(o, 0, 0);"
        " return x.getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v > 40).length; }"
    )
    solid = page.evaluate(painted)
    page.get_by_text("Wireframe").click()
    page.wait_for_timeout(300)
    assert 0 < page.evaluate(painted) < 0.9 * solid
    page.locator("#swipe").fill("50")
    assert page.locator("#overlay").evaluate("c => c.style.clipPath").startswith("inset(0")


def test_a_verdict_a_share_and_a_deletion(
    browser: Browser, running: Site, photo_file: Path, shots: Path
) -> None:
    context = _phone(browser, running)
    page = context.new_page()
    page.set_default_timeout(60_000)
    found = _search(page, photo_file)
    photo = running.get(f"/api/v1/searches/{found}")["photo"]["url"]
    page.get_by_role("button", name="This is it", exact=True).click()
    expect(page.locator("#is-it")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Share").click()
    link = page.locator("#said a")
    expect(link).to_contain_text("/share/")
    address = link.inner_text()

    stranger = _phone(browser, running)
    other = stranger.new_page()
    assert other.goto(address).status == 200  # type: ignore[union-attr]
    expect(other.locator("#overlay")).to_have_attribute("data-model", "shown", timeout=60_000)
    other.screenshot(path=shots / "phone-shared.png")
    page.get_by_role("button", name="Delete the link").click()
    expect(page.locator("#said")).to_contain_text("deleted")
    assert other.goto(address).status == 404  # type: ignore[union-attr]
    stranger.close()

    page.goto("/")
    expect(page.locator("#history-list a")).to_have_count(1)
    page.locator("#history-list a").click()
    _done(page)
    expect(page.locator("#is-it")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Box", exact=True).click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete my photo now").click()
    expect(page.locator("#problem")).to_contain_text("deleted")
    expect(page.locator("#history")).to_be_hidden()
    assert running.get(f"/api/v1/searches/{found}") is None
    assert page.request.get(photo).status == 404
    context.close()


def test_the_product_shows_its_dimensions_and_can_be_embedded(page: Page, running: Site, shots: Path) -> None:
    [bunk] = running.get("/api/v1/products?q=bunk")["products"]
    page.goto(bunk["url"])
    expect(page.locator("canvas[data-glb]")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    page.get_by_label("Dimensions").check()
    labels = {int(text.split()[0]) for text in page.locator(".sizes span").all_inner_texts()}
    assert labels == {round(100 * side) for side in bunk["extents_m"]}
    page.screenshot(path=shots / "desktop-product.png", full_page=True)
    page.get_by_text("Put it on your own page").click()
    code = page.locator("#embed-code").input_value()
    address = re.search(r'src="([^"]+)"', code)[1]  # type: ignore[index]
    page.set_content(code)  # a page of another origin
    expect(page.frame_locator("iframe").locator("canvas")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    headers = page.request.get(address).headers
    assert "x-frame-options" not in headers
    assert "frame-ancestors" not in headers["content-security-policy"]


def test_what_looks_like_a_product_is_one_click(page: Page, running: Site) -> None:
    [bunk] = running.get("/api/v1/products?q=bunk")["products"]
    page.goto(bunk["url"])
    page.get_by_role("button", name="Find what looks like it").click()
    page.wait_for_url("**/s/**")
    _done(page)
    expect(page.locator("#detail-name")).to_have_text("Twin bunk bed")


def test_without_scripts_a_photo_is_sent_and_the_results_are_read(
    browser: Browser, running: Site, photo_file: Path
) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=running.url)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a photo first")
    page.set_input_files("#choose", str(photo_file))
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/s/**")
    expect(page.locator(".card").first).to_be_visible()  # the page reloads by itself until then
    expect(page.locator("#photo")).to_be_visible()
    page.get_by_label("Sort").select_option("price")
    page.get_by_role("button", name="Apply").click()
    prices = [float(text.split()[0]) for text in page.locator(".card-price").all_inner_texts()]
    assert prices == sorted(prices)
    page.locator(".card").first.click()
    expect(page.locator("h1")).not_to_be_empty()
    context.close()


def test_a_browser_without_webgl_shows_pictures(running: Site, browser: Browser, photo_file: Path) -> None:
    context = browser.new_context(base_url=running.url)
    context.add_init_script("HTMLCanvasElement.prototype.getContext = ((get) => function (kind, ...more) {"
                            " return /webgl/.test(kind) ? null : get.call(this, kind, ...more); })"
                            "(HTMLCanvasElement.prototype.getContext)")  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/")
    page.set_input_files("#choose", str(photo_file))
    _done(page)
    expect(page.locator("#still")).to_be_visible()
    expect(page.locator("#model-loading")).to_contain_text("WebGL is off")
    page.locator("#detail-page").click()
    expect(page.locator(".product-viewer .still")).to_be_visible()
    context.close()


def test_french_is_spoken_and_can_be_left(
    browser: Browser, running: Site, photo_file: Path, shots: Path
) -> None:
    context = _phone(browser, running, locale="fr-FR")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Trouvez-le par photo")
    page.set_input_files("#choose", str(photo_file))
    _done(page)
    expect(page.locator("#detail-confidence")).to_have_text(
        re.compile("Très probable|Probable|Forme|Incertain")
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.screenshot(path=shots / "phone-french.png", full_page=True)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_label("Sort")).to_be_visible()
    context.close()


def test_the_first_page_is_light_and_asks_no_other_host(page: Page, running: Site, photo_file: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    scripts = [url for url in asked if url.endswith(".js")]
    sizes = {url: len(gzip.compress(page.request.get(url).body(), 9)) for url in scripts}
    assert scripts
    assert sum(sizes.values()) <= FIRST_PAGE_SCRIPTS, sizes
    _search(page, photo_file)
    page.locator("#detail-page").click()
    expect(page.locator("canvas[data-glb]")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    assert [url for url in asked if not url.startswith((running.url, "data:", "blob:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, running: Site, answered: str, scheme: str) -> None:
    assert AXE.exists(), "axe-core is not installed: run make test"
    context = _phone(browser, running, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(60_000)
    [bunk] = running.get("/api/v1/products?q=bunk")["products"]
    found = _open(page, answered)
    serious = {"results": _axe(page)}
    page.locator("#show-box").click()
    serious["box"] = _axe(page)
    page.get_by_role("button", name="Share").click()
    expect(page.locator("#said a")).to_be_visible()
    shared = page.locator("#said a").inner_text()
    addresses = [
        "/",
        bunk["url"],
        "/products/",
        "/products/?q=nothing",
        "/nothing-here",
        shared,
        f"/embed/{bunk['id']}/",
    ]
    for address in addresses:
        page.goto(address)
        serious[address] = _axe(page)
    assert found
    assert {name: problems for name, problems in serious.items() if problems} == {}
    context.close()


def _axe(page: Page) -> list[str]:
    """Rule and place of what is serious or critical under WCAG 2.2 AA."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    report = page.evaluate(
        "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })"
    )
    assert report["passes"]
    return [
        f"{problem['id']}: {node['html'][:140]} {node['failureSummary'][-160:]}"
        for problem in report["violations"]
        if problem["impact"] in {"serious", "critical"}
        for node in problem["nodes"]
    ]
