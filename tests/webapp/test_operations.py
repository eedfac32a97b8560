"""Settings that refuse, health, figures, limits, tokens, request ids, work that is given up."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from catalog import jobs
from catalog.errors import NotPossible
from catalog.models import DeadLetter, Search, WorkerHeartbeat
from catalog.services import deadletters, leases, sweeping, tokens
from tests.conftest import REPOSITORY, Site, settings_for
from webapp.settings import env

PRODUCTION = {
    "SHAPELENS_ENV": "production",
    "SHAPELENS_DEBUG": "false",
    "SECRET_KEY": "q7-Zp2Xw9_" * 6,
    "SHAPELENS_HOSTS": "127.0.0.1",
    "DATABASE_URL": "postgres://shop@127.0.0.1/shop",
    "CELERY_BROKER_URL": "redis://127.0.0.1:6379/8",
}


@pytest.fixture
def counted(settings: Any) -> None:
    """Counts of requests of this test's own."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SHAPELENS_DEBUG": "true"}, "SHAPELENS_DEBUG must be off"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must be set"),
        ({"SHAPELENS_HOSTS": "*"}, "without '\\*'"),
        ({"DATABASE_URL": ""}, "DATABASE_URL must be set"),
        ({"CELERY_BROKER_URL": ""}, "CELERY_BROKER_URL must be set"),
        ({"SHAPELENS_ORIGINS": "http://shop.example"}, "must begin with https://"),
        ({"SHAPELENS_METRICS_TOKEN": "1234"}, "SHAPELENS_METRICS_TOKEN must have"),
        ({"SHAPELENS_SEARCH_RATE": "often"}, "write a number and a time"),
        ({"SHAPELENS_INDEX": "fast"}, "it is one of exact, lists, milvus"),
        ({"SHAPELENS_INDEX": "milvus"}, "needs SHAPELENS_MILVUS_URL, e.g. http://host:19530"),
    ],
)
def test_production_refuses_to_start_insecurely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], said: str
) -> None:
    for name, value in {**PRODUCTION, "SHAPELENS_DATA": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert env.read(REPOSITORY).production
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=said):
        env.read(REPOSITORY)


def test_production_passes_djangos_own_deployment_check(tmp_path: Path) -> None:
    site = Site(tmp_path, settings_for(tmp_path, **PRODUCTION))
    site.manage("check", "--deploy", "--fail-level", "WARNING")


def test_ready_says_what_is_missing_and_a_request_id_goes_through_the_task_to_its_log(
    site: Site, photo: bytes
) -> None:
    site.settings["SHAPELENS_LOG_FORMAT"] = "json"
    site.start_web()
    answer = requests.get(f"{site.url}/health/ready", timeout=30)
    assert answer.status_code == 503
    assert answer.json() == {"database": True, "broker": True, "index": True, "worker": False}

    site.start_worker("search")
    given = "5e0c8ab2f3a94e2d8d5f4a1b2c3d4e5f"
    address = f"{site.url}/api/v1/searches"
    strange = requests.post(address, data={}, headers={"X-Request-ID": "<script>"}, timeout=30)
    assert len(strange.headers["X-Request-ID"]) == 32  # a stranger's text is not taken
    sent = requests.post(address, files={"photo": photo}, headers={"X-Request-ID": given}, timeout=30)
    assert sent.headers["X-Request-ID"] == given
    assert site.answer(sent.json())["state"] == "done"

    site.until(lambda: requests.get(f"{site.url}/health/ready", timeout=30).ok, "the worker's sign of life")
    lines = [line for line in (site.data / "processes.log").read_text().splitlines() if line[:1] == "{"]
    mine = [line for line in map(json.loads, lines) if line["request"] == given]
    assert {line["logger"] for line in mine} >= {"catalog.services.searching", "ml.pipelines.searching"}
    figures = requests.get(f"{site.url}/metrics", timeout=30).text
    assert 'shapelens_workers{queue="search"} 1.0' in figures
    assert 'shapelens_workers{queue="import"} 0.0' in figures
    assert 'shapelens_searches{state="done"} 1.0' in figures
    assert 'shapelens_http_requests_total{method="GET",status="503",view="ready"}' in figures
    [views] = [line for line in figures.splitlines() if line.startswith("shapelens_index_views ")]
    assert float(views.split()[1]) == 4 * 24


