"""What staff do, in a real browser, against a real server and workers: import, correct, review, look, compare, roll back.

SHAPELENS_SHOTS=FOLDER keeps a picture of every page that is looked at.
"""

from __future__ import annotations

import os
import re
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Site, draw_photo
from tests.e2e.conftest import keep, signed_in

pytestmark = pytest.mark.browser

# six of an import's own files, each broken in a way of its own
BROKEN = {
    "empty.glb": b"",
    "text.glb": b"this is no model",
    "cut.stl": b"solid cut\nfacet normal 0 0 1\nouter loop\nvertex 0 0",
    "nothing.obj": b"# no faces\nv 0 0 0\n",
    "strange.dae": b"<COLLADA",
    "drawing.dwg": b"AC1032",
}


@pytest.fixture
def admin(browser: Browser, staffed: Site) -> Iterator[Page]:
    page = signed_in(browser, staffed, "cat")
    yield page
    page.context.close()


@pytest.fixture
def quality(browser: Browser, staffed: Site) -> Iterator[Page]:
    page = signed_in(browser, staffed, "quinn")
    yield page
    page.context.close()


@pytest.fixture
def reader(browser: Browser, staffed: Site) -> Iterator[Page]:
    page = signed_in(browser, staffed, "rita")
    yield page
    page.context.close()


def test_a_zip_is_sent_looked_at_corrected_and_imported_though_its_worker_is_killed(
    admin: Page, staffed: Site, models: Path, tmp_path: Path
) -> None:
    worker = next(one for one in staffed.processes if "import,index" in one.args and one.poll() is None)
    [(products,)] = staffed.rows("SELECT COUNT(*) FROM catalog_product")
    archive = tmp_path / "delivery.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for model in sorted(models.glob("*.glb")):
            out.write(model, f"new/{model.name}")
        for name, data in BROKEN.items():
            out.writestr(f"new/{name}", data)

    admin.goto("/admin/catalog/importrun/add/")
    admin.set_input_files("#file", str(archive))
    expect(admin.locator("#told")).to_have_text("delivery.zip is here.")
    admin.fill("[name=name]", "Delivery")
    keep(admin, "import-new")
    admin.get_by_role("button", name="Look at it first").click()
    expect(admin.locator("#told")).to_be_visible()
    staffed.until(
        lambda: staffed.rows("SELECT 1 FROM catalog_importitem i JOIN catalog_importrun r ON r.id = i.run_id "
                             "WHERE r.state = 'running' AND i.outcome IN ('found', 'failed')"),
        "the first file to be done", every=0.02,
    )  # fmt: skip
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    staffed.start_worker("import,index")

    expect(admin.get_by_text("Nothing has changed yet.")).to_be_visible()
    assert staffed.rows("SELECT COUNT(*) FROM catalog_product") == [(products,)]  # as before
    for name in BROKEN:
        assert name.partition(".")[0] in admin.content()
    card = admin.locator("[data-key='new/tall-shelf']")
    expect(card).to_contain_text("same shape as")
    keep(admin, "import-found")

    before = card.inner_text()
    card.get_by_role("checkbox").check()
    admin.select_option("[name=up]", "+z")
    admin.fill("[name=category]", "Shelves")
    admin.get_by_role("button", name="Correct the ticked").click()
    expect(admin.get_by_text("Nothing has changed yet.")).to_be_visible()
    expect(card).to_contain_text("up +z")
    expect(card).to_contain_text("Shelves")
    assert card.inner_text() != before
    keep(admin, "import-fixed")

    admin.get_by_role("button", name="Import these models").click()
    expect(admin.get_by_text("Done.", exact=True)).to_be_visible()
    keep(admin, "import-done")
    outcomes = dict(
        staffed.rows(
            "SELECT outcome, COUNT(*) FROM catalog_importitem WHERE run_id = "
            "(SELECT MAX(id) FROM catalog_importrun) GROUP BY outcome"
        )
    )
    assert outcomes == {"imported": 4, "failed": len(BROKEN)}
    changes = staffed.rows(
        "SELECT COUNT(*) FROM auditlog_logentry WHERE action = 0 AND object_repr = 'new/tall-shelf'"
    )
    assert changes == [(1,)]


