from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ml.errors import BadBox
from ml.geometry.boxes import mask_box
from ml.geometry.cameras import angle_between, project
from ml.mesh.storage import save_mesh
from ml.pose.fitting import (
    CUT_OFF,
    GUESSED_FOCAL,
    NO_FOCAL,
    ModelPoseFitter,
    RefineLimits,
    fit_pose,
    silhouette_iou,
)
from ml.pose.masks import estimate_mask
from ml.pose.placing import DEFAULT_FOCAL, place
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.render.views import DEFAULT_GRID
from ml.types import BoolArray, Box, Camera, Photo, View

WIDTH, HEIGHT = 640, 480
PATIENT = RefineLimits(seconds=30)  # a slow machine must not change the result


@dataclass(frozen=True)
class Shot:
    photo: Photo
    truth: View
    box: Box
    mask: BoolArray
    estimated: BoolArray | None


def shoot(scene: RayScene, seed: int, roll: float = 0.0) -> Shot:
    """A render at an elevation, distance, place and focal length that no index view has."""
    rng = np.random.default_rng(seed)
    truth = View(rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(3, 27)))
    focal = rng.uniform(1.0, 1.8) * WIDTH
    side = rng.uniform(150, 260)
    x, y = rng.uniform(170, WIDTH - 170), rng.uniform(150, HEIGHT - 150)
    wanted = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    camera = place(scene.points, truth, wanted, WIDTH, HEIGHT, focal, roll=roll)
    seen = scene.cast(camera)
    top, bottom = rng.uniform(120, 240, (2, 3))
    down = np.linspace(0, 1, HEIGHT)[:, None, None]
    wall = top * (1 - down) + bottom * down + rng.normal(0, 5, (HEIGHT, WIDTH, 3))
    pixels = np.clip(wall, 0, 255).astype(np.uint8)
    pixels[seen.alpha] = shade(seen, camera)[seen.alpha]
    box = mask_box(seen.alpha)
    assert box is not None
    photo = Photo(pixels, focal)
    return Shot(photo, truth, box, seen.alpha, estimate_mask(photo, box))


def nearest_view(truth: View) -> View:
    def apart(view: View) -> float:
        cosine = math.sin(view.elevation) * math.sin(truth.elevation)
        turn = math.cos(view.azimuth - truth.azimuth)
        return -(cosine + math.cos(view.elevation) * math.cos(truth.elevation) * turn)

    return min(DEFAULT_GRID.views, key=apart)


@pytest.fixture(scope="module")
def shots(desk: RayScene) -> list[Shot]:
    return [shoot(desk, seed) for seed in range(20)]


def is_right(shot: Shot, scene: RayScene, view: View, mask: BoolArray | None) -> bool:
    pose = fit_pose(scene, shot.photo, shot.box, view, mask=mask, refine=PATIENT)
    within = angle_between(pose.azimuth, shot.truth.azimuth) <= math.radians(10)
    return within and silhouette_iou(scene, pose.camera, shot.mask, shot.box) >= 0.7


def turned(view: View, degrees: float) -> View:
    return replace(view, azimuth=view.azimuth + math.radians(degrees))


def test_20_renders_are_posed_and_none_when_the_view_is_turned(desk: RayScene, shots: list[Shot]) -> None:
    right, wrong = [], []
    for shot in shots:
        near, mask = nearest_view(shot.truth), shot.estimated
        right.append(is_right(shot, desk, near, mask))
        wrong.append(is_right(shot, desk, turned(near, 90), mask))
    assert (sum(right), sum(wrong)) == (20, 0)


def test_the_silhouette_tells_right_views_from_turned_ones(desk: RayScene, shots: list[Shot]) -> None:
    for shot in shots[::3]:
        near, mask = nearest_view(shot.truth), shot.estimated
        overlaps = [
            fit_pose(desk, shot.photo, shot.box, turned(near, by), mask=mask, refine=PATIENT).silhouette_iou
            for by in (0, 90, 180)
        ]
        assert overlaps[0] == max(overlaps) > 0.8


def test_the_box_alone_places_the_model_about_right(desk: RayScene, shots: list[Shot]) -> None:
    overlaps = []
    for shot in shots:
        pose = fit_pose(desk, shot.photo, shot.box, nearest_view(shot.truth))
        assert angle_between(pose.azimuth, shot.truth.azimuth) <= math.radians(10)
        overlaps.append(silhouette_iou(desk, pose.camera, shot.mask, shot.box))
    assert np.mean(overlaps) > 0.75
    assert min(overlaps) > 0.55


def test_a_mask_of_something_else_moves_nothing(desk: RayScene, shots: list[Shot]) -> None:
    shot, near = shots[0], nearest_view(shots[0].truth)
    speckle = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.05
    pose = fit_pose(desk, shot.photo, shot.box, near, mask=speckle, refine=PATIENT)
    alone = fit_pose(desk, shot.photo, shot.box, near)
    assert (pose.azimuth, pose.elevation) == (alone.azimuth, alone.elevation)
    assert pose.silhouette_iou is not None
    assert pose.silhouette_iou < 0.2


def test_a_mask_brings_the_viewpoint_closer(desk: RayScene, shots: list[Shot]) -> None:
    before, after = [], []
    for shot in shots[:8]:
        near = nearest_view(shot.truth)
        pose = fit_pose(desk, shot.photo, shot.box, near, mask=shot.mask, refine=PATIENT)
        assert pose.silhouette_iou == pytest.approx(
            silhouette_iou(desk, pose.camera, shot.mask, shot.box), abs=1e-9
        )
        before.append(angle_between(near.azimuth, shot.truth.azimuth))
        after.append(angle_between(pose.azimuth, shot.truth.azimuth))
    assert np.mean(after) < 0.6 * np.mean(before)


