"""Furnished rooms: what is marked is what is seen, and a stopped rendering goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ml.errors import BadSource
from ml.pipelines.progress import silent
from ml.train import interiors
from ml.train.interiors import INTERIOR_SIDE, Interiors, open_interiors, render_interiors
from ml.train.pairs import PairSet, open_pairs, parametric_specs, render_pairs
from ml.train.scenes import OBJECTS, SceneComposer


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photos: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interiors, "POOL_ROOMS", 6)
        patch.setattr(interiors, "A_POOL", 6)
        render_interiors(parametric_specs(1, 3), photos, folder, count=6, seed=2, tell=silent)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    folder = tmp_path_factory.mktemp("pairs")
    render_pairs(parametric_specs(1, 1)[:3], folder, seed=1)
    return open_pairs(folder)


def test_every_room_shows_an_object_of_a_size_a_photo_has_and_a_room_around_it(folder: Path) -> None:
    rooms = open_interiors(folder)
    assert rooms.pictures.shape == (6, INTERIOR_SIDE, INTERIOR_SIDE, 3)
    for picture, objects in zip(rooms.pictures, rooms.objects, strict=True):
        shares = np.bincount(objects.reshape(-1), minlength=2) / objects.size
        assert shares[0] > 0.02  # some of the room
        assert shares[1:].max() > 0.01
        assert picture.std() > 5  # it is lit


def test_what_is_marked_differs_from_what_is_around_it(folder: Path) -> None:
    """An object's edge in the marks is an edge in the picture: both are of one camera."""
    rooms = open_interiors(folder)
    gray = rooms.pictures.astype(np.float32).mean(axis=-1)
    step = np.abs(np.diff(gray, axis=2))
    is_edge = np.diff(rooms.objects.astype(int), axis=2) != 0
    assert step[is_edge].mean() > 2 * step[~is_edge].mean()


def test_parts_that_are_there_are_kept(
    folder: Path, photos: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interiors, "POOL_ROOMS", 6)
    monkeypatch.setattr(interiors, "A_POOL", 6)
    before = (folder / "0000.npz").stat().st_mtime_ns
    render_interiors(parametric_specs(1, 3), photos, folder, count=12, seed=2, tell=silent)
    assert (folder / "0000.npz").stat().st_mtime_ns == before
    assert len(open_interiors(folder).objects) == 12
    (folder / "0001.npz").unlink()


def test_without_a_model_there_is_no_room(photos: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="none of the models"):
        render_interiors([], photos, tmp_path, count=1, seed=1, tell=silent)


def test_without_rooms_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="render them first"):
        open_interiors(tmp_path)


def _marked() -> Interiors:
    """Rooms whose picture is the mark: a large object on the left, a small one on the right."""
    objects = np.zeros((2, INTERIOR_SIDE, INTERIOR_SIDE), np.uint8)
    objects[:, 40:150, 30:100] = 1
    objects[:, 90:110, 140:160] = 2
    pictures = np.repeat((objects * 100)[..., None], 3, axis=-1)
    return Interiors(pictures, objects)


@pytest.mark.parametrize("is_close", [False, True])
def test_half_of_the_scenes_are_windows_of_rooms_with_masks_and_boxes_that_agree(
    pairs: PairSet, photos: np.ndarray, is_close: bool
) -> None:
    composer = SceneComposer(pairs, None, photos, 5, _marked())
    scene = composer._rooms(16, 128, is_close=is_close)
    assert scene.masks.shape == (16, OBJECTS, 128, 128)
    if is_close:  # the one that is large enough comes first, about the middle
        fills = scene.masks[:, 0].mean(dim=(1, 2))
        assert ((fills > 0.35) & (fills < 0.85)).all()
    for place, level in ((0, 100 / 255), (1, 200 / 255)):
        inside = (scene.masks[:, place] > 0.99)[:, None].expand(-1, 3, -1, -1)
        assert torch.allclose(scene.pictures[inside], torch.tensor(level), atol=0.01)
    for k in range(16):
        for place in range(2):
            if scene.is_there[k, place]:
                ys, xs = torch.nonzero(scene.masks[k, place] > 0.5, as_tuple=True)
                expected = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
                assert scene.boxes[k, place].tolist() == [float(edge) for edge in expected]
    assert not scene.is_there[:, 2:].any()


def test_composites_and_rooms_come_in_one_batch(pairs: PairSet, photos: np.ndarray) -> None:
    rooms = Interiors(np.full((1, 192, 192, 3), 255, np.uint8), np.full((1, 192, 192), 7, np.uint8))
    scene = SceneComposer(pairs, None, photos, 5, rooms).scenes(10, 96)
    is_room = scene.masks[:, 6].mean(dim=(1, 2)) == 1  # the only object, everywhere, is number 7
    assert int(is_room.sum()) == 5
    assert scene.is_there[is_room, 6].all()