def test_prices_are_sent_as_a_table_looked_at_applied_and_undone(
    admin: Page, reader: Page, staffed: Site, tmp_path: Path
) -> None:
    def price() -> list[tuple[float | None]]:
        return staffed.rows("SELECT price FROM catalog_product WHERE key = 'wing-armchair'")

    before = price()
    table = tmp_path / "prices.csv"
    table.write_text(
        "key,price,stock,link,colour\nwing-armchair,1234.50,7,https://shop.example/w,red\n"
        "bunk-bed,cheap,3,,\nno-such-thing,1,1,,\n"
    )
    admin.goto("/admin/catalog/feed/")
    admin.get_by_role("link", name="Add").first.click()
    admin.get_by_label("Catalog").select_option("shop")
    admin.set_input_files("[name=file]", str(table))
    keep(admin, "prices-new")
    admin.get_by_role("button", name="Look at it").click()
    expect(admin.get_by_text("Nothing has changed yet.")).to_be_visible()
    for said in ("no-such-thing", "1234.50", "colour", "'cheap' is no price"):
        expect(admin.get_by_text(said).first).to_be_visible()
    keep(admin, "prices-found")
    assert price() == before
    admin.get_by_role("button", name="Change these products").click()
    expect(admin.get_by_text("2 products changed.")).to_be_visible()
    assert price() == [(1234.5,)]
    keep(admin, "prices-applied")
    reader.goto(admin.url)
    expect(reader.get_by_text("1234.50")).to_be_visible()
    expect(reader.get_by_role("link", name="Undo")).to_have_count(0)
    admin.get_by_role("link", name="Undo").click()
    keep(admin, "prices-undo")
    admin.get_by_role("button", name="Undo").click()
    expect(admin.get_by_text("2 products are as they were.")).to_be_visible()
    assert price() == before

    reader.goto("/admin/")
    reader.get_by_role("link", name="Disk").click()
    expect(reader.get_by_text("There is no limit")).to_be_visible()
    keep(reader, "disk")


