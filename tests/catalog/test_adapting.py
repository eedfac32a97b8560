"""phi for the catalog at hand: fitted by a command, taken by the next build and by what is added to it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from catalog import engine, storage
from catalog.services import adapting, importing, indexing
from catalog.services.importing import ImportOptions
from ml import registry
from ml.adapt.linear import save_adapter
from ml.pipelines.adapting import AdaptReport, Measured

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def few_views(small_shop: None, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SHAPELENS_VIEWS = "8x1"
    engine.reset()
    monkeypatch.setattr("catalog.jobs.run_build", lambda generation: None)


def _fitted(out: Path) -> AdaptReport:
    info = registry.embedder(engine.embedder_name()).info
    eye = np.eye(info.dim, dtype=np.float32)
    adapter = save_adapter(
        out, eye, np.zeros(info.dim, np.float32), is_rectified=False, embedder=info.fingerprint
    )
    return AdaptReport(adapter, Measured(0.5, 0.4), Measured(0.5, 0.6), 2, 100)


def _import(folder: Path) -> None:
    run = importing.request_import(folder, options=ImportOptions(is_indexed_after=True))
    importing.run_import(run.pk)


def test_an_adaptation_is_taken_by_the_next_build_and_by_what_is_added(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("three-sofa", "tall-shelf"):
        (folder / f"{name}.glb").write_bytes((models / f"{name}.glb").read_bytes())
    _import(folder)
    adapter = _fitted(storage.adapter_file(engine.embedder_fingerprint())).adapter

    indexing.run_build(indexing.request_build().pk)

    generation = indexing.active_generation()
    assert generation.adapter == "linear"
    assert generation.manifest["adapter_fingerprint"] == adapter.fingerprint
    assert adapting.forget_adapter()
    (folder / "wing-armchair.glb").write_bytes((models / "wing-armchair.glb").read_bytes())
    _import(folder)
    added = indexing.folders(indexing.active_generation())[1]
    assert engine.verify_generation(added).adapter_fingerprint == adapter.fingerprint
    indexing.run_build(indexing.request_build().pk)
    assert indexing.active_generation().adapter == "identity"


def test_what_finds_no_more_is_not_kept_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "adapt_models", lambda directories, out, **_: _fitted(out))
    kept = storage.adapter_file(engine.embedder_fingerprint())
    out = StringIO()

    call_command("adapt_catalog", stdout=out)
    assert "not kept" in out.getvalue()
    assert list(kept.parent.iterdir()) == []
    call_command("adapt_catalog", "--keep-anyway", stdout=out)
    assert "kept; run manage.py build_index" in out.getvalue()
    assert list(kept.parent.iterdir()) == [kept]
    call_command("adapt_catalog", "--remove", stdout=out)
    assert list(kept.parent.iterdir()) == []


def test_too_few_models_are_refused_with_the_way_out() -> None:
    with pytest.raises(CommandError, match="at least 20: import more"):
        call_command("adapt_catalog")
    assert list(storage.adapter_file(engine.embedder_fingerprint()).parent.iterdir()) == []
