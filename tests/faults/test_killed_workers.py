"""Workers killed with SIGKILL in the middle of their work: nothing is lost, nothing half-made is served."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.conftest import Site, draw_photo


def _kill(worker: subprocess.Popen[bytes]) -> None:
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def test_a_search_whose_worker_is_killed_still_finishes(site: Site) -> None:
    site.start_web()
    site.start_worker("housekeeping", "--beat", "--schedule", str(site.data / "beat"))
    worker = site.start_worker("search")
    # a photo of 40 megapixels takes its time to decode
    status, submitted = site.post_photo(draw_photo("wing-armchair", 7200, 5400))
    assert status == 202
    site.until(
        lambda: site.rows("SELECT 1 FROM catalog_search WHERE state IN ('looking', 'matching')"),
        "the search to begin",
        every=0.01,
    )
    _kill(worker)
    [(state,)] = site.rows("SELECT state FROM catalog_search")
    assert state not in {"done", "failed"}

    site.start_worker("search")
    search = site.answer(submitted)

    assert search["state"] == "done", search["error"]
    assert search["results"][0]["product"]["name"] == "Thistle wing armchair"
    [(attempts, owner)] = site.rows("SELECT attempts, lease_owner FROM catalog_search")
    assert attempts == 2
    assert owner == ""


def test_an_index_build_that_is_killed_leaves_the_old_one_serving_and_is_built_anew(
    site: Site, photo: bytes
) -> None:
    site.start_web()
    site.start_worker("search")
    worker = site.start_worker("import,index")
    enqueue = "from catalog.services import indexing; indexing.request_build(is_enqueued=True)"
    site.manage("shell", "--command", enqueue)
    site.until(
        lambda: site.rows("SELECT 1 FROM catalog_indexgeneration WHERE status = 'building'"),
        "the build to begin",
        every=0.01,
    )
    _kill(worker)

    active = site.rows("SELECT generation_id FROM catalog_activegeneration")
    assert active == [(1,)]
    assert site.answer(site.post_photo(photo)[1])["state"] == "done"
    assert "index 1" in site.manage("check_index")

    site.start_worker("import,index")
    site.start_worker("housekeeping", "--beat", "--schedule", str(site.data / "beat"))
    site.until(
        lambda: site.rows("SELECT generation_id FROM catalog_activegeneration") == [(2,)],
        "the build to be done again",
    )
    assert site.rows("SELECT status FROM catalog_indexgeneration WHERE id = 2") == [("ready",)]
    site.manage("check_index")
    assert site.answer(site.post_photo(photo)[1])["results"]


def test_a_search_begun_three_times_in_vain_ends_with_a_reason(site: Site, photo: bytes) -> None:
    site.start_web()
    _, submitted = site.post_photo(photo)
    kill = (
        "from django.db.models import F; from catalog.models import Search; from django.utils import timezone;"
        "Search.objects.update(attempts=3, state='looking', lease_owner='elsewhere/ns/1/x', lease_until=timezone.now())"
    )
    site.manage("shell", "--command", kill)
    site.start_worker("housekeeping", "--beat", "--schedule", str(site.data / "beat"))

    search = site.answer(submitted)

    assert search["state"] == "failed"
    assert "died 3 times" in search["error"]


def test_a_search_never_waits_behind_an_import(site: Site, photo: bytes) -> None:
    site.start_web()
    site.start_worker("search")
    enqueue = (
        "from pathlib import Path; from catalog import jobs; from catalog.services import importing;"
        "jobs.run_import(importing.request_import(Path('docs'), name='never begun'))"
    )
    site.manage("shell", "--command", enqueue)  # nobody takes it
    assert site.answer(site.post_photo(photo)[1])["state"] == "done"
    assert site.rows("SELECT state FROM catalog_importrun WHERE id > 1") == [("queued",)]


def test_an_import_whose_worker_is_killed_while_rendering_loses_and_repeats_nothing(
    site: Site, models: Path
) -> None:
    site.settings["SHAPELENS_VIEWS"] = "36x3"  # another renderer's fingerprint: all is rendered anew, slower
    site.settings["SHAPELENS_JOB_WORKERS"] = "1"
    site.start_worker("housekeeping", "--beat", "--schedule", str(site.data / "beat"))
    worker = site.start_worker("import,index")
    start = (
        "from pathlib import Path; from catalog import jobs; from catalog.services import importing;"
        f"jobs.run_import(importing.request_import(Path({str(models)!r}), name='again'))"
    )
    site.manage("shell", "--no-imports", "-c", start)
    run = "(SELECT max(id) FROM catalog_importrun)"
    site.until(
        lambda: site.rows(f"SELECT 1 FROM catalog_importrun WHERE id = {run} AND processed > 0"),
        "the first model",
        every=0.01,
    )
    _kill(worker)
    [(state, processed)] = site.rows(f"SELECT state, processed FROM catalog_importrun WHERE id = {run}")
    assert state == "running"
    assert processed < 4

    site.start_worker("import,index")

    site.until(
        lambda: site.rows(f"SELECT 1 FROM catalog_importrun WHERE id = {run} AND state = 'done'"),
        "the import",
    )
    items = site.rows(f"SELECT outcome, count(*) FROM catalog_importitem WHERE run_id = {run} GROUP BY 1")
    assert items == [("imported", 4)]
    assert site.rows("SELECT count(*) FROM catalog_product") == [(8,)]  # of both catalogs
    assert not list((site.data / "assets").glob("??/*.tmp-*"))
