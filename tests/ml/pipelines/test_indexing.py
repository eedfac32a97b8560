from __future__ import annotations

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from ml import registry
from ml.errors import GenerationCorrupt, GenerationMismatch, NoViews
from ml.geometry.crops import crop_of_view
from ml.pipelines.indexing import (
    CalibrationSource,
    GenerationEntry,
    build_generation,
    features_of,
    verify_generation,
)
from ml.render.views import load_views
from ml.search.backgrounds import SOURCE_DRAWN
from ml.search.generation import open_generation, pack_masks
from ml.search.manifest import MANIFEST, read_manifest

QUICK = CalibrationSource(patches=400, absent_patches=200)


@pytest.fixture
def copied(generation, tmp_path):
    return shutil.copytree(generation, tmp_path / "copy")


def test_a_generation_holds_every_view_once_with_its_own_vector(generation, entries):
    opened = open_generation(generation)
    assert len(opened) == 24 * len(entries)
    assert (np.diff(opened.log_aspects) >= 0).all()
    assert len(np.unique(opened.view_ids)) == len(opened)
    embedder = registry.embedder("hog")
    for entry in entries[:2]:
        views = load_views(entry.directory)
        crops = [crop_of_view(views, k, embedder.info.input_size) for k in range(24)]
        vectors = embedder.embed(crops).vectors
        packed = pack_masks(views.masks)
        for k in range(24):
            row = int(np.flatnonzero(opened.view_ids == entry.first_view_id + k)[0])
            assert opened.model_ids[row] == entry.model_id
            assert np.asarray(opened.vectors[row], np.float32) == pytest.approx(vectors[k], abs=1e-3)
            assert opened.aspects[row] == views.aspects[k]
            assert opened.view(row) == views.grid[k]
            assert np.array_equal(opened.masks[row], packed[k])
            camera = opened.camera(row)
            assert (camera.fx, camera.width) == (views.cameras[k].fx, views.cameras[k].width)
            assert np.array_equal(camera.camera_from_model, views.cameras[k].camera_from_model)


def test_the_manifest_says_what_made_it(generation, entries):
    manifest = read_manifest(generation)
    assert manifest.embedder_fingerprint == registry.embedder("hog").info.fingerprint
    assert (manifest.models, manifest.views, manifest.cells) == (len(entries), 24 * len(entries), None)
    assert manifest.grid[13] == (30.0, 20.0)
    assert set(manifest.files) == {path.name for path in generation.iterdir()} - {MANIFEST}
    assert verify_generation(generation) == manifest
    assert -1 < manifest.no_match_rule.threshold < 5


def test_an_embedder_that_knows_other_things_sets_the_threshold_by_them(entries, tmp_path):
    shipped = build_generation(entries, tmp_path / "viewnet", embedder_name="viewnet", calibration=QUICK)
    assert shipped.no_match["of"].startswith("photographs of anything")
    assert shipped.no_match["patches"] > 800
    assert shipped.calibration["source"] == "the embedder's weights"
    assert shipped.calibration["patches"] > 3000

    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "noise.png"), pixels)
    named = replace(QUICK, absent=folder)
    own = build_generation(entries, tmp_path / "own", embedder_name="viewnet", calibration=named)
    assert own.no_match["of"] == "photos of things not in the catalog"
    assert own.no_match["patches"] == 200
    assert own.calibration["source"] == "the embedder's weights"
    named = replace(QUICK, backgrounds=folder)
    both = build_generation(entries, tmp_path / "both", embedder_name="viewnet", calibration=named)
    assert both.calibration["source"].startswith("photos 1 ")
    assert both.calibration["patches"] == 400
    drawn = build_generation(entries, tmp_path / "hog", embedder_name="hog", calibration=QUICK)
    assert drawn.no_match["of"] == "background patches"
    assert drawn.calibration["source"] == SOURCE_DRAWN
    # of photos that the weights don't bring nobody has told the kinds
    assert [one.no_match_rule.kind > 0 for one in (shipped, own, both, drawn)] == [True, False, False, False]


def test_background_is_calibrated_to_minus_one(generation, tmp_path):
    from ml.pipelines.indexing import _patches

    opened = open_generation(generation)
    fresh, _ = _patches("hog", "identity", 400, 99, None, tmp_path)
    cosines = np.asarray(opened.vectors, np.float32) @ fresh.T
    calibrated = cosines * opened.calibration[:, :1] + opened.calibration[:, 1:]
    assert calibrated.mean() == pytest.approx(-1, abs=0.1)
    assert (calibrated > 0).mean() < 0.002


@pytest.mark.parametrize(
    "name", ["vectors.npy", "aspects.npy", "masks.npy", "calibration.npy", "view_ids.npy"]
)
def test_one_flipped_bit_is_refused(copied, name):
    path = copied / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(GenerationCorrupt, match=rf"{name} was altered.*build_index"):
        verify_generation(copied)


