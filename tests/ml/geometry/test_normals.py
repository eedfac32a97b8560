from __future__ import annotations

import numpy as np
import trimesh

from ml.geometry.normals import corner_normals, face_normals, merged_vertices


def test_a_box_stays_sharp() -> None:
    box = trimesh.creation.box((1, 2, 3))
    normals = corner_normals(box.vertices, box.faces)
    np.testing.assert_allclose(normals, np.repeat(box.face_normals[:, None], 3, axis=1), atol=1e-6)


def test_a_sphere_is_smooth_even_where_its_faces_share_no_vertex() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=3)
    loose = sphere.triangles.reshape(-1, 3)
    faces = np.arange(len(loose)).reshape(-1, 3)
    normals = corner_normals(loose, faces)
    np.testing.assert_allclose(normals.reshape(-1, 3), loose, atol=0.02)


def test_faces_wound_the_other_way_count_too() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=3)
    faces = sphere.faces.copy()
    turned = np.random.default_rng(0).random(len(faces)) < 0.5
    faces[turned] = faces[turned][:, ::-1]
    normals = corner_normals(sphere.vertices, faces).reshape(-1, 3)
    outward = np.sign((normals * sphere.vertices[faces].reshape(-1, 3)).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(normals * outward, sphere.vertices[faces].reshape(-1, 3), atol=0.02)


def test_a_face_without_area_has_finite_normals() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2.0, 0, 0]])
    normals = corner_normals(vertices, np.array([[0, 1, 2], [0, 1, 3]]))
    assert np.isfinite(normals).all()
    np.testing.assert_allclose(normals[0], [[0, 0, 1]] * 3, atol=1e-6)


def test_a_fan_with_many_faces_is_left_flat() -> None:
    cone = trimesh.creation.cone(radius=1, height=0.1, sections=200)
    normals = corner_normals(cone.vertices, cone.faces)
    assert np.isfinite(normals).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=1e-5)


def test_face_normals_are_twice_the_area() -> None:
    box = trimesh.creation.box((1, 2, 3))
    np.testing.assert_allclose(
        np.linalg.norm(face_normals(box.vertices, box.faces), axis=1), 2 * box.area_faces
    )


def test_vertices_at_one_place_share_a_number() -> None:
    vertices = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1e-9], [1, 1, 1.0001]])
    numbers = merged_vertices(vertices)
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 3
