"""The review queue: who gets which case, what a verdict keeps, what becomes of it."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from catalog.errors import BadBox, NotPossible
from catalog.models import ReviewLock, Verdict
from catalog.services import reviewing
from catalog.services.reviewing import Judged, QueueFilter
from tests.catalog.admin.making import make_generation, make_products, make_search, make_user

pytestmark = pytest.mark.django_db


def _say(search, user, label="right", **more):
    return reviewing.record(search, user, Judged(label=label, **more))


def test_the_least_sure_search_comes_first_and_is_locked_to_its_reviewer() -> None:
    products = make_products(2)
    sure, unsure = make_search(products, score=0.4), make_search(products, score=-0.3)
    anna, ben = make_user(), make_user()

    assert reviewing.take(anna, QueueFilter()) == unsure
    assert reviewing.take(ben, QueueFilter()) == sure
    assert reviewing.take(make_user(), QueueFilter()) is None
    assert reviewing.take(anna, QueueFilter()) == unsure  # a reload gives the same case

    with pytest.raises(NotPossible, match="another reviewer"):
        _say(sure, anna)
    assert not Verdict.objects.exists()


def test_a_lock_that_has_run_out_is_free_again() -> None:
    search = make_search(make_products(1))
    anna, ben = make_user(), make_user()
    reviewing.take(anna, QueueFilter())
    ReviewLock.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert reviewing.take(ben, QueueFilter()) == search


def test_a_case_is_judged_twice_and_three_times_where_two_differ() -> None:
    search = make_search(make_products(3))
    anna, ben, cleo, dora = (make_user() for _ in range(4))
    _say(search, anna)
    assert reviewing.take(anna, QueueFilter()) is None
    assert reviewing.take(ben, QueueFilter(show="second")) == search
    _say(search, ben, "wrong")
    assert reviewing.take(cleo, QueueFilter()) is None
    assert reviewing.take(cleo, QueueFilter(show="disputed")) == search
    assert reviewing.agreed_labels(Verdict.objects.all()) == {}
    _say(search, cleo, "right")
    assert reviewing.take(dora, QueueFilter(show="disputed")) is None
    assert reviewing.agreed_labels(Verdict.objects.all())[search.pk].label == "right"


def test_filters_and_unknown_queues() -> None:
    generation = make_generation()
    chair = make_search(make_products(1, "Chairs"), generation=generation)
    table = make_search(make_products(1, "Tables"))
    user = make_user()

    def got(**chosen):
        return set(reviewing.queue(user, QueueFilter(**chosen)))

    assert got(category="Chairs") == {chair}
    assert got(generation=generation.pk) == {chair}
    tomorrow = timezone.now().date() + timedelta(days=1)
    assert got(since=tomorrow) == set()
    assert got(until=tomorrow) == {chair, table}
    with pytest.raises(NotPossible, match="no queue"):
        got(show="all")


def test_a_verdict_names_the_answer_that_is_meant_and_the_true_box() -> None:
    products = make_products(3)
    search, user = make_search(products), make_user()
    verdict = _say(search, user, "viewpoint", rank=2, true_azimuth_deg=75.0, true_elevation_deg=10.0)
    assert (verdict.product, verdict.rank, verdict.true_azimuth_deg) == (products[1], 2, 75.0)
    verdict = _say(search, user, "bad_crop", true_box=[-5, 10, 100, 400])  # said again: replaced, clipped
    assert Verdict.objects.get() == verdict
    assert (verdict.product, verdict.rank, verdict.true_box) == (None, None, [0, 10, 100, 300])
    other = make_products(1)[0]
    assert _say(search, user, "wrong", product=other.pk).product == other
    with pytest.raises(NotPossible, match="no answer 9"):
        _say(search, user, "right", rank=9)
    with pytest.raises(NotPossible, match="no verdict"):
        _say(search, user, "great")
    with pytest.raises(BadBox):
        _say(search, user, "bad_crop", true_box=[50, 50, 50, 90])


def test_the_last_verdict_is_taken_back_and_both_are_logged() -> None:
    search, user = make_search(make_products(1)), make_user()
    _say(search, user)
    assert reviewing.undo(user) == search
    assert reviewing.undo(user) is None
    assert reviewing.take(user, QueueFilter()) == search
    actions = LogEntry.objects.get_for_model(Verdict).order_by("pk").values_list("action", flat=True)
    assert list(actions) == [LogEntry.Action.CREATE, LogEntry.Action.DELETE]


def test_kappa_is_cohens() -> None:
    # Cohen's kappa of the textbook table 20, 5 / 10, 15: observed 0.7, by chance 0.5
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert reviewing.cohen_kappa(pairs) == pytest.approx(0.4)
    assert reviewing.cohen_kappa([("a", "a")] * 3) is None
    assert reviewing.cohen_kappa([("a", "b"), ("b", "a")]) == -1


def test_agreement_counts_the_first_two_verdicts_of_a_search() -> None:
    products, users = make_products(2), [make_user() for _ in range(3)]
    for labels in (("right", "right"), ("wrong", "right", "right"), ("absent", "absent"), ("right",)):
        search = make_search(products)
        for user, label in zip(users, labels, strict=False):
            _say(search, user, label)
    found = reviewing.agreement()
    assert found.searches == 3
    assert found.observed == pytest.approx(2 / 3)
    assert found.pairs[("wrong", "right")] == 1


def test_the_export_is_what_evaluate_reads(tmp_path: Path, settings) -> None:
    settings.SHAPELENS_DATA = tmp_path
    from ml.evaluation.queries import read_queries

    products, user = make_products(3), make_user()
    right, wrong, absent = (make_search(products, has_file=True) for _ in range(3))
    _say(right, user, "right", rank=2, true_box=[5, 5, 90, 90])
    _say(wrong, user, "wrong", product=make_products(1)[0].pk)
    _say(absent, user, "absent")
    _say(make_search(products), user, "right")  # its photo was deleted meanwhile

    out = io.BytesIO()
    assert reviewing.export(out) == 3
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "set")

    queries = read_queries(tmp_path / "set" / "queries.jsonl")
    assert all(photo.exists() for query in queries for photo in query.photos)
    by_key = {next(iter(query.relevant or ())): query for query in queries}
    assert by_key[products[1].key].true_boxes[0].as_tuple() == (5, 5, 90, 90)
    assert len(queries) == 2
    assert len(list((tmp_path / "set" / "absent").iterdir())) == 1
    negatives = [json.loads(line) for line in (tmp_path / "set" / "negatives.jsonl").read_text().splitlines()]
    assert {tuple(row["wrong"]) for row in negatives} == {
        (products[0].key,),
        tuple(product.key for product in products),
    }
