"""Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import REPOSITORY, Site, is_required

# three.js draws for real, by software; see the design's note on the browser
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

expect.set_options(timeout=60_000)  # the worker may still be loading


@pytest.fixture(scope="session")
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
