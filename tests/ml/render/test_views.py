from __future__ import annotations

import io
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ml.errors import ViewsCorrupt
from ml.geometry.boxes import around, mask_box
from ml.geometry.cameras import angles_from, camera_center, project
from ml.geometry.crops import crop_of_view
from ml.render.raycast import RayScene
from ml.render.shading import BACKGROUND, RENDERER_FINGERPRINT, shade, shade_hits
from ml.render.silhouette import silhouette, tight_box
from ml.render.thumbnails import thumbnail
from ml.render.views import (
    DEFAULT_GRID,
    ViewGrid,
    gray_sheet,
    load_views,
    render_views,
    save_views,
    sheet_tile,
    view_jpeg,
)
from ml.types import Box, Camera, Mesh, ViewSet

GRID = ViewGrid(azimuths=8, elevations_deg=(0.0, 25.0))
SIZE = 90  # its margin is 5 pixels
RED = (230, 26, 26)


@pytest.fixture(scope="module")
def views(chair: Mesh) -> ViewSet:
    return render_views(chair, GRID, SIZE)


def test_the_default_grid_is_that_of_the_conventions() -> None:
    grid = DEFAULT_GRID.views
    assert len(grid) == len(DEFAULT_GRID) == 108
    for k, view in enumerate(grid):
        assert math.degrees(view.elevation) == pytest.approx((0, 15, 30)[k // 36])
        assert math.degrees(view.azimuth) == pytest.approx((k % 36) * 10)


def test_every_view_fills_its_crop_but_for_the_margin(views: ViewSet) -> None:
    for mask in views.masks:
        box = mask_box(mask)
        assert box is not None
        assert np.abs(np.array(box.as_tuple()) - (5, 5, 85, 85)).max() <= 1


def test_cameras_are_tight_and_stand_at_the_views_angles(views: ViewSet, chair: Mesh) -> None:
    for view, camera, aspect in zip(views.grid, views.cameras, views.aspects, strict=True):
        box = around(project(camera, chair.vertices))
        assert (box.x0, box.y0) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
        assert max(box.x1, box.y1) == pytest.approx(SIZE)
        assert box.aspect == pytest.approx(aspect, rel=1e-5)
        found = angles_from(camera_center(camera))
        assert math.cos(found.azimuth - view.azimuth) == pytest.approx(1)
        assert found.elevation == pytest.approx(view.elevation)


def test_a_view_is_what_its_unstretched_camera_sees(views: ViewSet, chair: Mesh) -> None:
    scene = RayScene(chair)
    for k in (0, 3, 9):
        crop = crop_of_view(views, k, SIZE)
        whole = scene.mask(views.cameras[k])
        rows, columns = np.nonzero(whole)
        inside = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
        x, y, _ = (crop.crop_from_photo @ inside).astype(int)
        assert views.masks[k][y, x].mean() > 0.97


def test_the_red_arm_is_on_the_models_left(views: ViewSet) -> None:
    def red(k: int) -> np.ndarray:
        pixels = views.pixels[k].astype(int)
        return pixels[..., 0] - pixels.mean(axis=2) > 60

    from_front, from_left, from_right = red(8), red(10), red(14)
    assert np.nonzero(from_front)[1].mean() > SIZE * 0.7
    assert from_left.sum() > 1.1 * from_right.sum() > 0


def test_the_background_is_neutral_and_the_object_is_not(views: ViewSet) -> None:
    assert (views.pixels[~views.masks] == BACKGROUND).all()
    assert views.pixels[views.masks].std() > 10


def test_rendering_is_deterministic(views: ViewSet, chair: Mesh) -> None:
    again = render_views(chair, GRID, SIZE)
    np.testing.assert_array_equal(again.pixels, views.pixels)
    np.testing.assert_array_equal(again.masks, views.masks)


def test_shading_a_gbuffer_equals_shading_hits(chair: Mesh, views: ViewSet) -> None:
    scene, camera = RayScene(chair), views.cameras[2]
    np.testing.assert_array_equal(shade(scene.cast(camera), camera), shade_hits(scene.hits(camera), camera))


def test_a_needle_no_pixel_sees_does_not_widen_the_view(make_mesh, make_block) -> None:
    color = (0.5, 0.5, 0.5, 1)
    needle = make_block(0, 2, 0, 1e-4, 3, 1e-4)
    seen = render_views(make_mesh((make_block(0, 0, 0, 1, 1, 1), color), (needle, color)), GRID, SIZE)
    assert seen.aspects[0] == pytest.approx(1, rel=0.1)
    assert all(mask.sum() > 0.5 * SIZE * SIZE for mask in seen.masks[:1])


def test_a_rug_seen_edge_on_is_thin_but_finite(make_mesh, make_block) -> None:
    flat = make_block(0, 0, 0, 2, 0.0, 1)
    seen = render_views(make_mesh((flat, (1, 0, 0, 1))), GRID, SIZE)
    assert np.isfinite(seen.aspects).all()
    assert (seen.aspects > 0).all()
    assert seen.aspects[0] < 0.02
    assert seen.masks[8].any()


def test_views_survive_the_disk(views: ViewSet, tmp_path: Path) -> None:
    save_views(views, tmp_path)
    loaded = load_views(tmp_path)
    np.testing.assert_array_equal(loaded.masks, views.masks)
    np.testing.assert_array_equal(loaded.aspects, views.aspects)
    assert loaded.grid == views.grid
    assert loaded.fingerprint == RENDERER_FINGERPRINT
    for a, b in zip(loaded.cameras, views.cameras, strict=True):
        assert (a.fx, a.fy, a.cx, a.cy, a.width, a.height) == (b.fx, b.fy, b.cx, b.cy, b.width, b.height)
        np.testing.assert_array_equal(a.camera_from_model, b.camera_from_model)
    error = np.abs(loaded.pixels.astype(int) - views.pixels)
    assert error.mean() < 1.5
    assert np.percentile(error, 99) < 20


def test_saving_twice_writes_the_same_bytes(views: ViewSet, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_views(views, tmp_path / name)
    for name in ("views.jpg", "views-gray.jpg", "views.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", ["views.jpg", "views.npz"])
@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_damaged_views_are_named_with_the_way_out(
    views: ViewSet, tmp_path: Path, name: str, damage: str
) -> None:
    save_views(views, tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 3] if damage == "cut" else b"not this")
    if (name, damage) == ("views.jpg", "cut"):
        return  # decoders fill in what is missing; a generation's checksums tell
    with pytest.raises(ViewsCorrupt, match="import the model again"):
        load_views(tmp_path)


def test_the_gray_sheet_holds_the_same_views_small(views: ViewSet, tmp_path: Path) -> None:
    save_views(views, tmp_path)
    count = len(views.grid)
    kept = gray_sheet(tmp_path)
    side = sheet_tile(kept, 0, count).shape[0]
    assert side == min(96, views.pixels.shape[1])
    for k in (0, count - 1):
        gray = cv2.cvtColor(views.pixels[k], cv2.COLOR_RGB2GRAY)
        small = cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA)
        assert np.abs(sheet_tile(kept, k, count).astype(int) - small).mean() < 3

    (tmp_path / "views-gray.jpg").unlink()  # imported before it was kept
    half = sheet_tile(gray_sheet(tmp_path), 0, count)
    assert half.shape[0] == views.pixels.shape[1] // 2

    (tmp_path / "views.jpg").write_bytes(b"no picture")
    with pytest.raises(ViewsCorrupt, match="import the model again"):
        gray_sheet(tmp_path)
    (tmp_path / "views.jpg").unlink()
    with pytest.raises(ViewsCorrupt, match="import the model again"):
        gray_sheet(tmp_path)


def test_one_views_picture_has_its_true_proportions(views: ViewSet, tmp_path: Path) -> None:
    save_views(views, tmp_path)
    for k in (0, 10):
        picture = Image.open(io.BytesIO(view_jpeg(tmp_path, k)))
        assert picture.height / picture.width == pytest.approx(views.aspects[k], rel=0.05)


def test_a_silhouette_scales_and_its_box_is_tight(chair: Mesh, views: ViewSet) -> None:
    camera = views.cameras[1]
    whole, small = silhouette(chair, camera), silhouette(RayScene(chair), camera, 45)
    assert whole.shape == (camera.height, camera.width)
    assert max(small.shape) == 45
    assert small.mean() == pytest.approx(whole.mean(), abs=0.02)
    assert tight_box(whole) == Box(0, 0, camera.width, camera.height)


def test_a_thumbnail_shows_the_model_on_light_ground(chair: Mesh) -> None:
    picture = thumbnail(RayScene(chair), 96)
    assert picture.shape == (96, 96, 3)
    assert picture[0, 0].min() > 240
    reds = np.abs(picture.astype(int) - RED).sum(axis=2) < 130
    assert 10 < reds.sum() < 1500
    assert (picture.max(axis=2) < 235).mean() > 0.1


def test_cameras_of_views_are_plain_pinholes(views: ViewSet) -> None:
    assert all(isinstance(camera, Camera) and camera.fx == camera.fy for camera in views.cameras)
