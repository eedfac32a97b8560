from __future__ import annotations

import math

import numpy as np
import pytest

from ml.errors import BadMesh
from ml.geometry.cameras import camera_center, look_at
from ml.render.raycast import RayScene
from ml.types import Camera, Mesh


def camera(azimuth: float = 0, elevation: float = 0, distance: float = 5, focal: float = 200) -> Camera:
    return Camera(focal, focal, 64, 48, 128, 96, look_at(azimuth, elevation, distance))


def points_of(depth: np.ndarray, camera: Camera) -> np.ndarray:
    """(h, w, 3) model points of a depth picture."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones_like(x)], axis=2)
    return (rays * depth[..., None]) @ camera.camera_from_model[:3, :3] + camera_center(camera)


def test_a_sphere_is_seen_where_and_as_it_is(sphere: Mesh) -> None:
    at = camera(0.7, 0.4)
    seen = RayScene(sphere).cast(at)
    # its outline is a circle of radius f * tan(asin(1 / 5))
    assert seen.alpha.sum() == pytest.approx(math.pi * (200 * math.tan(math.asin(1 / 5))) ** 2, rel=0.01)
    points = points_of(seen.depth, at)[seen.alpha]
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=0.005)
    np.testing.assert_allclose(seen.normal[seen.alpha], points, atol=0.03)
    rays = points - camera_center(at)
    assert ((seen.normal[seen.alpha] * rays).sum(axis=1) < 1e-5).all()
    np.testing.assert_allclose(np.linalg.norm(seen.normal[seen.alpha], axis=1), 1, atol=0.01)
    assert (seen.albedo[seen.alpha] == (204, 102, 51)).all()
    assert (seen.part[seen.alpha] == 0).all()


def test_nothing_is_told_where_nothing_is_hit(sphere: Mesh) -> None:
    seen = RayScene(sphere).cast(camera())
    empty = ~seen.alpha
    assert empty.any()
    assert (seen.part[empty] == -1).all()
    assert not seen.normal[empty].any()
    assert not seen.albedo[empty].any()
    assert not seen.depth[empty].any()


def test_normals_are_unit_and_face_the_camera_from_either_side(make_quad) -> None:
    scene = RayScene(make_quad())
    for azimuth, z in ((0.3, 1), (math.pi - 0.3, -1)):
        seen = scene.cast(camera(azimuth))
        assert seen.alpha.any()
        np.testing.assert_allclose(seen.normal[seen.alpha], [[0, 0, z]] * int(seen.alpha.sum()), atol=1e-6)


def test_the_nearer_part_hides_the_farther(make_mesh, make_block) -> None:
    front, back = make_block(0, 0, 1, 1, 1, 0.2), make_block(0, 0, -1, 1, 1, 0.2)
    scene = RayScene(make_mesh((front, (1, 0, 0, 1)), (back, (0, 0, 1, 1))))
    assert scene.cast(camera(0)).part[48, 64] == 0
    assert scene.cast(camera(math.pi)).part[48, 64] == 1
    assert scene.cast(camera(0)).depth[48, 64] == pytest.approx(3.9, abs=1e-4)


def test_the_model_may_leave_the_picture(sphere: Mesh) -> None:
    assert RayScene(sphere).cast(camera(distance=1.5, focal=100)).alpha.all()


def test_a_camera_inside_the_model_sees_its_walls(make_mesh, make_block) -> None:
    room = RayScene(make_mesh((make_block(0, 0, 0, 4, 4, 4), (1, 1, 1, 1))))
    seen = room.cast(camera(distance=0.0, focal=60))
    assert seen.alpha.all()
    assert seen.depth[48, 64] == pytest.approx(2, abs=1e-4)


def test_a_texture_is_upright_and_tinted_by_its_base_color(make_quad) -> None:
    texture = np.full((2, 2, 4), 255, np.uint8)
    texture[0, 0, :3], texture[0, 1, :3] = (200, 0, 0), (0, 200, 0)
    texture[1, 0, :3], texture[1, 1, :3] = (0, 0, 200), (200, 200, 0)
    seen = RayScene(make_quad(texture, (0.5, 1, 1, 1))).cast(camera())
    assert tuple(seen.albedo[24, 40]) == (100, 0, 0)
    assert tuple(seen.albedo[24, 88]) == (0, 200, 0)
    assert tuple(seen.albedo[72, 40]) == (0, 0, 200)
    assert tuple(seen.albedo[72, 88]) == (100, 200, 0)


def test_a_fine_texture_is_averaged_from_afar(make_quad) -> None:
    texture = np.full((512, 512, 4), 255, np.uint8)
    texture[::2, ::2, :3] = texture[1::2, 1::2, :3] = 0
    seen = RayScene(make_quad(texture)).cast(camera())
    assert 120 <= seen.albedo[seen.alpha].min() <= seen.albedo[seen.alpha].max() <= 135


def test_rays_pass_cut_out_texels_but_not_panes(make_quad) -> None:
    texture = np.full((4, 4, 4), 255, np.uint8)
    texture[:, :2, 3] = 0
    seen = RayScene(make_quad(texture)).cast(camera())
    assert not seen.alpha[:, :64].any()
    assert seen.alpha[48, 65:100].all()
    pane = RayScene(make_quad(color=(1, 1, 1, 0.3))).cast(camera())
    assert pane.alpha[48, 64]


def test_what_lies_behind_a_hole_is_seen(make_quad) -> None:
    holed = np.full((4, 4, 4), 255, np.uint8)
    holed[:, :2, 3] = 0
    front, back = make_quad(holed), make_quad(color=(0, 0, 1, 1))
    mesh = Mesh(
        np.concatenate([front.vertices + (0, 0, 1), back.vertices]),
        np.concatenate([front.faces, back.faces + 4]).astype(np.int32),
        np.array([0, 0, 1, 1], np.int32),
        front.materials + back.materials,
        np.concatenate([front.uv, back.uv]),
    )
    seen = RayScene(mesh).cast(camera())
    assert (seen.part[48, 50], seen.part[48, 80]) == (1, 0)
    assert seen.depth[48, 50] == pytest.approx(5, abs=1e-3)
    assert tuple(seen.albedo[48, 50]) == (0, 0, 255)


def test_invisible_parts_are_left_out_unless_all_are(make_mesh, make_block) -> None:
    ghost = (make_block(0, 0, 1, 1, 1, 0.2), (1, 1, 1, 0.05))
    solid = (make_block(0, 0, 0, 0.4, 0.4, 0.4), (1, 0, 0, 1))
    both = RayScene(make_mesh(ghost, solid))
    assert set(np.unique(both.cast(camera()).part)) == {-1, 1}
    assert np.abs(both.points).max() == pytest.approx(0.2)
    assert RayScene(make_mesh(ghost)).cast(camera()).alpha.any()


def test_the_mask_is_the_casts_alpha(chair: Mesh) -> None:
    scene = RayScene(chair)
    for azimuth in (0.1, 1.3, 4.0):
        at = camera(azimuth, 0.3, 2)
        np.testing.assert_array_equal(scene.mask(at), scene.cast(at).alpha)


def test_a_mesh_without_faces_is_refused(sphere: Mesh) -> None:
    empty = Mesh(sphere.vertices, sphere.faces[:0], sphere.face_material[:0], sphere.materials)
    with pytest.raises(BadMesh, match="no faces"):
        RayScene(empty)
