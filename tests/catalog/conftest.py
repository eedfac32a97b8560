"""A shop of its own for a test that runs in this process what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import engine


@pytest.fixture
def small_shop(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A data folder, few views, imports asked for and not run."""
    settings.SHAPELENS_DATA = tmp_path / "data"
    settings.SHAPELENS_VIEWS = "4x1"
    settings.SHAPELENS_JOB_WORKERS = 1
    settings.SHAPELENS_EMBEDDER = "hog"
    engine.reset()
    monkeypatch.setattr("catalog.jobs.run_import", lambda run: None)
    yield
    engine.reset()
