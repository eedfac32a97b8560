"""Who may do what, that destructive actions ask, and that changes are logged."""

from __future__ import annotations

import json

import pytest
from auditlog.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.groups import GROUPS
from catalog.models import (
    ActiveGeneration,
    ApiToken,
    Catalog,
    CutOff,
    DeadLetter,
    ImportRun,
    IndexGeneration,
    Product,
    Search,
    Verdict,
)
from catalog.services import reviewing, searching, tokens, tuning
from tests.catalog.admin.making import make_generation, make_products, make_search, make_user

pytestmark = pytest.mark.django_db

REVIEW = "admin:catalog_verdict_review"
QUALITY = "admin:catalog_verdict_quality_data"
TUNE = "admin:catalog_cutoff_tune"
NEW_IMPORT = "admin:catalog_importrun_add"
BUILD = "admin:catalog_indexgeneration_build"
ROLL_BACK = "admin:catalog_indexgeneration_rollback"
COMPARE = "admin:catalog_comparison_add"
PHOTOS = "admin:catalog_photo_changelist"
CHANGES = "admin:auditlog_logentry_changelist"


def _signed_in(group: str) -> Client:
    client = Client()
    client.force_login(make_user(group))
    return client


def test_the_migration_makes_the_groups() -> None:
    assert set(Group.objects.values_list("name", flat=True)) >= set(GROUPS)
    for name, allowed in GROUPS.items():
        rows = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in rows} == set(allowed)


@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        ("", set()),
        ("read-only", {QUALITY, TUNE, PHOTOS, CHANGES}),
        ("catalog admins", {QUALITY, TUNE, PHOTOS, CHANGES, NEW_IMPORT, BUILD, ROLL_BACK}),
        ("quality staff", {QUALITY, TUNE, PHOTOS, CHANGES, REVIEW, COMPARE}),
    ],
)
def test_each_group_opens_its_pages_and_no_others(group: str, allowed: set[str]) -> None:
    for generation in (make_generation(), make_generation()):
        ActiveGeneration.objects.update_or_create(pk=1, defaults={"generation": generation})
    client = _signed_in(group)
    every = {REVIEW, QUALITY, TUNE, NEW_IMPORT, BUILD, ROLL_BACK, COMPARE, PHOTOS, CHANGES}
    opened = {name for name in every if client.get(reverse(name)).status_code == 200}
    assert opened == allowed


@pytest.mark.parametrize("group", [*GROUPS, ""])
def test_the_sidebar_leads_only_to_pages_that_open(group: str) -> None:
    for generation in (make_generation(), make_generation()):
        ActiveGeneration.objects.update_or_create(pk=1, defaults={"generation": generation})
    client = _signed_in(group)
    side = client.get(reverse("admin:index")).context["sidebar_navigation"]
    shown = {item["title"]: item["link"] for part in side for item in part["items"] if item["has_permission"]}
    assert {client.get(str(link)).status_code for link in shown.values()} <= {200}
    everybody = {"Products", "Plots", "Failed work", "Workers", "Changes"}
    assert everybody <= set(shown) if group else not shown
    assert ("API tokens" in shown) == (group == "catalog admins")
    assert ("Review searches" in shown) == (group == "quality staff")
    assert "Users" not in shown


def test_failed_work_is_seen_by_all_and_run_again_by_catalog_admins_alone() -> None:
    address = reverse("admin:catalog_deadletter_changelist")
    for group in ("read-only", "quality staff", "catalog admins"):
        run = ImportRun.objects.create(
            catalog=Catalog.objects.create(name=group), source="/x", state="failed"
        )
        letter = DeadLetter.objects.create(task="catalog.tasks.run_import", row=run.pk, reason="it died")
        client = _signed_in(group)
        assert "it died" in client.get(address).content.decode()
        client.post(address, {"action": "run_again", "_selected_action": [letter.pk]})
        letter.refresh_from_db()
        run.refresh_from_db()
        is_allowed = group == "catalog admins"
        assert bool(letter.rerun_at) == is_allowed
        assert run.state == ("queued" if is_allowed else "failed")
    entry = LogEntry.objects.get_for_object(letter).first()
    assert entry.changes["rerun_by"] == ["", letter.rerun_by]


