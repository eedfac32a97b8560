"""phi for the catalog at hand (thesis 4.2): fitted, measured, and kept only where it helps."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from catalog import engine, media, storage
from catalog.services import indexing

if TYPE_CHECKING:
    from ml.pipelines.adapting import AdaptReport

__all__ = ["adapt_catalog", "forget_adapter"]


def adapt_catalog(
    *,
    backgrounds: Path | None,
    most: int,
    seed: int,
    is_kept_anyway: bool,
    progress: Callable[[str, int, int], None],
) -> tuple[AdaptReport, bool]:
    """What it brought, and whether the next build takes it. Raises NoViews, BadSource, MediaDown."""
    directories = [media.asset_files(asset.hash, "model.glb") for asset in indexing.assets_to_index(None)]
    kept = storage.adapter_file(engine.embedder_fingerprint())
    tried = kept.with_name(f"{uuid.uuid4().hex}.trial")
    try:
        report = engine.adapt_models(
            directories, tried, backgrounds=backgrounds, most=most, seed=seed, progress=progress
        )
        is_kept = report.is_better or is_kept_anyway
        if is_kept:
            tried.replace(kept)
            media.keep(kept)
        return report, is_kept
    finally:
        tried.unlink(missing_ok=True)


def forget_adapter() -> bool:
    """The next build takes none; False where there was none. Raises MediaDown."""
    kept = storage.adapter_file(engine.embedder_fingerprint())
    had = media.exists(kept)
    media.delete_file(kept)
    return had
