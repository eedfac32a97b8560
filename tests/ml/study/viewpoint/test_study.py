"""The study's path from renders to a table, on a few models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.geometry.boxes import iou
from ml.study.viewpoint import reweighting
from ml.study.viewpoint import study as studied
from ml.study.viewpoint.heads import Examples, predict, train_head
from ml.study.viewpoint.montages import BACKGROUND, CANVAS, OBJECT, make_montages, windows_of
from ml.study.viewpoint.reweighting import likelihood_at
from ml.study.viewpoint.showing import draw_errors, viewpoint_table
from ml.study.viewpoint.study import AVP_BINS, Options, ViewpointStudy, study_viewpoint
from ml.study.viewpoint.views import GROUPS, open_views, render_all
from ml.train.pairs import ModelSpec

MADE_BY = "every 5, 3 a family, 12 views, seed 3"  # the default options
BRIEF = Options(rounds=1, epochs=1)
CHAIRS = [("trained", 1), ("trained", 2), ("library", 3), ("parametric", 4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    specs = [(group, ModelSpec(f"chair {seed}", family="chair", seed=seed)) for group, seed in CHAIRS]
    failures = render_all(
        specs, folder / "views", views=6, seed=1, workers=1, progress=lambda *_: None, made_by=MADE_BY
    )
    assert not failures
    rng = np.random.default_rng(1)
    (folder / "photos").mkdir()
    for number in range(8):
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), rng.integers(90, 160, (60, 60), dtype=np.uint8))
    return folder


def test_views_know_their_group_and_go_all_round(folder: Path) -> None:
    views = open_views(folder / "views")
    assert views.buffers.shape[0] == 24
    assert [GROUPS[group] for group in views.group] == [group for group, _ in CHAIRS]
    for model in range(4):
        azimuths = np.sort(views.azimuth[views.model == model])
        assert ((azimuths >= np.arange(6) * np.pi / 3) & (azimuths < np.arange(1, 7) * np.pi / 3)).all()


def test_windows_are_objects_or_background(folder: Path) -> None:
    views = open_views(folder / "views")
    canvases = np.full((3, CANVAS, CANVAS), 40, np.uint8)

    montages = make_montages(views, views.rows("trained"), canvases, seed=5)
    windows = windows_of(montages, near=2, far=3, seed=6)

    assert sorted(row for one in montages for row in one.rows) == list(views.rows("trained"))
    for place, box, row in zip(windows.montage, windows.boxes, windows.row, strict=True):
        overlaps = {r: iou(box, b) for b, r in zip(montages[place].boxes, montages[place].rows, strict=True)}
        if row >= 0:
            assert overlaps[row] > OBJECT
        else:
            assert max(overlaps.values()) < BACKGROUND
    one = montages[0]
    x0, y0, x1, y1 = map(round, one.boxes[0].as_tuple())
    assert one.pixels[y0:y1, x0:x1].std() > 5  # something lies there


@pytest.mark.parametrize("name", studied.FORMULATIONS)
def test_each_head_learns_where_an_arrow_points(name: str) -> None:
    rng = np.random.default_rng(2)
    azimuths = rng.uniform(0, 2 * np.pi, 512).astype(np.float32)
    is_object = rng.random(512) < 0.8
    features = np.zeros((512, 4, 2, 2), np.float16)
    features[:, 0], features[:, 1] = np.cos(azimuths)[:, None, None], np.sin(azimuths)[:, None, None]
    features[:, 2] = is_object[:, None, None]
    features[~is_object, :2] = 0
    examples = Examples(features, azimuths[:, None], is_object, np.zeros(512, np.bool_))

    found = predict(name, train_head(name, examples, epochs=40, seed=1), features)

    away = np.abs((found.azimuth - azimuths + np.pi) % (2 * np.pi) - np.pi)[is_object]
    assert np.degrees(np.median(away)) < 8
    assert ((found.score > 0.5) == is_object).mean() > 0.97


@pytest.fixture(scope="module")
def study(folder: Path) -> ViewpointStudy:
    return study_viewpoint([], folder / "photos", folder, BRIEF, lambda *_: None)


def test_every_formulation_is_measured_on_what_was_held_out(study: ViewpointStudy, tmp_path: Path) -> None:
    assert len(study.rows) == 2 * len(studied.FORMULATIONS)
    for row in study.rows:
        assert row.objects == 6
        assert all(0 <= value <= row.ap <= 1 for value in row.avp)
        assert len(row.avp) == len(AVP_BINS)
    assert study.counts["models trained on"] == 2
    assert viewpoint_table(study).count("\n") == 1 + len(study.rows)
    draw_errors(study, tmp_path / "errors.png")
    assert cv2.imread(str(tmp_path / "errors.png")).shape[1] > 1000


def test_renders_of_other_options_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="another --out"):
        study_viewpoint([], folder / "photos", folder, Options(every=2), lambda *_: None)


def test_likelihoods_lie_between_the_nearest_bins() -> None:
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4]])
    at = np.radians([0, 45, 90, 315])
    assert likelihood_at(probabilities, at)[0].tolist() == pytest.approx([0.1, 0.15, 0.2, 0.25])


@pytest.mark.usefixtures("study")  # whose heads lie in the folder
def test_searching_with_a_heads_viewpoints_moves_the_estimate_as_much_as_it_may(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [(group, ModelSpec(f"chair {seed}", family="chair", seed=seed)) for group, seed in CHAIRS]
    monkeypatch.setattr(reweighting, "specs_of", lambda *_, **__: specs)
    monkeypatch.setattr(reweighting, "WEIGHTS", (0.0, 50.0))

    rows = reweighting.reweight([], folder / "photos", folder, "joint classification", BRIEF, lambda *_: None)

    assert [(row.group, row.weight) for row in rows] == [
        ("library", 0.0),
        ("library", 50.0),
        ("parametric", 0.0),
        ("parametric", 50.0),
    ]
    assert {row.queries for row in rows} == {6}
    # the network knows these products' views; a head of one epoch, given all the say, does not
    plain, blind = rows[0], rows[1]
    assert plain.median_deg < 30
    assert blind.median_deg > plain.median_deg