def test_an_admin_has_keys_of_their_own_and_a_superuser_everybodys(admin_client: Client) -> None:
    boss = get_user_model().objects.get(username="admin")
    of_boss, _ = tokens.issue(boss, "the boss's")
    client, address = _signed_in("catalog admins"), reverse("admin:catalog_apitoken_changelist")
    add = reverse("admin:catalog_apitoken_add")
    made = client.post(add, {"name": "feed", "scope": "manage", "user": boss.pk}, follow=True)
    token = ApiToken.objects.get(name="feed")
    assert token.user.groups.get().name == "catalog admins"  # whoever was written into the form
    assert "The key, shown this once: sl_" in made.content.decode()
    assert "the boss" not in client.get(address).content.decode()
    said = {"action": "revoke", "_selected_action": [token.pk, of_boss.pk]}
    assert "Revoke these keys?" in client.post(address, said).content.decode()
    client.post(address, {**said, "confirmed": "yes"})
    revoked = dict(ApiToken.objects.values_list("name", "revoked_at"))
    assert revoked["feed"]
    assert revoked["the boss's"] is None
    changes = [entry.changes for entry in LogEntry.objects.get_for_object(token)]
    assert "revoked_at" in changes[0]
    assert not any("digest" in change for change in changes)
    assert admin_client.get(address).content.decode().count("sl_") == 2
    for group in ("read-only", "quality staff", ""):
        assert _signed_in(group).get(address).status_code == 403


def test_nobody_outside_the_groups_sees_a_shoppers_photo() -> None:
    search = make_search(make_products(1))
    address = f"/photos/{search.photos.get().photo.uuid}.jpg"
    pages = [
        reverse("admin:catalog_search_changelist"),
        reverse("admin:catalog_search_change", args=[search.pk]),
        reverse("admin:catalog_photo_changelist"),
        reverse("admin:catalog_verdict_next"),
        reverse(QUALITY),
    ]
    outside, inside = _signed_in(""), _signed_in("quality staff")
    seen = [address in inside.get(page).content.decode().replace("\\u002D", "-") for page in pages]
    assert all(seen[:4])
    for page in pages:
        answer = outside.get(page)
        assert answer.status_code == 403
        assert address not in answer.content.decode()


def test_reading_only_can_change_nothing() -> None:
    client, product = _signed_in("read-only"), make_products(1)[0]
    ActiveGeneration.objects.create(generation=make_generation())
    search = make_search([product])
    client.post(
        reverse("admin:catalog_product_changelist"),
        {"action": "withdraw", "_selected_action": [product.pk], "confirmed": "yes"},
    )
    client.post(reverse("admin:catalog_product_change", args=[product.pk]), {"name": "x"})
    client.post(reverse(TUNE), {"value": "0.3", "reason": "x"})
    client.post(reverse(BUILD), {"confirmed": "yes"})
    record = reverse("admin:catalog_verdict_record", args=[search.pk])
    client.post(record, json.dumps({"label": "right"}), content_type="application/json")
    product.refresh_from_db()
    assert not product.is_withdrawn
    assert product.name != "x"
    assert not CutOff.objects.exists()
    assert not Verdict.objects.exists()
    assert IndexGeneration.objects.count() == 1


@pytest.mark.parametrize("group", ["read-only", "catalog admins"])
def test_who_may_not_judge_looks_at_every_case_the_plots_lead_to(group: str) -> None:
    generation = make_generation()
    ActiveGeneration.objects.create(generation=generation)
    products, judge = make_products(3), make_user("quality staff", name="quinn")
    wrong, unjudged = (make_search(products, score=score, generation=generation) for score in (0.1, -0.3))
    reviewing.record(
        wrong,
        judge,
        reviewing.Judged(label="wrong", product=products[1].pk, note="a stool", true_box=[5, 6, 70, 80]),
    )
    client = _signed_in(group)

    figures = client.get(reverse(QUALITY)).json()
    cut_off = client.get(reverse(TUNE)).context["data"]["points"]
    cases = {row["case"] for row in [*figures["worst_photos"], *cut_off]}
    cases |= {case for row in figures["worst_products"] for case in row["cases"]}
    assert cases == {reverse("admin:catalog_verdict_case", args=[row.pk]) for row in (wrong, unjudged)}
    for case in cases:
        page = client.get(case)
        assert page.status_code == 200
        assert "data-label" not in page.content.decode()

    next_url = reverse("admin:catalog_verdict_next")
    fields = client.get(f"{next_url}?case={wrong.pk}").json()["case"]
    assert fields["said"] == [
        {"label": "wrong", "rank": 2, "reviewer": "quinn", "note": "a stool", "true_box": [5, 6, 70, 80]}
    ]
    assert client.get(next_url).status_code == 403  # taking one from the queue would lock it
    second_judge = _signed_in("quality staff")
    assert second_judge.get(f"{next_url}?case={wrong.pk}").json()["case"]["said"] == []
    assert _signed_in("").get(reverse("admin:catalog_verdict_case", args=[wrong.pk])).status_code == 403