@pytest.mark.django_db
@pytest.mark.usefixtures("counted")
def test_too_many_searches_from_an_address_are_refused(client: Client, settings: Any) -> None:
    settings.SHAPELENS_SEARCH_RATE, settings.NINJA_NUM_PROXIES = "2/min", 1

    def send(address: str, **headers: str) -> Any:
        return client.post(
            "/api/v1/searches", {"sample": "no such"}, headers={"X-Forwarded-For": address, **headers}
        )

    assert [send("10.0.0.1").status_code for _ in range(3)] == [422, 422, 429]
    refused = send("10.9.9.9, 10.0.0.1")  # what the client says before our proxy's word changes nothing
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "wait" in refused.json()["detail"]
    assert send("10.0.0.2").status_code == 422
    _, key = tokens.issue(User.objects.create(username="shop"), "shop")
    assert send("10.0.0.1", Authorization=f"Bearer {key}").status_code == 422  # counted by its token
    assert send("10.0.0.1", Authorization="Bearer sl_wrong").status_code == 429


@pytest.mark.django_db
@pytest.mark.usefixtures("counted")
def test_passwords_can_t_be_tried_for_ever(client: Client, settings: Any) -> None:
    settings.SHAPELENS_LOGIN_RATE, settings.SHAPELENS_BASIC_RATE = "3/min", "2/min"
    wrong = {"username": "admin", "password": "wrong"}
    assert [client.post("/admin/login/", wrong).status_code for _ in range(4)] == [200, 200, 200, 429]
    basic = {"Authorization": "Basic YWRtaW46d3Jvbmc="}
    assert [client.get("/api/v1/index", headers=basic).status_code for _ in range(3)] == [401, 401, 429]


@pytest.mark.django_db
def test_figures_are_for_this_machine_or_who_has_the_token(client: Client, settings: Any) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.1").status_code == 404
    settings.SHAPELENS_METRICS_TOKEN = "t" * 40
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": f"Bearer {'u' * 40}"}).status_code == 404
    assert client.get("/metrics", headers={"Authorization": f"Bearer {'t' * 40}"}).status_code == 200


@pytest.mark.django_db
def test_a_token_opens_what_its_scope_and_its_user_may_until_it_ends(client: Client) -> None:
    boss = User.objects.create_superuser("boss")
    guest = User.objects.create_user("guest")
    row, manage = tokens.issue(boss, "deploy", "manage")
    _, read = tokens.issue(boss, "watch", "read")
    _, theirs = tokens.issue(guest, "mine", "manage")
    _, ended = tokens.issue(boss, "old", "manage", timezone.now() - timedelta(seconds=1))

    def call(method: str, path: str, key: str) -> int:
        return client.generic(
            method, f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"}
        ).status_code

    assert call("GET", "/index", read) == 200
    assert call("POST", "/index/builds", read) == 403
    assert call("POST", "/index/builds", manage) == 202
    assert call("GET", "/index", theirs) == 403
    assert call("GET", "/index", ended) == 401
    assert call("GET", "/index", manage[:-1]) == 401
    assert manage not in {row.digest, row.start}
    assert manage.startswith(row.start)
    tokens.revoke(row)
    assert call("GET", "/index", manage) == 401


def test_a_photo_is_not_sent_twice_to_who_has_it(running: Site, photo: bytes) -> None:
    search = running.answer(running.post_photo(photo)[1])
    for address in (search["results"][0]["product"]["glb_url"], search["photos"][0]["url"]):
        first = requests.get(running.url + address, timeout=30)
        again = requests.get(
            running.url + address, headers={"If-None-Match": first.headers["ETag"]}, timeout=30
        )
        assert first.ok
        assert first.content
        assert again.status_code == 304
        assert not again.content
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        other = requests.get(running.url + address, headers={"If-None-Match": '"other"'}, timeout=30)
        assert other.content == first.content


