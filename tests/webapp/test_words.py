"""Every word of the shopper's page is there in French, compiled, also on a machine without gettext."""

from __future__ import annotations

import gettext
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.translation import override
from PIL import Image

from catalog.saying import failure_text
from tests.conftest import REPOSITORY

_TAG = re.compile(r"""{%\s*(?:translate|trans)\s+"([^"]+)\"""")
_PYTHON = re.compile(r"""\b(?:gettext|_)\(\s*"((?:[^"\\]|\\.)*)\"\s*\)""")
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


def test_every_sentence_the_server_says_to_a_shopper_is_in_french(french):
    said: dict[str, set[str]] = {}  # by file name: there are a view and a service called media.py
    for folder in ("webapp", "catalog"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            if "admin" not in path.parts:
                found = _PYTHON.findall(path.read_text(encoding="utf-8"))
                said[path.name] = said.get(path.name, set()) | set(found)
    assert len(set().union(*said.values())) > 90
    for name in (
        "uploads.py",
        "routes.py",
        "problems.py",
        "media.py",
        "photos.py",
        "searching.py",
        "saying.py",
    ):
        assert said[name], name
    assert {text for texts in said.values() for text in texts if not french.get(text)} == set()


def png(side: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side, side)).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("vide.jpg", b"", "est vide"),
        ("notes.jpg", b"only text", "n’est pas une photo"),
        ("point.png", png(8), "au moins 16"),
    ],
)
def test_a_refused_photo_is_refused_in_the_language_asked_for(name, data, words):
    sent = {"photo": SimpleUploadedFile(name, data, "image/jpeg")}
    answer = Client().post("/api/v1/searches", sent, headers={"Accept-Language": "fr-FR,fr;q=0.9"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(name)
    assert words in answer.json()["detail"]
    assert answer.headers["Content-Language"] == "fr"


def test_other_refusals_are_in_french_too():
    french = {"headers": {"Accept-Language": "fr"}}
    nothing = Client().post("/api/v1/searches", {}, **french)
    assert "aucune photo" in nothing.json()["detail"]
    assert "n’est pas valable" in Client().post("/api/v1/searches", {"tau": "x"}, **french).json()["detail"]
    assert "il n’y a rien" in Client().get("/api/v1/nothing", **french).json()["detail"]
    long = Client().post("/api/v1/searches", b"", "image/jpeg", CONTENT_LENGTH=str(2**40), **french)
    assert (long.status_code, "Mo" in long.json()["detail"]) == (413, True)
    assert "no photo was sent" in Client().post("/api/v1/searches", {}).json()["detail"]


def test_the_page_of_a_fault_is_in_french_and_needs_nothing_else(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a test broke it")

    monkeypatch.setattr("webapp.views.pages.selectors.sample_list", broken)
    client = Client(raise_request_exception=False)
    answer = client.get("/", headers={"Accept-Language": "fr"})
    assert answer.status_code == 500
    page = answer.content.decode()
    assert '<html lang="fr">' in page
    assert "photos déjà envoyées sont gardées" in page
    assert "photos already sent are kept" in client.get("/").content.decode()


def test_what_a_worker_wrote_is_said_in_french():
    known = "the search took too long and was stopped; try again with a smaller box"
    told = "the photo is damaged or incomplete (truncated file); save or send it again"
    assert failure_text("bad_photo", told) == told
    with override("fr"):
        assert failure_text("too_slow", known).startswith("la recherche a duré trop longtemps")
        assert failure_text("bad_photo", told).startswith("la photo ne peut pas être ouverte")
        assert failure_text("worker_died", "its worker died").startswith("quelque chose s’est mal passé")
        assert failure_text("", "") == ""


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
