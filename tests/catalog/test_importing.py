"""Imports that are looked at first, corrected, paused, and told what vanished."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from catalog import storage
from catalog.models import Asset, Catalog, Correction, ImportItem, ImportRun, Product
from catalog.services import importing, tidying, uploading
from catalog.services.importing import Corrected, ImportOptions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_shop")]


@pytest.fixture
def source(models: Path, tmp_path: Path) -> Path:
    """Two of the models, and one that is damaged."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("wing-armchair", "tall-shelf"):
        (folder / f"{name}.glb").write_bytes((models / f"{name}.glb").read_bytes())
    (folder / "broken.glb").write_bytes(b"glTF no more")
    return folder


def _run(source: Path, **options) -> ImportRun:
    run = importing.request_import(source, options=ImportOptions(**options))
    importing.run_import(run.pk)
    run.refresh_from_db()
    return run


def _outcomes(run: ImportRun) -> dict[str, str]:
    return dict(run.items.values_list("key", "outcome"))


def test_looking_first_changes_nothing_and_confirming_imports(source: Path) -> None:
    run = _run(source, is_preview=True)
    assert run.state == "found"
    assert _outcomes(run) == {"wing-armchair": "found", "tall-shelf": "found", "broken": "failed"}
    assert not Product.objects.exists()
    assert Catalog.objects.get().source == ""
    item = run.items.get(key="wing-armchair")
    assert item.asset.status == "ready"
    assert 0.5 < item.asset.extents[1] < 2

    assert importing.confirm_import(run)
    assert not importing.confirm_import(run)  # pressed twice
    importing.run_import(run.pk)
    run.refresh_from_db()
    assert run.state == "done"
    assert _outcomes(run) == {"wing-armchair": "imported", "tall-shelf": "imported", "broken": "failed"}
    assert Catalog.objects.get().source == str(source)


def test_a_correction_redraws_only_what_it_names_and_is_kept_by_later_imports(source: Path) -> None:
    run = _run(source, is_preview=True)
    before = {item.key: item.asset for item in run.items.exclude(asset=None)}

    importing.correct_found(run, ["tall-shelf"], Corrected(front="+x", category="Shelves"))
    assert run.items.filter(key="wing-armchair").exists()  # not read again
    importing.run_import(run.pk)

    after = {item.key: item.asset for item in run.items.exclude(asset=None)}
    assert after["wing-armchair"] == before["wing-armchair"]
    assert after["tall-shelf"] != before["tall-shelf"]
    width, height, depth = before["tall-shelf"].extents
    assert after["tall-shelf"].extents == pytest.approx([depth, height, width], abs=1e-5)
    importing.confirm_import(run)
    importing.run_import(run.pk)
    again = _run(source)
    assert set(_outcomes(again).values()) == {"unchanged", "failed"}
    assert Product.objects.get(key="tall-shelf").category == "Shelves"


def test_a_product_is_corrected_later_with_no_new_upload_and_keeps_its_id(source: Path) -> None:
    _run(source)
    product = Product.objects.get(key="wing-armchair")
    [run] = importing.correct_products(Product.objects.filter(pk=product.pk), Corrected(up="+z"))
    importing.run_import(run.pk)
    run.refresh_from_db()
    assert _outcomes(run) == {"wing-armchair": "updated"}
    assert run.builds_index
    corrected = Product.objects.get(key="wing-armchair")
    assert corrected.pk == product.pk
    assert corrected.height_m == pytest.approx(product.depth_m, abs=1e-5)
    assert Product.objects.get(key="tall-shelf").asset.frame["up"] is None


def test_what_vanished_is_said_and_withdrawn_only_when_told_to(source: Path) -> None:
    _run(source)
    (source / "tall-shelf.glb").unlink()
    (source / "wing-armchair.glb").write_bytes(b"glTF no more")  # there, if damaged: not vanished

    kept = _run(source)
    assert Product.objects.filter(is_withdrawn=False).count() == 2
    assert any("1 products are not in the source and stay offered" in text for text in kept.warnings)

    told = _run(source, withdraws_missing=True)
    assert _outcomes(told)["tall-shelf"] == "withdrawn"
    assert Product.objects.get(key="tall-shelf").is_withdrawn
    assert not Product.objects.get(key="wing-armchair").is_withdrawn
    assert told.processed == told.total


def test_a_pause_stops_at_the_next_file_and_resuming_goes_on_there(source: Path) -> None:
    run = importing.request_import(source)

    def pause(row: ImportRun, item: ImportItem | None) -> None:
        if item:
            importing.pause_import(row)

    importing.run_import(run.pk, on_progress=pause)
    run.refresh_from_db()
    assert run.state == "paused"
    done = set(_outcomes(run))
    assert len(done) == 1
    importing.run_import(run.pk)  # a message that comes late does nothing
    assert set(_outcomes(run)) == done

    assert importing.resume_import(run)
    importing.run_import(run.pk)
    run.refresh_from_db()
    assert run.state == "done"
    assert len(_outcomes(run)) == run.total == run.processed == 3
    assert run.started_from == 1


