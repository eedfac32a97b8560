"""Every word of the shopper's page is there in French, compiled, also on a machine without gettext."""

from __future__ import annotations

import gettext
import re

import pytest

from tests.conftest import REPOSITORY

_TAG = re.compile(r"""{%\s*(?:translate|trans)\s+"([^"]+)\"""")
_SCRIPT = re.compile(r"""\bt\(\s*"((?:[^"\\]|\\.)*)\"""")


@pytest.fixture(scope="module")
def french() -> dict[str, str]:
    with (REPOSITORY / "webapp/locale/fr/LC_MESSAGES/django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]


def test_every_text_of_the_templates_is_in_french(french):
    texts = {
        text
        for path in (REPOSITORY / "webapp/templates").glob("*.html")
        for text in _TAG.findall(path.read_text(encoding="utf-8"))
    }
    assert len(texts) > 80
    assert {text for text in texts if not french.get(text)} == set()


def test_every_text_of_the_scripts_is_given_to_the_page_in_french(french):
    from webapp.views.words import SCRIPT_WORDS

    texts = {
        text
        for path in (REPOSITORY / "frontend/src").rglob("*.ts")
        if not path.name.endswith(".test.ts")
        for text in _SCRIPT.findall(path.read_text(encoding="utf-8"))
    }
    assert len(texts) > 30
    assert texts - set(SCRIPT_WORDS) == set()
    assert {text for text in SCRIPT_WORDS if not french.get(text)} == set()


def test_the_compiled_words_are_those_of_the_source(french):
    source = (REPOSITORY / "webapp/locale/fr/LC_MESSAGES/django.po").read_text(encoding="utf-8")
    plain = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', source, re.MULTILINE)
    assert len(plain) > 100
    for text, word in plain:
        assert french[text] == word


def test_values_stay_in_the_french_words(french):
    for key, word in french.items():
        text = key[0] if isinstance(key, tuple) else key
        if text:
            assert set(re.findall(r"%\(\w+\)s", word)) == set(re.findall(r"%\(\w+\)s", text)), text
