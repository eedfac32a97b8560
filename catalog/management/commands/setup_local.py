"""Everything `make run` needs before the processes start; quick when it is all there."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

import ml
from catalog import engine, storage
from catalog.errors import NoIndex
from catalog.models import ImportRun, IndexGeneration, Product
from catalog.services import importing, indexing, sweeping

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Make the database, an admin, a catalog (the sample, or the one given) and its index."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--catalog", default="", help="a catalog to import instead of the sample")

    def handle(self, *args: Any, **options: Any) -> None:
        self._say("Database")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("ensure_admin", stdout=self.stdout)
        if options["catalog"]:
            self._import(Path(options["catalog"]))
        elif not Product.objects.exists():
            self._say("Sample catalog")
            call_command("import_sample_catalog", stdout=self.stdout)
        self._build()
        sweeping.sweep()

    def _import(self, path: Path) -> None:
        """Unless the same files were imported before."""
        if not path.exists():
            raise CommandError(f"CATALOG={path}: there is no such file or folder")
        stamp = importing.source_stamp(path.expanduser().resolve())
        if ImportRun.objects.filter(stamp=stamp, state=ImportRun.State.DONE).exists():
            return
        self._say(f"Importing {path.name}")
        call_command("import_catalog", str(path), stdout=self.stdout)

    def _build(self) -> None:
        """Where the active index lacks a model, or was made by another network or renderer."""
        try:
            generation = indexing.active_generation()
        except NoIndex:
            is_current = False
        else:
            wanted = set(indexing.assets_to_index(generation.catalog).values_list("pk", flat=True))
            has_all = wanted <= set(generation.assets.values_list("pk", flat=True))
            is_current = has_all and self._is_made_by_this_release(generation)
        if not is_current:
            self._say("Index")
            call_command("build_index", stdout=self.stdout)
            self._keep(indexing.active_generation())

    def _is_made_by_this_release(self, generation: IndexGeneration) -> bool:
        """Asking the network takes seconds, so what it said is kept until a file of `ml` changes."""
        kept = _kept()
        if kept.exists() and kept.read_text(encoding="utf-8") == _stamp(generation):
            return True
        if not engine.is_current(indexing.folder(generation)):
            return False
        self._keep(generation)
        return True

    def _keep(self, generation: IndexGeneration) -> None:
        storage.write_atomically(_kept(), _stamp(generation).encode())

    def _say(self, text: str) -> None:
        self.stdout.write(f"==> {text}")
        self.stdout.flush()


def _kept() -> Path:
    return storage.cache_file("index-checked")


def _stamp(generation: IndexGeneration) -> str:
    return f"{generation.pk} {_files_stamp(Path(ml.__file__).parent)} {engine.embedder_name()}"


def _files_stamp(folder: Path) -> str:
    """Changes with the code and the weights below the folder; from names, sizes and times alone."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".safetensors"})
    stats = [(str(path.relative_to(folder)), path.stat()) for path in files]
    lines = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
    return hashlib.sha256(lines.encode()).hexdigest()
