"""Prices, stock and links from a table: looked at, applied, logged, undone, on the admin's pages."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.models import Feed, Product
from tests.catalog.admin.making import make_products, make_user

pytestmark = pytest.mark.django_db

ADD = "admin:catalog_feed_add"


@pytest.fixture(autouse=True)
def _data(settings, tmp_path) -> None:
    settings.SHAPELENS_DATA = tmp_path


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(make_user("catalog admins", name="cat"))
    return signed_in


def _send(client: Client, products: list[Product], text: str, name: str = "prices.csv") -> str:
    """Address of what is shown, or the page with what was wrong."""
    file = SimpleUploadedFile(name, text.encode())
    answer = client.post(reverse(ADD), {"catalog": products[0].catalog_id, "file": file})
    return answer["Location"] if answer.status_code == 302 else answer.content.decode()


def _do(client: Client, what: str) -> str:
    address = reverse(f"admin:catalog_feed_{what}", args=[Feed.objects.get().pk])
    return client.post(address, {"confirmed": "yes"}, follow=True).content.decode()


def test_a_table_is_shown_as_what_it_changes_applied_logged_and_undone(client: Client) -> None:
    first, second, third = products = make_products(3)
    Product.objects.filter(pk=first.pk).update(price="10", currency="EUR", stock=4)
    table = (
        "key;price;stock;link;unit;colour\n"
        f"{first.key};12,50;4;https://shop.example/1;;red\n"
        f"{second.key};free;7;javascript:alert(1);mm;\n"
        f"{third.key};;;;;\n"
        "nobody;1;1;;;\n"
        f"{first.key};99;;;;\n"
    )
    address = _send(client, products, table)
    page = client.get(address).content.decode()
    for said in ("Nothing has changed yet", "10.00", "12.50", "https://shop.example/1", "nobody", "prices.csv: unknown columns left out: colour",
                 "is no price", "is no link", "unit would change the model", "row 5 is about"):  # fmt: skip
        assert said in page
    assert Product.objects.get(pk=first.pk).price == 10
    feed = Feed.objects.get()
    assert (feed.rows, feed.unchanged, feed.unknown) == (5, 1, [[4, "nobody"]])
    changes = {change.product_id: (change.before, change.after) for change in feed.changes.all()}
    link = {"link": "https://shop.example/1"}
    assert changes == {
        first.pk: ({"price": "10.00", "link": ""}, {"price": "12.50", **link}),
        second.pk: ({"stock": None}, {"stock": 7}),
    }

    assert "2 products changed" in _do(client, "apply")
    for product in products:
        product.refresh_from_db()
    assert (first.price, first.link, first.stock) == (Decimal("12.50"), link["link"], 4)
    assert (second.price, second.stock, second.link) == (None, 7, "")
    entry = LogEntry.objects.get_for_object(first).first()
    assert entry.changes["price"] == ["10.00", "12.50"]
    assert entry.actor.username == "cat"
    assert "not looked at any more" not in _do(client, "undo")

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.price, first.link) == (10, "")
    assert second.stock is None
    assert LogEntry.objects.get_for_object(first).first().changes["price"] == ["12.50", "10.00"]
    states = [entry.changes["state"] for entry in LogEntry.objects.get_for_object(feed)][:2]
    assert states == [["applied", "undone"], ["found", "applied"]]


def test_undoing_asks_and_nothing_happens_twice(client: Client) -> None:
    products = make_products(1)
    _send(client, products, f"key,stock\n{products[0].key},3\n")
    _do(client, "apply")
    Product.objects.update(stock=9)
    assert "is not looked at any more" in _do(client, "apply")
    undo = reverse("admin:catalog_feed_undo", args=[Feed.objects.get().pk])
    assert "Undo prices.csv for shop?" in client.get(undo).content.decode()
    assert Feed.objects.get().state == "applied"
    assert Product.objects.get().stock == 9


def test_what_was_changed_meanwhile_is_left_alone_and_named(client: Client) -> None:
    first, second = products = make_products(2)
    _send(client, products, f"key,stock,price\n{first.key},3,8\n{second.key},3,8\n")
    Product.objects.filter(pk=first.pk).update(stock=1)
    page = _do(client, "apply")
    assert f"{first.key}: stock changed meanwhile" in page
    Product.objects.filter(pk=second.pk).update(price=2)
    page = _do(client, "undo")
    assert f"{second.key}: price changed meanwhile" in page
    rows = Product.objects.order_by("pk").values_list("stock", "price")
    assert list(rows) == [(1, None), (None, Decimal(2))]


def test_a_json_table_comes_too_and_what_is_no_table_is_refused_with_the_reason(client: Client) -> None:
    products = make_products(1)
    rows = json.dumps([{"id": products[0].key, "quantity": 5}])
    assert "/feed/" in _send(client, products, rows, "prices.json")
    assert Feed.objects.get().changes.get().after == {"stock": 5}
    for text, name, reason in (
        ("a,b\n1,2\n", "odd.csv", "has no column known here"),
        ("{", "odd.json", "is not valid JSON"),
        ("\0\0", "odd.csv", "is not text"),
    ):
        assert reason in _send(client, products, text, name)
    assert Feed.objects.count() == 1


def test_only_catalog_admins_send_apply_and_undo(client: Client) -> None:
    products = make_products(1)
    address = _send(client, products, f"key,stock\n{products[0].key},3\n")
    for group in ("read-only", "quality staff", ""):
        other = Client()
        other.force_login(make_user(group))
        assert other.get(address).status_code == (200 if group else 403)
        assert "Change these products" not in other.get(address).content.decode()
        pages = [reverse(ADD), *(address.replace("change", what) for what in ("apply", "undo"))]
        assert [other.post(page, {"confirmed": "yes"}).status_code for page in pages] == [403, 403, 403]
    assert Product.objects.get().stock is None


def test_a_table_of_many_products_takes_a_constant_number_of_queries(client: Client) -> None:
    counts = []
    for size in (3, 30):
        Feed.objects.all().delete()
        products = make_products(size)
        address = _send(client, products, "key,stock\n" + "".join(f"{one.key},3\n" for one in products))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
            _do(client, "apply")
        counts.append(len(queries))
    assert counts[0] == counts[1]
