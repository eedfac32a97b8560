"""The content security policy in a real browser: every page works under it, and a script that got in does not run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def refused(page: Page) -> Iterator[list[str]]:
    """What the browser refused because of the policy; nothing may be."""
    said: list[str] = []
    page.on(
        "console", lambda line: said.append(line.text) if "Content Security Policy" in line.text else None
    )
    yield said
    assert not said


def test_the_admin_works_under_its_policy(page: Page, refused: list[str], running: Site) -> None:
    code = "from django.contrib.auth.models import User; User.objects.create_superuser('boss', password='a long one')"
    running.manage("shell", "--no-imports", "-c", code)
    page.goto("/admin/")
    page.get_by_label(re.compile("username", re.I)).fill("boss")
    page.get_by_label(re.compile("password", re.I)).fill("a long one")
    page.get_by_role("button", name=re.compile("log in|sign in", re.I)).click()
    for name in ("product", "search", "deadletter", "workerheartbeat", "apitoken"):
        page.goto(f"/admin/catalog/{name}/")
        expect(page.locator("#content, main, #main").first).to_be_visible()
    page.get_by_role("link", name=re.compile("add", re.I)).first.click()
    page.get_by_label(re.compile("^name", re.I)).fill("nightly import")
    page.get_by_label(re.compile("^user", re.I)).select_option(label="boss")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(re.compile("shown this once: sl_"))).to_be_visible()


def test_the_pages_work_under_their_policy(page: Page, refused: list[str]) -> None:
    for path in ("/", "/products/", "/api/v1/docs"):
        answer = page.goto(path)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert (
            "script-src" not in policy or "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
        )
        page.wait_for_load_state("networkidle")
    expect(page.get_by_text("/api/v1/searches").first).to_be_visible()


def test_a_script_in_the_page_s_text_is_not_run(page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text))
    for path in ("/", "/admin/login/"):
        page.goto(path)
        page.evaluate(
            "() => { const s = document.createElement('script'); s.text = 'window.stolen = true';"
            " document.body.append(s); document.body.insertAdjacentHTML('beforeend',"
            " '<img src=x onerror=\"window.stolen = true\">'); }"
        )
        page.wait_for_timeout(300)
        assert page.evaluate("() => window.stolen") is None
    assert any("Content Security Policy" in line for line in said)