def lean(camera: Camera) -> float:
    """Degrees, clockwise, by which the model's vertical is turned in the picture."""
    middle, above = project(camera, np.array([[0.0, 0, 0], [0, 0.01, 0]]))
    return math.degrees(math.atan2(above[0] - middle[0], middle[1] - above[1]))


@pytest.mark.parametrize("degrees", [7.0, -7.0])
def test_a_photo_turned_in_its_plane_is_seen_as_that(desk: RayScene, degrees: float) -> None:
    for seed in range(4):
        shot = shoot(desk, seed, math.radians(degrees))
        pose = fit_pose(desk, shot.photo, shot.box, nearest_view(shot.truth), mask=shot.mask, refine=PATIENT)
        upright = place(desk.points, shot.truth, shot.box, WIDTH, HEIGHT, shot.photo.focal_px or 0.0)
        assert lean(pose.camera) - lean(upright) == pytest.approx(degrees, abs=2.5)
        assert pose.silhouette_iou is not None
        assert pose.silhouette_iou > 0.9


def test_an_upright_photo_stays_upright(desk: RayScene, shots: list[Shot]) -> None:
    for shot in shots[:6]:
        near = nearest_view(shot.truth)
        pose = fit_pose(desk, shot.photo, shot.box, near, mask=shot.mask, refine=PATIENT)
        view = View(pose.azimuth, pose.elevation)
        upright = place(desk.points, view, shot.box, WIDTH, HEIGHT, shot.photo.focal_px or 0.0)
        np.testing.assert_allclose(pose.camera.camera_from_model, upright.camera_from_model, atol=1e-6)


@pytest.mark.parametrize("longer", [0.7, 1.2, 2.2])
def test_an_unknown_focal_length_is_judged_by_the_outline(desk: RayScene, longer: float) -> None:
    wanted, focal = Box(160, 90, 480, 390), longer * WIDTH
    usual, judged = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = View(rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(5, 27)))
        camera = place(desk.points, truth, wanted, WIDTH, HEIGHT, focal)
        mask = desk.mask(camera)
        box = mask_box(mask)
        assert box is not None
        photo = Photo(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        pose = fit_pose(desk, photo, box, nearest_view(truth), mask=mask, refine=PATIENT)
        assert pose.notes == (NO_FOCAL if pose.camera.fx == DEFAULT_FOCAL * WIDTH else GUESSED_FOCAL,)
        assert pose.silhouette_iou is not None
        judged.append(abs(math.log(pose.camera.fx / focal)))
        usual.append(abs(math.log(DEFAULT_FOCAL * WIDTH / focal)))
    assert np.mean(judged) <= 0.6 * np.mean(usual) + 0.05


def test_refinement_stays_within_its_reach(desk: RayScene, shots: list[Shot]) -> None:
    shot = shots[0]
    far = replace(shot.truth, azimuth=shot.truth.azimuth + math.radians(40))
    pose = fit_pose(desk, shot.photo, shot.box, far, mask=shot.mask, refine=PATIENT)
    assert angle_between(pose.azimuth, far.azimuth) <= math.radians(10) + 1e-6


def test_without_a_mask_nothing_is_claimed_of_the_silhouette(desk: RayScene, shots: list[Shot]) -> None:
    pose = fit_pose(desk, shots[0].photo, shots[0].box, nearest_view(shots[0].truth))
    assert pose.silhouette_iou is None
    assert pose.notes == ()


def test_no_time_leaves_the_view_the_box_gives(desk: RayScene, shots: list[Shot]) -> None:
    shot, near = shots[0], nearest_view(shots[0].truth)
    hurried = fit_pose(desk, shot.photo, shot.box, near, mask=shot.mask, refine=RefineLimits(seconds=0))
    alone = fit_pose(desk, shot.photo, shot.box, near)
    assert (hurried.azimuth, hurried.elevation) == (alone.azimuth, alone.elevation)


def test_what_makes_a_pose_uncertain_is_noted(desk: RayScene) -> None:
    photo = Photo(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert fit_pose(desk, photo, Box(0, 100, 200, 300), View(0, 0)).notes == (CUT_OFF, NO_FOCAL)
    with pytest.raises(BadBox):
        fit_pose(desk, photo, Box(WIDTH + 1, 100, WIDTH + 9, 300), View(0, 0))


def test_an_onboarded_model_is_fitted_by_its_directory(
    desk: RayScene, shots: list[Shot], tmp_path: Path
) -> None:
    save_mesh(desk.mesh, tmp_path / "mesh.npz")
    fitter, shot = ModelPoseFitter(kept=1, refine=PATIENT), shots[3]
    pose = fitter(shot.photo, shot.box, tmp_path, nearest_view(shot.truth))
    near, mask = nearest_view(shot.truth), shot.estimated
    direct = fit_pose(desk, shot.photo, shot.box, near, mask=mask, refine=PATIENT)
    assert isinstance(pose.camera, Camera)
    np.testing.assert_allclose(pose.camera.camera_from_model, direct.camera.camera_from_model, atol=1e-4)
    assert pose.silhouette_iou == pytest.approx(direct.silhouette_iou, abs=0.01)
    assert fitter.scene(tmp_path) is fitter.scene(tmp_path)
