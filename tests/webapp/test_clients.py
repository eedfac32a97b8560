"""What programs need of the API: the same question asked once, boxes for several photos, a call back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import requests

from tests.conftest import Site, draw_photo


def _submit(
    site: Site, *photos: bytes, headers: dict[str, str] | None = None, **fields: Any
) -> requests.Response:
    files = [("photo", (f"{number}.jpg", photo)) for number, photo in enumerate(photos)]
    return requests.post(f"{site.url}/api/v1/searches", files=files, data=fields, headers=headers, timeout=60)


@dataclass
class Listener:
    """A client's server: keeps what it is told, refuses the first so many times."""

    refusals: int = 0
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: int = 0
    url: str = ""


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.asked += 1
            if listener.asked <= listener.refusals:
                self.send_response(500)
            else:
                listener.told.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.url = f"http://127.0.0.1:{server.server_address[1]}/told?shop=1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield listener
    server.shutdown()
    server.server_close()


def test_the_same_key_and_question_is_one_search(running: Site, photo: bytes) -> None:
    key = {"Idempotency-Key": "order-17"}
    first = _submit(running, photo, headers=key)
    again = _submit(running, photo, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]

    other = _submit(running, photo, headers=key, tau="0.5")
    assert other.status_code == 409
    assert other.json()["type"] == "conflict"
    assert "use a new key" in other.json()["detail"]


def test_the_same_key_at_once_is_one_search(running: Site, photo: bytes) -> None:
    found: list[str] = []

    def ask() -> None:
        found.append(_submit(running, photo, headers={"Idempotency-Key": "at once"}).json()["id"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_each_photo_has_its_box(running: Site, photo: bytes) -> None:
    other = draw_photo("wing-armchair", azimuth=-0.5)
    answered = _submit(running, photo, other, box=["90,40,390,320", "110,50,400,310"])
    search = running.answer(answered.json())
    assert search["state"] == "done", search["error"]
    asked = [photo["asked_box"] or photo["box"] for photo in search["photos"]]  # one may be drawn anew
    assert asked == [[90, 40, 390, 320], [110, 50, 400, 310]]
    assert {photo["box_source"] for photo in search["photos"]} == {"shopper"}

    many = _submit(running, photo, box=["full", "full"])
    assert many.status_code == 422
    assert "2 boxes for 1 photos" in many.json()["detail"]


def test_the_angles_between_photos_are_kept_and_can_be_said_later(running: Site, photo: bytes) -> None:
    side = draw_photo("wing-armchair", azimuth=0.45 + np.radians(60))
    search = running.answer(_submit(running, photo, side, turn=["0", "60"]).json())
    assert search["state"] == "done", search["error"]
    assert [one["turn_deg"] for one in search["photos"]] == [0, 60]
    assert search["results"][0]["product"]["name"] == "Thistle wing armchair"

    address = f"{running.url}/api/v1/searches/{search['id']}/turns"
    later = requests.post(address, json={"turns_deg": [0, None]}, timeout=60)
    assert later.status_code == 202
    again = running.answer(later.json())
    assert [one["turn_deg"] for one in again["photos"]] == [0, None]
    assert [one["box"] for one in again["photos"]] == [one["box"] for one in search["photos"]]

    for fields, why in (
        ({"turn": ["0", "90", "180"]}, "3 turns for 2 photos"),
        ({"turn": ["0", "a quarter"]}, "not a number of degrees"),
        ({"turn": ["0", "nan"]}, "not a number of degrees"),
    ):
        refused = _submit(running, photo, side, **fields)
        assert refused.status_code == 422
        assert why in refused.json()["detail"]
    assert requests.post(address, json={"turns_deg": [0, 1, 2]}, timeout=60).status_code == 422
    assert requests.post(address, json={"turns_deg": [0, 1e9]}, timeout=60).status_code == 422


def test_a_client_is_called_back_signed_and_again_after_a_refusal(
    site: Site, photo: bytes, listener: Listener
) -> None:
    listener.refusals = 1
    site.start_web()
    site.start_worker("search")
    site.start_worker("housekeeping", "--beat")
    submitted = _submit(site, photo, callback_url=listener.url).json()

    site.until(lambda: listener.told, "the call back")

    headers, body = listener.told[0]
    message = json.loads(body)
    assert message["type"] == "search.done"
    assert message["data"]["id"] == submitted["id"]
    assert message["data"]["results"][0]["product"]["name"] == "Thistle wing armchair"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(submitted["callback_secret"].removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    site.until(
        lambda: site.rows("select state from catalog_callback") == [("delivered",)], "the callback's row"
    )
    assert listener.asked == 2


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://example.org/x", "file:///etc/passwd"]
)
def test_nobody_is_told_that_nobody_allowed(running: Site, photo: bytes, url: str) -> None:
    answered = _submit(running, photo, callback_url=url)
    assert answered.status_code == 422
    assert answered.json()["type"] == "not_possible"
