"""An answer as a shopper sees it: cut off, widened, filtered, counted, sorted; and what they say of it."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog import selectors, shopping, storage
from catalog.errors import NotPossible
from catalog.models import Asset, Catalog, Feedback, Photo, Product, Search, SearchPhoto, SearchResult
from catalog.services import finding, sharing
from catalog.shopping import Wish

pytestmark = pytest.mark.django_db

# name, category, price, longest side in m, calibrated, likeness of colors
ROWS = [
    ("Oak armchair", "Chairs", 400, 0.9, 0.5, 0.1),
    ("Pine chair", "Chairs", 90, 0.8, 0.1, 0.9),
    ("Oak bench", "Benches", 150, 1.4, -0.1, 0.2),
    ("Stool", "Stools", None, 0.4, -0.2, 0.3),
    ("Sofa", "Sofas", 900, 2.1, -0.4, 0.4),
    ("Wardrobe", "Wardrobes", 700, 2.2, -0.9, 0.0),
]


@pytest.fixture
def search() -> Search:
    shop = Catalog.objects.create(name="shop")
    photo = Photo.objects.create(
        format="JPEG", size_bytes=9, sent_width=40, sent_height=30, width=40, height=30
    )
    made = Search.objects.create(
        state="done", finished_at=timezone.now(), words="oak and glass", words_used=["oak"]
    )
    SearchPhoto.objects.create(search=made, photo=photo, box=[1, 2, 30, 20], box_source="found")
    for rank, (name, category, price, side, calibrated, color) in enumerate(ROWS, start=1):
        asset = Asset.objects.create(
            hash=uuid.uuid4().hex,
            content_hash="c",
            renderer="r",
            status="ready",
            view_count=24,
            extents=[1, 1, 1],
        )
        product = Product.objects.create(
            catalog=shop, key=name, asset=asset, name=name, category=category, price=price,
            width_m=side, height_m=side / 2, depth_m=side / 3,
        )  # fmt: skip
        SearchResult.objects.create(
            search=made, rank=rank, product=product, asset=asset, view_index=0, azimuth_deg=0, elevation_deg=0,
            score=0.5, total=0.9 - 0.05 * rank, calibrated=calibrated, confidence="likely", color=color,
        )  # fmt: skip
    return selectors.search_by_uuid(made.uuid)


def _names(search: Search, **wish: object) -> list[str]:
    return [row.product.name for row in shopping.answer_of(search, Wish(**wish)).results]


def test_show_more_widens_step_by_step_to_everything(search):
    counts = [len(_names(search, more=more)) for more in range(5)]
    assert counts == [4, 5, 6, 6, 6]
    assert shopping.answer_of(search, Wish()).hidden == 2
    assert shopping.answer_of(search, Wish(more=4)).hidden == 0


def test_filters_leave_what_they_say_and_are_counted_with_the_others(search):
    assert _names(search, kind="Chairs") == ["Oak armchair", "Pine chair"]
    assert _names(search, price="100-250") == ["Oak bench"]
    assert _names(search, size="200-300", more=9) == ["Sofa", "Wardrobe"]
    cheap = shopping.answer_of(search, Wish(price="50-100"))
    assert [(facet.value, facet.count) for facet in cheap.kinds] == [("Chairs", 1)]
    assert sum(facet.count for facet in cheap.prices) == 5  # one has no price
    for facet in shopping.answer_of(search, Wish()).sizes:
        assert len(_names(search, size=facet.value, more=9)) == facet.count


@pytest.mark.parametrize("wish", [{"price": "cheap"}, {"size": "-"}, {"price": "1-2-3"}, {"size": "x-5"}])
def test_a_range_that_is_none_filters_nothing(search, wish):
    assert len(_names(search, more=9, **wish)) == len(ROWS)


def test_sorts(search):
    everything = {"more": 9}
    assert _names(search, sort="price", **everything)[:2] == ["Pine chair", "Oak bench"]
    assert _names(search, sort="-price", **everything)[-1] == "Stool"  # without a price: last either way
    assert _names(search, sort="size", **everything)[0] == "Stool"


def test_color_reorders_only_when_it_is_turned_up(search):
    assert _names(search, kind="Chairs") == ["Oak armchair", "Pine chair"]
    assert _names(search, kind="Chairs", color=2) == ["Pine chair", "Oak armchair"]


def test_words_are_used_while_a_product_goes_with_all_of_them(search):
    used, assets = finding.by_words("an OAK chairs with glass doors")
    assert used == ["oak", "chairs"]
    assert assets == frozenset(Product.objects.filter(name="Oak armchair").values_list("asset", flat=True))
    assert finding.by_words("with the") == ([], None)
    assert finding.by_words("zzz") == ([], None)
    assert shopping.answer_of(search, Wish()).unused == ["glass"]


def test_a_verdict_is_kept_once_and_taken_back(search):
    product = search.results.all()[0].product_id
    sharing.verdict(search, product, is_it=True)
    sharing.verdict(search, product, is_it=False)
    assert list(Feedback.objects.values_list("product", "kind")) == [(product, "not_it")]
    sharing.take_back(search, product)
    assert not Feedback.objects.exists()
    with pytest.raises(NotPossible, match="not among the results"):
        sharing.verdict(search, product + 1000, is_it=True)


def test_a_share_ends_when_it_expires(search, client: Client):
    made = sharing.share_result(search, search.results.all()[0].product_id)
    assert len(made.token) >= 32
    address = made.get_absolute_url()
    assert client.get(address).status_code == 200
    made.expires_at = timezone.now() - timedelta(seconds=1)
    made.save()
    assert client.get(address).status_code == 404
    assert client.get(f"{address}photo.jpg").status_code == 404


def test_a_share_tells_neither_the_search_nor_the_photos_key(search, client: Client):
    made = sharing.share_result(search, search.results.all()[0].product_id)
    text = client.get(made.get_absolute_url()).content.decode()
    assert str(search.uuid) not in text
    assert str(Photo.objects.get().uuid) not in text


def test_deleting_takes_every_search_of_the_photo(search):
    other = Search.objects.create(state="queued")
    SearchPhoto.objects.create(search=other, photo=Photo.objects.get())
    sharing.verdict(search, search.results.all()[0].product_id, is_it=True)
    sharing.share_result(search, search.results.all()[0].product_id)
    assert sharing.delete_photos(search) == 1
    assert not Search.objects.exists()
    assert not Photo.objects.exists()
    assert not Feedback.objects.exists()


def test_the_address_may_say_anything(search, client: Client):
    for said in (
        "color=9",
        "more=-1",
        "more=x",
        "sort=;",
        "price=a-b",
        "kind=%00",
        "size=" + "9" * 400 + "-",
    ):
        assert client.get(f"{search.get_absolute_url()}?{said}").status_code == 200, said


@pytest.mark.parametrize(
    ("asked", "asked_box", "said"),
    [
        ("box", [4, 4, 60, 40], [2, 2, 30, 20]),  # sent at twice the size
        ("box", [2, 4, 60, 40], None),
        ("box", [-9, 4, 60, 99], [0, 2, 30, 30]),
        ("find", None, None),
        ("whole", None, None),
    ],
)
def test_a_box_that_was_drawn_anew_says_what_was_asked(search, client: Client, asked, asked_box, said):
    Photo.objects.update(sent_width=80, sent_height=60)
    SearchPhoto.objects.update(box=[1, 2, 30, 20], asked=asked, asked_box=asked_box)
    [photo] = client.get(f"/api/v1/searches/{search.uuid}").json()["photos"]
    assert photo["box"] == [1, 2, 30, 20]
    assert photo["asked_box"] == said
    SearchPhoto.objects.filter(asked="box").update(box=[0, 2, 30, 30], asked_box=[-9, 4, 60, 99])
    [photo] = client.get(f"/api/v1/searches/{search.uuid}").json()["photos"]
    assert photo["asked_box"] is None, "what lies beyond the photo is no other box"


@pytest.mark.parametrize(("best", "is_near"), [(-0.05, True), (-0.3, True), (-0.31, False), (-0.9, False)])
def test_what_is_near_is_called_similar_though_it_is_no_match(
    search, client: Client, best: float, is_near: bool
):
    Search.objects.update(is_no_match=True)
    SearchResult.objects.update(calibrated=-1.0)
    SearchResult.objects.filter(rank=2).update(calibrated=best)
    page = client.get(search.get_absolute_url()).content.decode()
    assert ("Similar shapes" in page) == is_near
    assert ("Nothing in this catalog is clearly it" in page) != is_near
    assert "Add a second photo of it" in page  # what helps is told either way


@pytest.mark.parametrize(
    ("license_text", "status"),
    [
        ("CC0 1.0", 200),
        ("CC-BY 4.0", 200),
        ("CC BY-NC 4.0", 404),
        ("", 404),
        ("All rights reserved, not CC0", 404),
    ],
)
def test_the_original_file_is_given_only_where_its_license_allows(
    search, client: Client, settings, tmp_path, license_text: str, status: int
):
    settings.SHAPELENS_DATA = tmp_path
    row = search.results.all()[0]
    folder = tmp_path / "assets" / row.asset.hash[:2] / row.asset.hash
    folder.mkdir(parents=True)
    (folder / "original.zip").write_bytes(b"zip")
    Product.objects.filter(pk=row.product_id).update(license=license_text)
    assert client.get(selectors.asset_url(row.asset.hash, "original.zip")).status_code == status


def test_a_shared_photo_is_shown_to_who_has_the_key_and_kept_by_nobody(
    search, client: Client, settings, tmp_path
):
    settings.SHAPELENS_DATA = tmp_path
    share = sharing.share_result(search, search.results.all()[0].product_id)
    address = reverse("shared-photo", args=[share.token])
    assert client.get(address).status_code == 404
    storage.write_atomically(storage.photo_picture(search.photos.get().photo.uuid), b"a picture")
    shown = client.get(address)
    assert (shown.getvalue(), shown["Content-Type"]) == (b"a picture", "image/jpeg")
    assert shown["Cache-Control"] == "private, no-store"
    assert client.get(reverse("shared-photo", args=["x" * 20])).status_code == 404
