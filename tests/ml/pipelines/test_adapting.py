"""phi fitted to a few models, and an index built with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml import registry
from ml.adapt.linear import load_adapter, save_adapter
from ml.errors import GenerationCorrupt, GenerationMismatch, NoViews
from ml.geometry.crops import crop_of_view
from ml.mesh.glb import write_glb
from ml.mesh.parametric.families import FAMILIES, random_mesh
from ml.pipelines.adapting import LEAST_MODELS, adapt_models
from ml.pipelines.indexing import adapter_of, build_generation, check_fingerprints, verify_generation
from ml.pipelines.searching import PhotoQuery, Searcher
from ml.render.views import load_views
from ml.search.generation import ADAPTER
from ml.search.manifest import read_manifest
from ml.train.pairs import PAIRS_A_MODEL
from ml.types import Box, Photo
from tests.ml.pipelines.conftest import QUICK


def _adapter(path, *, seed=1, embedder=None):
    """A rotation: no view's descriptor is near what it was."""
    info = registry.embedder("hog").info
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((info.dim, info.dim)))[0]
    return save_adapter(
        path,
        turn.astype(np.float32),
        np.zeros(info.dim, np.float32),
        is_rectified=False,
        embedder=embedder or info.fingerprint,
    )


def test_phi_brings_composites_closer_to_renders_of_models_it_never_saw(tmp_path):
    directories = []
    for number, family in enumerate(sorted(FAMILIES)[:LEAST_MODELS]):
        directories.append(tmp_path / family)
        directories[-1].mkdir()
        write_glb(random_mesh(family, np.random.default_rng(number)), directories[-1] / "model.glb")
    out = tmp_path / "phi.safetensors"

    report = adapt_models(directories, out, embedder_name="hog")

    assert report.models == 2
    assert report.queries == 2 * PAIRS_A_MODEL * 3
    assert report.after.cosine > report.before.cosine
    assert load_adapter(out).fingerprint == report.adapter.fingerprint
    assert report.adapter.is_rectified  # hog has nothing below 0
    assert report.adapter.embedder == registry.embedder("hog").info.fingerprint
    with pytest.raises(NoViews, match="at least 20"):
        adapt_models(directories[:19], out, embedder_name="hog")


def test_a_generation_holds_its_adapter_and_searches_with_it(entries, onboarded, tmp_path):
    path = tmp_path / "phi.safetensors"
    _adapter(path)
    out = tmp_path / "generation"
    build_generation(entries, out, embedder_name="hog", adapter_name=f"linear:{path}", calibration=QUICK)
    path.unlink()

    manifest = verify_generation(out)
    adapter = load_adapter(out / ADAPTER)
    searcher = Searcher.open(out)
    views = load_views(onboarded["sofa"])
    photo = Photo(np.ascontiguousarray(views.pixels[0]))
    answer = searcher.search([PhotoQuery(photo, Box(0, 0, photo.width, photo.height))], tau=0.3)

    assert manifest.adapter == "linear"
    assert manifest.adapter_fingerprint == adapter.fingerprint
    assert adapter_of(out, manifest) == f"linear:{out / ADAPTER}"
    hog = registry.embedder("hog")
    whole = hog.embed([crop_of_view(views, 0, hog.info.input_size)])
    assert abs(float((adapter.adapt(whole.vectors) @ whole.vectors.T)[0, 0])) < 0.5  # it does turn
    assert max(match.score for match in answer.matches) < 0.9  # an identical crop would have 1


def test_an_adapter_of_another_embedder_or_altered_is_refused(entries, tmp_path):
    path = tmp_path / "phi.safetensors"
    _adapter(path, embedder="other")
    with pytest.raises(GenerationMismatch, match=r"fitted to embedder other.*adapt_catalog"):
        build_generation(entries, tmp_path / "a", embedder_name="hog", adapter_name=f"linear:{path}")
    _adapter(path)
    out = tmp_path / "b"
    build_generation(entries, out, embedder_name="hog", adapter_name=f"linear:{path}", calibration=QUICK)
    with pytest.raises(GenerationMismatch, match="adapter other-1"):
        check_fingerprints(replace(read_manifest(out), adapter_fingerprint="other-1"))
    (out / ADAPTER).write_bytes((out / ADAPTER).read_bytes()[:-1])
    with pytest.raises(GenerationCorrupt, match=ADAPTER):
        verify_generation(out)