def test_a_search_without_answers_has_no_case_to_open() -> None:
    search = Search.objects.create(state="cancelled", finished_at=timezone.now())
    answer = _signed_in("quality staff").get(reverse("admin:catalog_verdict_case", args=[search.pk]))
    assert answer["Location"] == reverse("admin:catalog_search_change", args=[search.pk])


def test_withdrawing_asks_is_logged_with_its_author_and_is_undone() -> None:
    client, product = _signed_in("catalog admins"), make_products(1)[0]
    said = {"action": "withdraw", "_selected_action": [product.pk]}
    address = reverse("admin:catalog_product_changelist")
    asked = client.post(address, said)
    assert "Withdraw these products?" in asked.content.decode()
    assert not Product.objects.get().is_withdrawn
    client.post(address, {**said, "confirmed": "yes"})
    assert Product.objects.get().is_withdrawn
    entry = LogEntry.objects.get_for_object(product).first()
    assert entry.changes["is_withdrawn"] == ["False", "True"]
    assert entry.actor.groups.get().name == "catalog admins"
    client.post(address, {"action": "restore", "_selected_action": [product.pk]})
    assert not Product.objects.get().is_withdrawn


def test_products_and_catalogs_are_never_deleted_by_hand(admin_client: Client) -> None:
    product = make_products(1)[0]
    for name, pk in (("product", product.pk), ("catalog", product.catalog_id)):
        answer = admin_client.post(reverse(f"admin:catalog_{name}_delete", args=[pk]), {"post": "yes"})
        assert answer.status_code == 403
    assert Product.objects.exists()


