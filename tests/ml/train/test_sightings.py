"""Objects seen in rooms: each beside the view of its own model, from where the room's camera was."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ml.pipelines.progress import silent
from ml.train import interiors, sightings
from ml.train.pairs import SIDE, ModelSpec, open_pairs, parametric_specs, render_pairs, stretched_specs
from ml.train.relighting import Composer, Randomness
from ml.train.sightings import BOX_SHARE, SIGHTING_SIDE, Sightings, open_sightings, render_sightings


@pytest.fixture(scope="module")
def specs() -> list[ModelSpec]:
    return parametric_specs(1, 3)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, specs: list[ModelSpec]) -> Sightings:
    folder = tmp_path_factory.mktemp("rooms")
    photos = folder / "colors.npy"
    np.save(photos, np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interiors, "POOL_ROOMS", 8)
        patch.setattr(interiors, "A_POOL", 8)
        sightings._write_part(specs, photos, folder, 0, 5)
    return open_sightings(folder)


def test_each_sighting_has_its_own_views_and_model(seen: Sightings, specs: list[ModelSpec]) -> None:
    n = len(seen.spec)
    assert n >= 5
    assert seen.pictures.shape == (n, SIGHTING_SIDE, SIGHTING_SIDE)
    assert seen.plain.shape == seen.coarse.shape == (n, SIDE, SIDE)
    assert set(seen.spec) <= set(range(len(specs)))


def test_a_sighting_is_more_like_the_edges_of_its_own_view_than_of_the_others(seen: Sightings) -> None:
    """Same viewpoint, same box: edges fall on edges. Light, ground and what hides a part are not of the view."""
    exact = Composer(
        torch.zeros(1, SIDE, SIDE, dtype=torch.uint8), 1, Randomness(shrink=0, shift=0, occluder=0)
    )
    crops = exact.sighted(torch.from_numpy(seen.pictures), BOX_SHARE)[:, 0].numpy()
    edges = np.stack([_edges(crop * 255) for crop in crops])
    views = np.stack([_edges(view) for view in seen.plain])
    likeness = edges @ views.T
    own = np.diag(likeness)
    others = likeness[~np.eye(len(own), dtype=bool)]
    assert own.mean() > others.mean() + 2 * others.std() / np.sqrt(len(own))


def test_an_unexact_box_moves_what_it_shows(seen: Sightings) -> None:
    pictures = torch.from_numpy(seen.pictures)
    backgrounds = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    how = Randomness(occluder=0, noise=0, blur=0, coarse=0)
    off = Composer(backgrounds, 2, how).sighted(pictures, BOX_SHARE)
    still = Randomness(occluder=0, noise=0, blur=0, coarse=0, shrink=0, shift=0)
    exact = Composer(backgrounds, 2, still).sighted(pictures, BOX_SHARE)
    assert off.shape == exact.shape == (len(pictures), 1, SIDE, SIDE)
    assert float((off - exact).abs().mean()) > 0.02


def test_what_is_there_is_kept_and_every_part_is_read(tmp_path: Path, specs: list[ModelSpec]) -> None:
    photos = tmp_path / "colors.npy"
    np.save(photos, np.zeros((1, 64, 64, 3), np.uint8))
    row = {"pictures": np.zeros((2, 3, 3), np.uint8), "plain": np.zeros((2, 3, 3), np.uint8)}
    rows = row | {"coarse": np.zeros((2, 3, 3), np.uint8), "spec": np.array([4, 9], np.int32)}
    for part in range(2):
        np.savez(tmp_path / f"{part:04d}.npz", **rows)  # type: ignore[arg-type]
    render_sightings(specs, photos, tmp_path, rooms=2 * interiors.POOL_ROOMS, seed=1, tell=silent)
    assert open_sightings(tmp_path).spec.tolist() == [4, 9, 4, 9]


def test_without_rooms_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="render them first"):
        open_sightings(tmp_path)


def test_stretched_models_are_other_products_of_one_origin(tmp_path: Path) -> None:
    base = parametric_specs(1, 1)[:2]
    render_pairs([*base, *stretched_specs(base, 1, 4)], tmp_path, seed=1)
    pairs = open_pairs(tmp_path)
    assert pairs.names == (base[0].name, base[1].name) * 2
    assert pairs.origin.tolist() == [0, 1, 0, 1]
    assert pairs.specs.tolist() == [0, 1, 2, 3]
    first, stretched = (pairs.plain[pairs.model == model].astype(float) for model in (0, 2))
    assert np.abs(first - stretched).mean() > 2


def _edges(gray: np.ndarray) -> np.ndarray:
    soft = cv2.GaussianBlur(gray.astype(np.float32), (5, 5), 0)
    strength = np.hypot(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    flat = cv2.GaussianBlur(strength, (9, 9), 0).ravel()
    flat -= flat.mean()
    return flat / np.linalg.norm(flat)
