"""The photos to try: drawn again they are the same, and the search finds what they show."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml import registry
from ml.mesh.parametric.sample import sample_catalog, write_sample_catalog
from ml.mesh.sources import open_source
from ml.pipelines.indexing import GenerationEntry, build_generation
from ml.pipelines.onboarding import OnboardJob, onboard
from ml.pipelines.photos import open_photo
from ml.pipelines.samples import SCENES, draw_sample
from ml.pipelines.searching import PhotoQuery, Searcher
from ml.render.views import ViewGrid
from ml.types import Box

SAMPLES = Path(__file__).parents[3] / "catalog" / "samples"
ROWS = json.loads((SAMPLES / "photos.json").read_text())


def test_the_catalog_is_what_it_says(tmp_path: Path) -> None:
    products = sample_catalog()
    assert len(products) >= 60
    assert len({product.category for product in products}) >= 12
    for values in ({p.key for p in products}, {p.sku for p in products}, {p.name for p in products}):
        assert len(values) == len(products)

    folder = write_sample_catalog(tmp_path / "sample")
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    write_sample_catalog(folder)

    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    source = open_source(folder, workdir=tmp_path / "work")
    assert len(source.models) == len(products)
    assert not source.failures
    named = {model.key: model for model in source.models}
    for product in products:
        model = named[product.key]
        assert (model.name, model.sku, model.category) == (product.name, product.sku, product.category)
        assert float(model.price) == product.price


def test_a_photo_drawn_again_is_the_same() -> None:
    scene = next(scene for scene in SCENES if scene.name == "mug")
    picture, [(key, box)] = draw_sample(scene)
    [row] = [row for row in ROWS if row["name"] == "mug"]
    stored = cv2.imread(str(SAMPLES / "photos" / row["file"]), cv2.IMREAD_COLOR_RGB)
    assert stored is not None
    assert np.abs(picture.astype(int) - stored).mean() < 3  # what the JPEG takes away
    assert key == row["truth"][0]["key"]
    assert list(box.as_tuple()) == pytest.approx(row["truth"][0]["box"], abs=0.1)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> tuple[Searcher, dict[int, str]]:
    """The products of the photos and as many others, seen from fewer sides than in a shop."""
    folder = tmp_path_factory.mktemp("sample")
    shown = {truth["key"] for row in ROWS for truth in row["truth"]}
    keys = [p.key for p in sample_catalog() if p.key in shown] + [
        p.key for p in sample_catalog() if p.key not in shown
    ][::3]
    source = open_source(write_sample_catalog(folder / "sample"), workdir=folder / "work")
    models = {model.key: model for model in source.models}
    entries = []
    for number, key in enumerate(keys):
        out = folder / "models" / key
        out.parent.mkdir(exist_ok=True)
        onboard(OnboardJob(models[key], models[key].frame, out), grid=ViewGrid(18, (0.0, 20.0)))
        entries.append(GenerationEntry(number, out, number * 1024))
    build_generation(entries, folder / "index", embedder_name=registry.DEFAULT_EMBEDDER)
    return Searcher.open(folder / "index"), dict(enumerate(keys))


def test_the_search_finds_what_the_photos_show(searcher: tuple[Searcher, dict[int, str]]) -> None:
    """With the box given. The network was trained on other designs of these families, never on these."""
    index, keys = searcher
    ranks = {}
    for row in ROWS:
        truth = row["truth"][0]
        query = PhotoQuery(open_photo(SAMPLES / "photos" / row["file"]), Box(*truth["box"]))
        answer = index.search([query], tau=0.75, top=len(keys))
        found = [keys[match.model_id] for match in answer.matches]
        ranks[row["name"]] = found.index(truth["key"]) + 1 if truth["key"] in found else 99
    first = sum(rank == 1 for rank in ranks.values())
    assert first >= 7, ranks
    assert sum(rank <= 3 for rank in ranks.values()) >= 8, ranks