def test_an_upload_that_breaks_off_goes_on_where_it_stopped(admin_client: Client, models: Path) -> None:
    data = (models / "wing-armchair.glb").read_bytes()
    begun = admin_client.post(
        reverse("admin:catalog_importrun_uploads"),
        headers={"Upload-Length": str(len(data)), "Upload-Metadata": "filename Li4vYXJtY2hhaXIuZ2xi"},
    )
    assert begun.status_code == 201
    address = begun["Location"]

    def send(offset: int, piece: bytes):
        headers = {"Upload-Offset": str(offset)}
        return admin_client.patch(address, piece, "application/offset+octet-stream", headers=headers)

    assert send(0, data[:1000]).status_code == 204
    assert admin_client.head(address)["Upload-Offset"] == "1000"
    assert send(500, data[500:]).status_code == 409
    upload_id = address.rstrip("/").rsplit("/", 1)[1]
    page = admin_client.post(reverse("admin:catalog_importrun_add"), {"upload": upload_id})
    assert "is not all here yet: 1000 of" in page.content.decode()
    assert send(1000, data[1000:] + b"more").status_code == 400
    here = int(admin_client.head(address)["Upload-Offset"])
    assert send(here, data[here:])["Upload-Offset"] == str(len(data))

    file = uploading.finished_file(upload_id)
    assert file.name == "armchair.glb"  # '../armchair.glb' is only a name
    assert file.read_bytes() == data
    begun = admin_client.post(reverse("admin:catalog_importrun_add"), {"upload": upload_id, "name": "sent"})
    run = ImportRun.objects.get()
    assert begun["Location"] == reverse("admin:catalog_importrun_change", args=[run.pk])
    assert (run.catalog.name, run.is_preview, run.source) == ("sent", True, str(file))
    assert admin_client.head(address.replace(upload_id, "0" * 32)).status_code == 404


def test_the_page_shows_sizes_twins_and_problems_and_the_report_names_every_file(
    admin_client: Client, source: Path
) -> None:
    (source / "copy.glb").write_bytes((source / "tall-shelf.glb").read_bytes())
    (source / "=cmd.txt").write_text("no model")
    run = _run(source, is_preview=True)
    page = admin_client.get(reverse("admin:catalog_importrun_change", args=[run.pk])).content.decode()
    assert "same shape as" in page
    assert "a person of 175 cm" in page
    assert "Problems by kind" in page
    report = b"".join(admin_client.get(reverse("admin:catalog_importrun_report", args=[run.pk]))).decode(
        "utf-8-sig"
    )
    named = {line.split(",")[0] for line in report.splitlines()[1:]}
    assert named == {"wing-armchair", "tall-shelf", "copy", "broken", "'=cmd.txt"}
    asked = admin_client.get(reverse("admin:catalog_importrun_do", args=[run.pk, "cancel"]))
    assert "Cancel the import of" in asked.content.decode()
    run.refresh_from_db()
    assert run.state == "found"
    admin_client.post(reverse("admin:catalog_importrun_do", args=[run.pk, "cancel"]), {"confirmed": "yes"})
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert not Product.objects.exists()
    assert Asset.objects.exists()
    assert not Correction.objects.exists()
    assert (
        json.loads(admin_client.get(reverse("admin:catalog_importrun_progress", args=[run.pk])).content)[
            "total"
        ]
        == 4
    )


def test_a_product_is_drawn_again_under_its_id(source: Path, admin_client: Client) -> None:
    _run(source)
    product = Product.objects.get(key="tall-shelf")
    sheet = storage.asset_directory(product.asset.hash) / "views.jpg"
    sheet.write_bytes(b"damaged")
    said = {"action": "draw_again", "_selected_action": [product.pk]}
    address = reverse("admin:catalog_product_changelist")
    assert "Draw these again?" in admin_client.post(address, said).content.decode()
    admin_client.post(address, {**said, "confirmed": "yes"})
    run = ImportRun.objects.latest("pk")
    importing.run_import(run.pk)
    assert _outcomes(run) == {"tall-shelf": "unchanged"}
    assert Product.objects.get(key="tall-shelf").asset == product.asset
    assert sheet.stat().st_size > 1000
    page = admin_client.get(reverse("admin:catalog_asset_change", args=[product.asset.pk])).content.decode()
    assert "watertight" in page.lower()


def test_uploads_that_were_never_imported_are_removed_after_two_days(tmp_path: Path) -> None:
    old, going_on, used = (uploading.begin("shop.zip", 10) for _ in range(3))
    long_ago = time.time() - tidying.UPLOAD_SECONDS - 60
    folders = {one.id: storage.uploads_root() / one.id for one in (old, going_on, used)}
    uploading.append(used.id, 0, io.BytesIO(b"0123456789"))
    importing.request_import(uploading.finished_file(used.id), name="sent")
    for folder in folders.values():
        for path in (*folder.iterdir(), folder):
            os.utime(path, (long_ago, long_ago))
    uploading.append(going_on.id, 0, io.BytesIO(b"01234"))  # a slow line

    assert tidying.tidy() == 1
    assert {name for name, folder in folders.items() if folder.exists()} == {going_on.id, used.id}
