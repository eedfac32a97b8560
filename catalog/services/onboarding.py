"""From a model file to a ready asset. An asset is its content, its frame and its renderer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from catalog import engine, media, storage
from catalog.models import Asset

if TYPE_CHECKING:
    from ml.pipelines.onboarding import OnboardResult
    from ml.types import Frame, ModelFile

__all__ = ["asset_for", "is_usable", "onboard"]


def asset_for(model: ModelFile, frame: Frame) -> Asset:
    """The asset this file is in this frame, pending where it is new.

    Raises ShapelensError where the file can't be read.
    """
    content = engine.content_hash(model)
    renderer = engine.renderer_fingerprint()
    described = asdict(frame)
    parts = json.dumps([content, described, renderer], sort_keys=True)
    asset, _ = Asset.objects.get_or_create(
        hash=hashlib.sha256(parts.encode()).hexdigest()[:40],
        defaults={"content_hash": content, "frame": described, "renderer": renderer},
    )
    return asset


def is_usable(asset: Asset) -> bool:
    """Ready, with its files still there. Raises MediaDown."""
    return asset.status == Asset.Status.READY and media.exists(
        storage.asset_directory(asset.hash) / "views.npz"
    )


def onboard(
    pending: Iterable[tuple[Asset, ModelFile, Frame]], on_asset: Callable[[Asset, Exception | None], None]
) -> None:
    """Read and render each in a killable child; tell each asset's fate as it is known.

    An asset that fails keeps its reason; trying it again later is allowed. Raises MediaDown.
    """
    assets: dict[str, Asset] = {}
    jobs = []
    for asset, model, frame in pending:
        out = storage.asset_directory(asset.hash)
        out.parent.mkdir(parents=True, exist_ok=True)
        assets[asset.hash] = asset
        jobs.append(engine.onboard_job(model, frame, out))
    for result in engine.onboard_many(jobs):
        asset = assets[result.job.out.name]
        if result.error is None:
            media.keep(result.job.out)
        _save(asset, result)
        on_asset(asset, result.error)


def _save(asset: Asset, result: OnboardResult) -> None:
    made = result.model
    if made is None:
        asset.status, asset.error = Asset.Status.FAILED, str(result.error)
    else:
        asset.status, asset.error = Asset.Status.READY, ""
        asset.warnings = list(made.warnings)
        asset.faces = made.faces
        asset.materials = made.materials
        asset.extents = [round(float(side), 6) for side in made.extents]
        asset.view_count = made.view_count
        asset.mesh_hash = made.mesh_hash
        asset.symmetry = asset.symmetry or made.symmetry  # what a person said stays
    asset.save()
