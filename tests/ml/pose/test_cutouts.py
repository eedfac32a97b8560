"""What is cut out of a photo once a model is fitted to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import trimesh

from ml.geometry.boxes import mask_box
from ml.pose.cutouts import AGREED, cut_out
from ml.pose.masks import estimate_mask
from ml.pose.placing import place
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.search.config import RECOGNIZED
from ml.types import BoolArray, Box, Camera, Material, Mesh, Photo, Pose, View

WIDTH, HEIGHT = 480, 360


@dataclass(frozen=True)
class Shot:
    scene: RayScene
    camera: Camera
    photo: Photo
    box: Box
    truth: BoolArray

    def pose(self, agreement: float | None) -> Pose:
        return Pose(0.3, 0.1, self.camera, agreement)


def railing() -> RayScene:
    """Bars between two beams: half of its box is the wall behind it."""
    beams = [((0.0, y, 0.0), (1.6, 0.06, 0.06)) for y in (-0.45, 0.45)]
    bars = [((x, 0.0, 0.0), (0.05, 0.9, 0.05)) for x in np.linspace(-0.75, 0.75, 13)]
    solids = []
    for center, sides in [*beams, *bars]:
        solid = trimesh.creation.box(sides)
        solid.apply_translation(center)
        solids.append(solid)
    whole = trimesh.util.concatenate(solids)
    faces = np.asarray(whole.faces, dtype=np.int32)
    paint = Material("paint", np.array([0.55, 0.52, 0.5, 1], np.float32))
    return RayScene(Mesh(np.asarray(whole.vertices), faces, np.zeros(len(faces), np.int32), (paint,)))


@pytest.fixture(scope="module")
def shot() -> Shot:
    scene = railing()
    wanted = Box(120, 90, 360, 270)
    camera = place(scene.points, View(0.3, 0.1), wanted, WIDTH, HEIGHT, 600.0)
    seen = scene.cast(camera)
    pixels = np.clip(np.random.default_rng(0).normal(150, 22, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    pixels[seen.alpha] = shade(seen, camera)[seen.alpha]
    box = mask_box(seen.alpha)
    assert box is not None
    return Shot(scene, camera, Photo(pixels), box, seen.alpha)


def overlap(found: BoolArray | None, truth: BoolArray) -> float:
    return 0.0 if found is None else float((found & truth).sum() / (found | truth).sum())


def test_the_wall_between_a_recognized_railings_bars_is_left_out(shot: Shot) -> None:
    alone = overlap(estimate_mask(shot.photo, shot.box), shot.truth)
    together = overlap(cut_out(shot.photo, shot.box, lambda: shot.scene, shot.pose(0.9), 20.0), shot.truth)
    assert together > 0.8
    assert together > alone + 0.1


@pytest.mark.parametrize(
    ("recognized", "agreement"),
    [(None, 0.9), (RECOGNIZED - 0.1, 0.9), (20.0, AGREED - 0.01), (20.0, None)],
    ids=["no last look", "a likeness", "elsewhere", "never compared"],
)
def test_the_photo_alone_decides_where_the_model_may_be_another_thing(
    shot: Shot, recognized: float | None, agreement: float | None
) -> None:
    alone = estimate_mask(shot.photo, shot.box)
    assert alone is not None
    np.testing.assert_array_equal(
        cut_out(shot.photo, shot.box, lambda: shot.scene, shot.pose(agreement), recognized), alone
    )


def test_a_recognized_model_is_cut_out_where_the_photo_alone_shows_nothing(
    shot: Shot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.pose.cutouts.estimate_mask", lambda photo, box: None)
    assert overlap(cut_out(shot.photo, shot.box, lambda: shot.scene, shot.pose(None), 20.0), shot.truth) > 0.8
    assert cut_out(shot.photo, shot.box, lambda: shot.scene, shot.pose(None), 5.0) is None
