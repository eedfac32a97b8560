"""An S3 server of the tests' own, that can be told to fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from catalog import bucket
from webapp.settings.env import Media

BUCKET = "shop"


@dataclass
class S3:
    """asked: (method, key) of each request; refuses: whether one is answered with 503; cut: only half of what is
    read is sent."""

    app: Any
    server: BaseWSGIServer | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    refuses: Callable[[str, str], bool] = lambda method, key: False
    cut: bool = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        key = environ["PATH_INFO"].removeprefix(f"/{BUCKET}").strip("/")
        self.asked.append((method, key))
        if self.refuses(method, key):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Length", "0")])
            return []
        body = b"".join(self.app(environ, start_response))
        return [body[: len(body) // 2]] if self.cut and method == "GET" and key else [body]

    @property
    def url(self) -> str:
        assert self.server
        return f"http://127.0.0.1:{self.server.server_port}"

    def go(self) -> None:
        """Away, until `come`."""
        self.refuses = lambda method, key: True

    def come(self) -> None:
        self.refuses, self.cut = lambda method, key: False, False

    def keys(self, folder: str) -> set[str]:
        return {entry.key for entry in bucket.entries(folder)}


class _Quiet(WSGIRequestHandler):
    def log(self, *args: Any) -> None:
        """Nothing of every request."""


@pytest.fixture(scope="session")
def _server() -> Iterator[S3]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    made = S3(DomainDispatcherApplication(create_backend_app))
    made.server = make_server("127.0.0.1", 0, made, threaded=True, request_handler=_Quiet)
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()


@pytest.fixture
def s3(_server: S3, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """With an empty bucket, which the settings name; requests are tried once."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("_PATIENT", "_HASTY"):
        monkeypatch.setattr(bucket, name, bucket._Patience(60.0, 60.0, 1))
    there = settings.SHAPELENS_MEDIA = Media(BUCKET, "main", _server.url, "us-east-1")
    _server.come()
    client = bucket._client()
    client.create_bucket(Bucket=BUCKET)
    _server.asked.clear()
    yield _server
    _server.come()
    settings.SHAPELENS_MEDIA = there
    bucket.delete(
        [
            entry.key
            for root in ("assets", "icons", "index", "photos", "uploads")
            for entry in bucket.entries(root)
        ]
    )
    client.delete_bucket(Bucket=BUCKET)
