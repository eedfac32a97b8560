"""What can happen to a search: sent twice, its photo deleted, the network not to be loaded."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Site, draw_photo


def _shell(site: Site, code: str) -> str:
    return site.manage("shell", "--no-imports", "-c", code)


def test_a_search_delivered_three_times_is_answered_once(site: Site, photo: bytes) -> None:
    site.start_web()
    submitted = [site.post_photo(photo)[1] for _ in range(2)]
    _shell(site, "from catalog import tasks; [tasks.run_search.delay(pk) for pk in (1, 2, 2, 1)]")
    site.start_worker("search")
    site.start_worker("search")
    for one in submitted:
        assert site.answer(one)["state"] == "done"
    site.until(lambda: not list((site.data / "broker" / "search").glob("*.msg")), "every message to be taken")
    assert site.rows("SELECT attempts FROM catalog_search") == [(1,), (1,)]
    [(rows, different)] = site.rows(
        "SELECT count(*), count(DISTINCT search_id || '/' || rank) FROM catalog_searchresult"
    )
    assert rows == different > 0


def test_a_photo_deleted_while_it_is_searched_leaves_nothing_and_harms_no_other(
    site: Site, photo: bytes
) -> None:
    site.start_web()
    site.start_worker("search")
    site.post_photo(draw_photo("wing-armchair", 7200, 5400))
    site.until(
        lambda: site.rows("SELECT 1 FROM catalog_search WHERE state = 'looking'"), "the search to begin", 0.01
    )
    _shell(
        site,
        "from catalog.models import Photo, Search; from catalog.services import photos;"
        "Search.objects.all().delete(); photos.delete_photo(Photo.objects.get())",
    )
    assert site.answer(site.post_photo(photo)[1])["state"] == "done"  # after it, by the same worker
    assert site.rows("SELECT count(*) FROM catalog_photo") == [(1,)]
    assert len(list((site.data / "photos").glob("??/*"))) == 1


def test_a_network_that_can_t_be_loaded_is_told_and_its_searches_are_run_again(
    site: Site, photo: bytes, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    site.start_web()
    good = dict(site.settings)
    site.settings["PYTHONPATH"] = str(broken)
    worker = site.start_worker("search")
    submitted = site.post_photo(photo)[1]

    search = site.answer(submitted)

    assert search["state"] == "failed"
    assert "try again" in search["error"]
    [(reason,)] = site.until(lambda: site.rows("SELECT reason FROM catalog_deadletter"), "the letter")
    assert "libGL.so.1" in reason
    worker.terminate()
    worker.wait()
    site.settings.update(good, PYTHONPATH="")
    site.start_worker("search")
    rerun = "from catalog.models import DeadLetter; from catalog.services import deadletters; deadletters.rerun(DeadLetter.objects.get(), 'boss')"
    _shell(site, rerun)
    assert site.answer(submitted)["state"] == "done"