def test_looking_at_the_build_page_builds_nothing_and_its_button_does(
    django_capture_on_commit_callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog import tasks

    sent: list[object] = []
    monkeypatch.setattr(tasks.run_build, "apply_async", lambda args, **_: sent.append(args))
    client = _signed_in("catalog admins")
    assert "Build a new index?" in client.get(reverse(BUILD)).content.decode()
    assert not IndexGeneration.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(reverse(BUILD), {"confirmed": "yes"}).status_code == 302
    assert sent == [(IndexGeneration.objects.get(status="queued").pk,)]


def test_rolling_back_asks_and_goes_to_the_one_before(
    django_capture_on_commit_callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog import tasks

    sent: list[object] = []
    monkeypatch.setattr(tasks.activate_generation, "apply_async", lambda args, **_: sent.append(args))
    before, now = make_generation(), make_generation()
    ActiveGeneration.objects.create(generation=now)
    client = _signed_in("catalog admins")
    assert f"Roll back to {before}?" in client.get(reverse(ROLL_BACK)).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse(ROLL_BACK), {"confirmed": "yes"})
    assert sent == [(before.pk,)]


def test_a_case_is_taken_judged_and_taken_back_over_http() -> None:
    products = make_products(3)
    first, second = make_search(products, score=-0.2), make_search(products, score=0.1)
    client = _signed_in("quality staff")
    reply = client.get(reverse("admin:catalog_verdict_next")).json()
    assert reply["case"]["id"] == first.pk
    assert reply["left"] == 2
    assert [answer["rank"] for answer in reply["case"]["results"]] == [1, 2, 3]

    said = json.dumps({"label": "similar", "rank": 2, "seconds": 1.5})
    reply = client.post(reply["case"]["record_url"], said, content_type="application/json").json()
    assert reply["case"]["id"] == second.pk
    verdict = Verdict.objects.get()
    assert (verdict.label, verdict.rank, verdict.product, verdict.seconds) == ("similar", 2, products[1], 1.5)

    record = reverse("admin:catalog_verdict_record", args=[second.pk])
    for body in ({"label": "great"}, {"label": "right", "true_box": [1, 2]}, {"label": "right", "rank": "x"}):
        answer = client.post(record, json.dumps(body), content_type="application/json")
        assert answer.status_code == 409
        assert answer.json()["problem"]
    assert client.get(record).status_code == 405
    assert client.post(reverse("admin:catalog_verdict_undo")).json()["case"]["id"] == first.pk
    assert not Verdict.objects.exists()


def test_the_figures_are_those_of_the_verdicts() -> None:
    chairs, tables = make_products(6, "Chairs"), make_products(6, "Tables")
    user = make_user()
    said = [("right", 1, chairs), ("right", 1, chairs), ("right", 2, chairs), ("similar", 1, chairs),
            ("absent", None, tables), ("wrong", None, tables)]  # fmt: skip
    for label, rank, products in said:
        reviewing.record(make_search(products), user, reviewing.Judged(label=label, rank=rank))
    no_match = make_search(chairs, score=-0.9)
    Search.objects.filter(pk=no_match.pk).update(is_no_match=True)

    figures = _signed_in("read-only").get(reverse(QUALITY)).json()

    assert (figures["searches"], figures["judged"]) == (7, 6)
    top = {row["k"]: row for row in figures["top"]}
    assert (top[1]["right"]["hits"], top[1]["right"]["n"]) == (2, 5)
    assert (top[3]["right"]["hits"], top[3]["alike"]["hits"]) == (3, 4)
    assert top[1]["right"]["low"] < 0.4 < top[1]["right"]["high"]
    assert figures["by_category"][0]["name"] == "Chairs"
    assert figures["days"][0]["zero"]["hits"] == 1
    assert sum(figures["silhouette"]) == 7
    assert figures["confusion"]["cells"] == [[0, 0, 3]]
    passed_over = [row for row in figures["worst_products"] if row["what"] == "passed over"]
    assert [row["name"] for row in passed_over] == [chairs[1].name]
    assert len(figures["worst_photos"]) == 2


def test_wilsons_interval_is_scipys() -> None:
    from scipy.stats import binomtest

    from catalog.quality import wilson

    for hits, n in ((0, 5), (3, 7), (40, 41)):
        expected = binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits, n) == pytest.approx((expected.low, expected.high))
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_cut_off_is_applied_with_a_reason_and_undone() -> None:
    generation = make_generation(threshold=-0.5)
    ActiveGeneration.objects.create(generation=generation)
    client = _signed_in("quality staff")
    client.post(reverse(TUNE), {"value": "-0.2", "reason": " "})
    client.post(reverse(TUNE), {"value": "much", "reason": "because"})
    assert not CutOff.objects.exists()
    client.post(reverse(TUNE), {"value": "-0.2", "reason": "fewer strangers"})
    assert tuning.current(generation).value == -0.2
    assert "fewer strangers" in client.get(reverse(TUNE)).content.decode()

    class Answer:
        no_match, best = False, -0.3

    assert searching._is_no_match(generation, Answer()) is True
    client.post(reverse(TUNE), {"undo": "1"})
    assert tuning.current(generation) is None
    assert searching._is_no_match(generation, Answer()) is False


@pytest.mark.parametrize(
    "name", [REVIEW, QUALITY, TUNE, "admin:catalog_verdict_next", "admin:catalog_verdict_changelist"]
)
def test_pages_ask_the_database_a_constant_number_of_times(name: str) -> None:
    generation = make_generation()
    ActiveGeneration.objects.create(generation=generation)
    client, user = _signed_in("quality staff"), make_user()
    counts = []
    for size in (4, 12):
        for _ in range(size):
            search = make_search(make_products(3), generation=generation)
            reviewing.record(search, user, reviewing.Judged(label="right"))
        client.get(reverse(name))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(name)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_signing_in_at_the_login_page_leads_to_the_admin(client: Client) -> None:
    make_user("read-only", name="rita")
    said = {"username": "rita", "password": "x", "next": ""}
    assert client.post(reverse("admin:login"), said)["Location"] == reverse("admin:index")
