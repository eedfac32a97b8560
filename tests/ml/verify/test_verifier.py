"""The shipped verifier: what it says of drawn things it was not trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ml.embed.networks import ViewNetShape
from ml.geometry.boxes import Box
from ml.geometry.crops import crop_photo
from ml.mesh.parametric.families import random_mesh
from ml.render.raycast import RayScene
from ml.render.views import ViewGrid, render_views, save_views, sheet_tile
from ml.train.pairs import plain_view
from ml.types import Photo, View
from ml.verify.models import ModelVerifier
from ml.verify.networks import Verifier, VerifierShape
from ml.verify.verifier import facts_of, load_verifier, network_of

GRID = ViewGrid(azimuths=12, elevations_deg=(0.0, 20.0))


@pytest.fixture(scope="module")
def chairs() -> list[RayScene]:
    return [RayScene(random_mesh("chair", np.random.default_rng(seed))) for seed in (71, 72, 73, 74)]


def photographed(scene: RayScene, azimuth: float) -> Photo:
    """As the index renders it, but a little turned, darker, on a floor and a wall, with noise."""
    rng = np.random.default_rng(0)
    picture = plain_view(scene, View(np.radians(azimuth + 4), np.radians(17))).astype(np.float32)
    ground = np.where(np.arange(96)[:, None] < 60, 190.0, 120.0) * np.ones((96, 96))
    is_ground = np.abs(picture - picture[0, 0]) < 2
    seen = np.where(is_ground, ground, 0.7 * picture) + rng.normal(0, 4, (96, 96))
    return Photo(np.clip(seen, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2))


def test_the_own_view_is_likelier_than_another_chairs_and_than_another_viewpoint(chairs) -> None:
    verifier = load_verifier()
    right, wrong = [], []
    for number, chair in enumerate(chairs):
        photo = photographed(chair, 30)
        inner = 96 / (1 + 2 / 16) / 16  # the crop's margin, so that the whole picture is the crop
        crop = crop_photo(photo, Box(inner, inner, 96 - inner, 96 - inner), 96)
        views = np.stack(
            [plain_view(other, View(np.radians(30), np.radians(15))) for other in chairs]
            + [plain_view(chair, View(np.radians(azimuth), np.radians(15))) for azimuth in (120, 210, 300)]
        )
        odds = verifier(crop, views)
        assert odds.shape == (7,)
        right.append(odds[number])
        wrong.append(np.delete(odds, number).max())
    assert sum(np.greater(right, wrong)) >= 3


def test_pictures_of_another_size_are_refused(chairs) -> None:
    crop = crop_photo(photographed(chairs[0], 0), Box(5, 5, 90, 90), 64)
    with pytest.raises(ValueError, match="96 px"):
        load_verifier()(crop, np.zeros((1, 96, 96), np.uint8))


def test_more_views_than_a_batch_say_the_same_as_each_alone(chairs) -> None:
    verifier = load_verifier()
    crop = crop_photo(photographed(chairs[0], 0), Box(5, 5, 90, 90), 96)
    views = np.stack(
        [plain_view(chairs[k % 4], View(np.radians(9.0 * k), np.radians(10))) for k in range(70)]
    )
    together = verifier(crop, views)
    alone = np.concatenate([verifier(crop, views[k : k + 1]) for k in (0, 33, 69)])
    assert together[[0, 33, 69]] == pytest.approx(alone, abs=0.25)  # rounding of bfloat16
    assert together.std() > 1


def test_a_network_goes_to_disk_and_back() -> None:
    small = VerifierShape((ViewNetShape(),), fine=8, coarse=8, down=8, widths=(8, 12), hidden=4)
    made = Verifier(small).eval()
    back = network_of(made.state_dict(), facts_of(made)).eval()
    pictures = torch.rand(2, 1, 96, 96)
    with torch.no_grad():
        seen, again = made.seen(pictures), back.seen(pictures)
        assert torch.equal(made.compared(seen, seen), back.compared(again, again))
    assert back.shape == small


def test_models_are_looked_at_by_their_sheets(chairs, tmp_path) -> None:
    for number, chair in enumerate(chairs):
        folder = tmp_path / str(number)
        folder.mkdir()
        save_views(render_views(chair, GRID, 224), folder)
    photo = photographed(chairs[1], 30)
    inner = 96 / (1 + 2 / 16) / 16
    box = Box(inner, inner, 96 - inner, 96 - inner)
    verifier = ModelVerifier(kept=2)
    wanted = [(tmp_path / str(number), [13, 16], len(GRID)) for number in range(4)]
    first, second, *_ = found = verifier(photo, box, wanted)
    assert [odds.shape for odds in found] == [(2,)] * 4
    assert second[0] > max(first[0], second[1])  # its own view at 30 degrees, not at 120
    again = verifier(photo, box, wanted[:2])
    assert again[0] == pytest.approx(first, abs=0.25)
    assert verifier(photo, box, []) == []
    gone = verifier(photo, box, [(tmp_path / "gone", [0, 1], len(GRID)), wanted[1]])
    assert gone[0].shape == (0,)  # nothing is said of what can't be read
    assert gone[1] == pytest.approx(second, abs=0.25)
    # a model imported before the gray sheet was kept: from views.jpg
    (tmp_path / "1" / "views-gray.jpg").unlink()
    before = ModelVerifier()(photo, box, wanted[1:2])[0]
    assert before == pytest.approx(second, abs=1.5)


def test_a_sheets_tiles_are_its_views() -> None:
    sheet = np.arange(24, dtype=np.uint8).reshape(2, 12).repeat(4, axis=0).repeat(4, axis=1)
    assert [int(sheet_tile(sheet, k, 24)[0, 0]) for k in (0, 11, 12, 23)] == [0, 11, 12, 23]
    assert sheet_tile(sheet, 13, 24).shape == (4, 4)