@pytest.mark.django_db
def test_failed_work_is_kept_for_staff_and_run_again_once() -> None:
    past = timezone.now() - timedelta(minutes=1)
    search = Search.objects.create(
        state="looking", attempts=3, lease_owner="elsewhere/ns/1/x", lease_until=past
    )
    sweeping.sweep()
    sweeping.sweep()
    search.refresh_from_db()
    assert (search.state, search.error_code) == ("failed", "worker_died")
    letter = DeadLetter.objects.get()
    assert "died 3 times" in letter.reason

    deadletters.rerun(letter, by="boss")

    search.refresh_from_db()
    assert (search.state, search.attempts, search.error_message, search.finished_at) == (
        "queued",
        0,
        "",
        None,
    )
    with pytest.raises(NotPossible, match="already"):
        deadletters.rerun(letter, by="boss")
    Search.objects.update(state="done", finished_at=timezone.now())
    deadletters.bury("catalog.tasks.run_search", search.pk, "again")
    with pytest.raises(NotPossible, match="done meanwhile"):
        deadletters.rerun(DeadLetter.objects.get(rerun_at=None), by="boss")
    assert DeadLetter.objects.filter(rerun_at=None).count() == 1


@pytest.mark.django_db
def test_a_lease_from_before_the_clock_was_put_back_does_not_hold_a_search_for_hours() -> None:
    hours, seconds = timezone.now() + timedelta(hours=3), timezone.now() + timedelta(seconds=20)
    held = {"state": "looking", "attempts": 1, "lease_owner": "elsewhere/ns/1/x"}
    before = Search.objects.create(lease_until=hours, **held)
    alive = Search.objects.create(lease_until=seconds, **held)
    assert leases.abandoned(Search.objects.all()) == [before.pk]
    assert leases.claim(Search.objects.all(), before.pk, 20) is not None
    assert leases.claim(Search.objects.all(), alive.pk, 20) is None


@pytest.mark.django_db
def test_a_full_queue_says_so_honestly_and_keeps_nothing(
    client: Client, settings: Any, photo: bytes, tmp_path: Path
) -> None:
    settings.SHAPELENS_DATA, settings.SHAPELENS_QUEUE_LIMIT = tmp_path, 3
    Search.objects.bulk_create(Search() for _ in range(3))
    answer = client.post("/api/v1/searches", {"photo": SimpleUploadedFile("photo.jpg", photo)})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "try again" in answer.json()["detail"]
    assert not list(tmp_path.rglob("original"))


@pytest.mark.django_db
def test_as_many_more_may_wait_as_there_are_search_workers(
    client: Client, settings: Any, photo: bytes, tmp_path: Path
) -> None:
    settings.SHAPELENS_DATA, settings.SHAPELENS_QUEUE_LIMIT = tmp_path, 2
    for name, queues in (("search@a", ["search"]), ("search@b", ["search"]), ("jobs@a", ["import"])):
        WorkerHeartbeat.objects.create(
            name=name, queues=queues, started_at=timezone.now(), seen_at=timezone.now()
        )
    Search.objects.bulk_create(Search() for _ in range(3))
    statuses = [
        client.post("/api/v1/searches", {"photo": SimpleUploadedFile("photo.jpg", photo)}).status_code
        for _ in range(2)
    ]
    assert statuses == [202, 503]


@pytest.mark.django_db
def test_an_activation_asked_for_and_lost_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from catalog.models import IndexGeneration

    asked = timezone.now() - timedelta(minutes=1)
    row = IndexGeneration.objects.create(
        status="ready", path="index/1", view_count=1, activation_asked_at=asked
    )
    sent: list[int] = []
    monkeypatch.setattr(jobs, "activate_generation", lambda generation: sent.append(generation.pk))
    sweeping.sweep()
    assert sent == [row.pk]
