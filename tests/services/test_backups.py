"""A backup taken while everything runs is restored after everything was lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY, Site, settings_for
from tests.servers import Server


def _refused(site: Site, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env=site.settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_what_was_lost_is_restored(site: Site, tmp_path: Path, photo: bytes) -> None:
    data, copy = site.data, tmp_path / "backup"
    site.start_web()
    site.start_worker("search")
    submitted = site.post_photo(photo)[1]
    before = site.answer(submitted)
    assert before["state"] == "done"
    assert "every byte was read again" in site.manage("backup", str(copy))
    assert "workers run" in _refused(site, "restore", str(copy))
    site.stop(patience=15)  # a worker says goodbye: none may run while things are restored
    site.processes.clear()
    for name in ("assets", "photos", "index", "icons", "secret_key"):
        path = data / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    site.manage(
        "shell", "--no-imports", "-c", "from catalog.models import Search; Search.objects.all().delete()"
    )

    site.manage("restore", str(copy))

    site.manage("check_index")
    site.start_web()
    assert site.get(submitted["api_url"])["results"] == before["results"]
    kept = site.get(f"/api/v1/products/{before['results'][0]['product']['id']}")
    assert kept == before["results"][0]["product"]


def test_a_postgresql_database_is_in_the_set(postgres: Server, tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "backup"
    (data / "photos" / "ab").mkdir(parents=True)
    (data / "photos" / "ab" / "original").write_bytes(b"a photo")
    site = Site(data, settings_for(data, DATABASE_URL=postgres.url))

    def shell(code: str) -> str:
        return site.manage(
            "shell", "--no-imports", "-c", f"from catalog.models import Catalog; {code}"
        ).strip()

    site.manage("migrate", "--verbosity", "0")
    shell("Catalog.objects.create(name='Stühle')")
    site.manage("backup", str(copy))
    shell("Catalog.objects.all().delete(); Catalog.objects.create(name='later')")
    shutil.rmtree(data / "photos")

    site.manage("restore", str(copy))

    assert shell("print(*Catalog.objects.values_list('name', flat=True))") == "Stühle"
    assert (data / "photos" / "ab" / "original").read_bytes() == b"a photo"
    [aside] = data.glob("before-restore-*")
    assert (aside / "database.dump").stat().st_size > 0


def test_a_second_backup_takes_room_only_for_what_is_new_and_a_damaged_one_is_refused(
    site: Site, tmp_path: Path
) -> None:
    site.manage("backup", str(tmp_path / "monday"))
    assert "is never overwritten" in _refused(site, "backup", str(tmp_path / "monday"))
    site.manage("build_index")
    site.manage("backup", str(tmp_path / "tuesday"), "--since", str(tmp_path / "monday"))
    old = next((tmp_path / "tuesday" / "files" / "assets").rglob("model.glb"))
    assert old.stat().st_nlink == 2
    assert (tmp_path / "tuesday" / "files" / "index" / "2" / "manifest.json").stat().st_nlink == 1

    old.chmod(0o644)
    old.write_bytes(b"x" + old.read_bytes()[1:])
    assert "missing or altered" in _refused(site, "restore", str(tmp_path / "tuesday"))
    site.manage("check_index")
    (tmp_path / "tuesday" / "backup.json").unlink()
    assert "no finished backup" in _refused(site, "restore", str(tmp_path / "tuesday"))
