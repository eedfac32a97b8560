"""The comparison of unseen with trained products, on a few models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ml.mesh.glb import write_glb
from ml.mesh.parametric.families import random_mesh
from ml.study.unseen import COMPOSITES, _together, compare_unseen
from ml.train.pairs import parametric_specs, render_pairs


def test_each_model_is_ranked_among_all(tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    specs = [spec for spec in parametric_specs(1, 5) if spec.family in {"chair", "mug"}]
    render_pairs(specs, trained / "pairs", seed=1, workers=1)
    library = tmp_path / "library"
    library.mkdir()
    for number, family in enumerate(("sofa", "floor lamp")):
        write_glb(random_mesh(family, np.random.default_rng(number)), library / f"{family}.glb")
    photos = tmp_path / "photos"
    photos.mkdir()
    noise = np.random.default_rng(1).integers(90, 160, (120, 120, 3), dtype=np.uint8)
    cv2.imwrite(str(photos / "noise.png"), noise)

    rows = compare_unseen(trained, library, photos, ["hog"], lambda *_: None)

    assert [row.products for row in rows] == ["never seen", "trained on"]
    for row in rows:
        assert (row.models, row.queries, row.gallery) == (2, 2 * COMPOSITES, 4)
        assert row.top10 == 1.0  # of four models
        assert 0.25 < row.top1 <= 1.0
        assert row.several[1] == row.top1
        assert list(row.several) == [1, 2, 4]
        assert list(row.turned) == [2, 4]
        assert row.turned[4] >= row.several[4] - 0.25


def test_photos_searched_together_are_summed() -> None:
    best = np.array([[0.5, 0.6, 0.0], [0.5, 0.0, 0.6], [0.1, 0.2, 0.35], [0.1, 0.2, 0.1]], np.float32)
    right = np.array([0, 0, 1, 1], np.int32)
    assert _together(best, right, 1) == 0.25
    assert _together(best, right, 2) == 0.5  # 0.5 twice is more than 0.6 once
