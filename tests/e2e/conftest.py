"""Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import REPOSITORY, Site, is_required, settings_for

SHOTS = os.environ.get("SHAPELENS_SHOTS", "")
PASSWORD = "a long password for tests"
_cookies: dict[tuple[str, str], Any] = {}  # by site and person
# three.js draws for real, by software; see the design's note on the browser
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

expect.set_options(timeout=60_000)  # the worker may still be loading


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    built = REPOSITORY / "var" / "static" / "dist" / "manifest.json"
    missing = "" if path else "chromium is not installed"
    if not built.exists():
        missing = missing or "the front end is not built: run make test"
    if missing:
        if is_required("browser"):
            pytest.fail(f"{missing}, and this machine should have it")
        pytest.skip(missing)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def page(browser: Browser, running: Site) -> Iterator[Page]:
    """A window on the running site; a script error fails the test."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, base_url=running.url, bypass_csp=False
    )
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert not errors


@pytest.fixture(scope="session")
def answered(running: Site, photo: bytes) -> str:
    """Id of a search that has ended, for tests that look at an answer and do not ask themselves."""
    return str(running.answer(running.post_photo(photo)[1])["id"])


@pytest.fixture
def photo_file(photo: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "armchair.jpg"
    path.write_bytes(photo)
    return path


@pytest.fixture(scope="package")
def staffed(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation with every worker and a person of each group, shared by the staff's tests."""
    data = tmp_path_factory.mktemp("staffed") / "data"
    shutil.copytree(installed, data)
    site = Site(data, settings_for(data, SHAPELENS_JOB_WORKERS="1"))
    people = (
        "from django.contrib.auth.models import Group, User\n"
        "for name, group in (('cat', 'catalog admins'), ('quinn', 'quality staff'), ('rita', 'read-only')):\n"
        f"    user = User.objects.create_user(name, password={PASSWORD!r}, is_staff=True)\n"
        "    user.groups.add(Group.objects.get(name=group))"
    )
    site.manage("shell", "--command", people)
    site.start_web()
    site.start_worker("search")
    site.start_worker("import,index")
    site.start_worker("housekeeping", "--beat", "--schedule", str(data / "beat"))
    yield site
    site.stop()


def signed_in(browser: Browser, site: Site, name: str) -> Page:
    """A window of somebody of the staff, who signs in once and is known from then on."""
    known = _cookies.get((site.url, name))
    context = browser.new_context(
        viewport={"width": 1360, "height": 900}, base_url=site.url, storage_state=known
    )
    page = context.new_page()
    page.set_default_timeout(90_000)
    if known:
        return page
    page.goto("/admin/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/admin/")
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    _cookies[(site.url, name)] = context.storage_state()
    return page


def keep(page: Page, name: str) -> None:
    """A picture of the page, where SHAPELENS_SHOTS names a folder."""
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