@pytest.mark.parametrize("name", ["vectors.npy", "angles.npy", MANIFEST])
def test_a_truncated_file_is_refused_on_opening(copied, name):
    path = copied / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(GenerationCorrupt, match=name):
        open_generation(copied)
    with pytest.raises(GenerationCorrupt, match=name):
        verify_generation(copied)


@pytest.mark.parametrize("name", ["vectors.npy", "model_ids.npy", MANIFEST])
def test_a_missing_file_is_refused_on_opening(copied, name):
    (copied / name).unlink()
    with pytest.raises(GenerationCorrupt, match=name):
        open_generation(copied)


def test_a_changed_manifest_is_refused(copied):
    content = json.loads((copied / MANIFEST).read_text())
    content["no_match"]["threshold"] = -9
    (copied / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(GenerationCorrupt, match="altered"):
        open_generation(copied)


@pytest.mark.parametrize("what", ["embedder", "renderer", "adapter"])
def test_another_fingerprint_is_refused_and_says_what_to_run(generation, monkeypatch, what):
    from dataclasses import replace

    manifest = replace(read_manifest(generation), **{f"{what}_fingerprint": "other-1"})
    monkeypatch.setattr("ml.pipelines.indexing.verify_files", lambda path: manifest)
    with pytest.raises(GenerationMismatch, match=rf"{what} other-1, this is .*run manage.py build_index"):
        verify_generation(generation)


def test_a_generation_is_never_overwritten(generation, entries):
    before = (generation / MANIFEST).read_bytes()
    with pytest.raises(FileExistsError, match="never overwritten"):
        build_generation(entries, generation, embedder_name="hog", calibration=QUICK)
    assert (generation / MANIFEST).read_bytes() == before


def test_a_build_that_fails_leaves_nothing(entries, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr("ml.pipelines.indexing.fit_calibration", fail)
    with pytest.raises(OSError, match="no space"):
        build_generation(entries[:1], tmp_path / "out", embedder_name="hog", calibration=QUICK)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]  # kept background patches are files


def test_nothing_to_index_and_repeated_ids_are_refused(entries, tmp_path):
    with pytest.raises(NoViews):
        build_generation([], tmp_path / "out", embedder_name="hog")
    same = GenerationEntry(entries[0].model_id, entries[1].directory, 9000)
    with pytest.raises(ValueError, match="same model id"):
        build_generation([entries[0], same], tmp_path / "out", embedder_name="hog")
    close = GenerationEntry(77, entries[1].directory, entries[0].first_view_id + 3)
    with pytest.raises(ValueError, match="two views"):
        build_generation([entries[0], close], tmp_path / "out", embedder_name="hog")
    assert list(tmp_path.iterdir()) == []


def test_features_are_made_once_and_again_when_the_views_change(onboarded, tmp_path):
    directory = shutil.copytree(onboarded["chair"], tmp_path / "chair")
    for stale in directory.glob("features-*"):
        stale.unlink()
    path = features_of(directory, "hog")
    assert registry.embedder("hog").info.fingerprint in path.name
    stamp = path.stat().st_mtime_ns
    assert features_of(directory, "hog").stat().st_mtime_ns == stamp
    for name in ("views.npz", "views.jpg"):
        shutil.copy(onboarded["table"] / name, directory / name)
    with (
        np.load(features_of(directory, "hog")) as renewed,
        np.load(features_of(onboarded["table"], "hog")) as own,
    ):
        assert np.array_equal(renewed["vectors"], own["vectors"])
    path.write_bytes(b"half of a file")
    with np.load(features_of(directory, "hog")) as again:
        assert again["vectors"].shape == (24, 576)


def test_views_of_another_renderer_are_refused(onboarded, tmp_path, monkeypatch):
    directory = shutil.copytree(
        onboarded["chair"], tmp_path / "chair", ignore=shutil.ignore_patterns("features-*")
    )
    monkeypatch.setattr("ml.pipelines.indexing.RENDERER_FINGERPRINT", "ray-new")
    with pytest.raises(GenerationMismatch, match="onboard the model again"):
        features_of(directory, "hog")


def test_progress_ends_complete(entries, tmp_path):
    told = []
    build_generation(
        entries[:2],
        tmp_path / "out",
        embedder_name="hog",
        calibration=QUICK,
        progress=lambda *step: told.append(step),
    )
    last = {stage: (done, total) for stage, done, total in told}
    assert list(last) == ["embedding", "writing", "calibrating", "verifying"]
    assert all(done == total for done, total in last.values())


def test_background_patches_are_kept_and_damaged_ones_made_again(tmp_path):
    from ml.pipelines.indexing import _patches

    made, name = _patches("hog", "identity", 40, 7, None, tmp_path)
    [kept] = tmp_path.iterdir()
    _patches.cache_clear()
    again, same_name = _patches("hog", "identity", 40, 7, None, tmp_path)
    assert (name, made.tobytes()) == (same_name, again.tobytes())
    kept.write_bytes(b"damaged")
    _patches.cache_clear()
    assert np.allclose(_patches("hog", "identity", 40, 7, None, tmp_path)[0], made)
    assert np.load(kept).shape == made.shape