def test_searches_are_reviewed_by_keyboard_and_the_plots_show_it(
    quality: Page, reader: Page, staffed: Site
) -> None:
    asked = [staffed.post_photo(draw_photo("wing-armchair", azimuth=a))[1] for a in (0.3, 0.6, 1.0)]
    for one in asked:
        assert staffed.answer(one)["state"] == "done"
    quality.goto("/admin/catalog/verdict/review/")
    body = quality.locator("body")
    expect(quality.locator("#left")).to_have_text("3 to review")
    expect(quality.locator("#overlay")).to_have_attribute("data-model", re.compile(r"\d+"))
    keep(quality, "review")
    first = body.get_attribute("data-case")

    quality.keyboard.press("r")
    expect(body).not_to_have_attribute("data-case", first or "")
    second = body.get_attribute("data-case")
    quality.keyboard.press("u")
    expect(body).to_have_attribute("data-case", first or "")
    quality.keyboard.press("r")
    expect(body).to_have_attribute("data-case", second or "")

    quality.keyboard.press("b")
    stage = quality.locator("#stage").bounding_box()
    assert stage
    quality.mouse.move(stage["x"] + stage["width"] * 0.25, stage["y"] + stage["height"] * 0.25)
    quality.mouse.down()
    quality.mouse.move(stage["x"] + stage["width"] * 0.75, stage["y"] + stage["height"] * 0.75, steps=4)
    quality.mouse.up()
    expect(quality.locator("#true-frame")).to_be_visible()
    keep(quality, "review-box")
    quality.keyboard.press("c")
    expect(body).not_to_have_attribute("data-case", second or "")
    quality.keyboard.press("ArrowRight")
    quality.keyboard.press("s")
    expect(quality.get_by_text("Nothing is left to review here.")).to_be_visible()

    said = staffed.rows("SELECT label, rank, true_box IS NOT NULL FROM catalog_verdict ORDER BY id")
    assert [label for label, _, _ in said] == ["right", "bad_crop", "similar"]
    assert said[2][1] == 2
    [(box,)] = staffed.rows("SELECT true_box FROM catalog_verdict WHERE label = 'bad_crop'")
    edges = [float(edge) for edge in box.strip("[]").split(",")]
    assert edges == pytest.approx([120, 90, 360, 270], abs=3)

    quality.goto("/admin/catalog/verdict/quality/")
    expect(quality.locator("#plots")).to_have_attribute("data-shown", "3")
    expect(quality.locator("#numbers")).to_contain_text("3judged")
    expect(quality.locator("#plot-top svg").first).to_be_visible()
    keep(quality, "quality")

    reader.goto("/admin/catalog/verdict/quality/")
    reader.locator("#worst-photos a").first.click()
    expect(reader.locator("#overlay")).to_have_attribute("data-model", re.compile(r"\d+"))
    expect(reader.locator("#said")).to_contain_text("(quinn)")
    expect(reader.locator("[data-label]")).to_have_count(0)
    reader.keyboard.press("w")  # says nothing here
    keep(reader, "case-read-only")
    assert staffed.rows("SELECT COUNT(*) FROM catalog_verdict") == [(3,)]

    quality.goto("/admin/catalog/cutoff/tune/")
    expect(quality.locator("#plot svg").first).to_be_visible()
    quality.locator("#value").fill("9")
    quality.locator("#value").press("Tab")
    expect(quality.locator("#changed-title")).to_contain_text("3 would now be told")
    quality.fill("[name=reason]", "to see it undone")
    keep(quality, "cut-off")
    quality.get_by_role("button", name="Apply").click()
    expect(quality.get_by_text("holds from the next search on")).to_be_visible()
    assert staffed.answer(staffed.post_photo(draw_photo("wing-armchair"))[1])["no_match"] is True
    quality.get_by_role("button", name="Undo").click()
    expect(quality.get_by_text("is undone")).to_be_visible()
    assert staffed.answer(staffed.post_photo(draw_photo("wing-armchair"))[1])["no_match"] is False


def test_a_new_index_is_built_compared_and_rolled_back(admin: Page, quality: Page, staffed: Site) -> None:
    def active() -> int:
        return int(staffed.rows("SELECT generation_id FROM catalog_activegeneration")[0][0])

    if not staffed.rows("SELECT 1 FROM catalog_search WHERE state = 'done'"):
        staffed.answer(staffed.post_photo(draw_photo("wing-armchair"))[1])
    newest = staffed.rows("SELECT MAX(id) FROM catalog_indexgeneration")[0][0]
    admin.goto("/admin/catalog/indexgeneration/")
    admin.get_by_role("link", name="Build a new index").click()
    admin.get_by_role("button", name="Build it").click()
    expect(admin.get_by_text("is queued")).to_be_visible()
    staffed.until(lambda: active() > newest, "the new index to serve")
    before, now = 1, active()

    quality.goto("/admin/catalog/comparison/add/")
    quality.select_option("[name=generation_a]", str(before))
    quality.select_option("[name=generation_b]", str(now))
    quality.get_by_role("button", name="Compare").click()
    expect(quality.get_by_text("with a known right product")).to_be_visible()
    quality.get_by_role("link", name=re.compile("the same")).click()
    expect(quality.locator(".sides").first).to_be_visible()
    keep(quality, "compare")

    admin.goto("/admin/catalog/indexgeneration/")
    keep(admin, "index")
    admin.get_by_role("link", name="Roll back").click()
    keep(admin, "roll-back")
    assert active() == now
    admin.get_by_role("button", name="Roll back").click()
    staffed.until(lambda: active() < now, "the one before to serve")
    assert staffed.answer(staffed.post_photo(draw_photo("wing-armchair"))[1])["results"]
