"""Furniture in use: things stand where they can, and the model stays what it was."""

from __future__ import annotations

import numpy as np
import pytest

from ml.mesh.parametric.families import random_mesh
from ml.mesh.parametric.shapes import Assembly, ball, box
from ml.render.raycast import RayScene
from ml.train.contents import used
from ml.types import Material, Mesh

_WOOD = Material("wood", np.array([0.5, 0.4, 0.3, 1], np.float32))
_SEEDS = range(8)


def _shelves() -> Mesh:
    """Two sides, a back and four boards 0.3 m apart; 0.8 m wide, 0.92 m high, 0.3 m deep."""
    made = Assembly()
    made.mirrored(_WOOD, box(0.02, 0.92, 0.3).at(x=0.39))
    made.add(_WOOD, box(0.76, 0.92, 0.01).at(z=-0.145))
    made.add(_WOOD, *(box(0.76, 0.02, 0.29).at(y=-0.45 + 0.3 * k) for k in range(4)))
    return made.mesh()


def _things(mesh: Mesh, seen: Mesh) -> np.ndarray:
    return seen.vertices[len(mesh.vertices) :]


def test_the_model_itself_is_unchanged_and_things_have_materials_of_their_own() -> None:
    mesh = _shelves()
    seen = used(RayScene(mesh), np.random.default_rng(1))
    faces = len(mesh.faces)
    assert len(seen.faces) > faces
    assert np.array_equal(seen.vertices[: len(mesh.vertices)], mesh.vertices)
    assert np.array_equal(seen.faces[:faces], mesh.faces)
    assert np.array_equal(seen.face_material[:faces], mesh.face_material)
    assert seen.face_material[faces:].min() >= len(mesh.materials)
    assert seen.face_material.max() < len(seen.materials)
    assert seen.faces.max() < len(seen.vertices)


def test_books_hide_the_back_of_shelves() -> None:
    mesh = _shelves()
    bare = RayScene(mesh)
    toward = np.tile(np.array([0, 0, -1], np.float32), (400, 1))
    rng = np.random.default_rng(0)
    origins = np.stack(
        [rng.uniform(-0.37, 0.37, 400), rng.uniform(-0.43, 0.43, 400), np.full(400, 1.0)], axis=1
    ).astype(np.float32)
    reached = bare.distances(origins, toward) > 1.1
    hidden = []
    for seed in _SEEDS:
        scene = RayScene(used(RayScene(mesh), np.random.default_rng(seed)))
        far = scene.distances(origins, toward)
        hidden.append(float((far[reached] < 1.1).mean()))
    assert max(hidden) > 0.4
    assert min(hidden) < max(hidden) - 0.2  # some shelves stay empty


def test_inside_nothing_is_higher_or_wider_than_the_model() -> None:
    for mesh in (_shelves(), random_mesh("bookcase", np.random.default_rng(2))):
        for seed in _SEEDS:
            things = _things(mesh, used(RayScene(mesh), np.random.default_rng(seed), is_inside=True))
            if len(things):
                assert (things.min(axis=0) >= mesh.vertices.min(axis=0) - 0.03).all()
                assert (things.max(axis=0) <= mesh.vertices.max(axis=0) + 0.03).all()


def test_things_stand_on_a_table_and_under_it() -> None:
    made = Assembly()
    made.add(_WOOD, box(1.2, 0.04, 0.8).at(y=0.7))
    made.on_corners(_WOOD, box(0.05, 0.68, 0.05).at(y=0.34), 0.55, 0.35)
    mesh = made.mesh()
    top, foot = mesh.vertices[:, 1].max(), mesh.vertices[:, 1].min()
    lowest = []
    for seed in range(24):
        things = _things(mesh, used(RayScene(mesh), np.random.default_rng(seed)))
        if len(things):
            lowest.append(float(things[:, 1].min()))
            assert things[:, 1].min() >= foot - 0.01
    assert any(abs(y - top) < 0.01 for y in lowest)
    assert any(y < top - 0.2 for y in lowest)


@pytest.mark.parametrize(
    "mesh",
    [
        Mesh(
            ball(0.3, 6).vertices,
            ball(0.3, 6).faces.astype(np.int32),
            np.zeros(len(ball(0.3, 6).faces), np.int32),
            (_WOOD,),
        ),
        Mesh(
            np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]),
            np.array([[0, 1, 2]], np.int32),
            np.zeros(1, np.int32),
            (_WOOD,),
        ),
    ],
    ids=["ball", "upright sheet"],
)
def test_what_has_no_level_place_comes_back_without_a_fault(mesh: Mesh) -> None:
    for seed in _SEEDS:
        seen = used(RayScene(mesh), np.random.default_rng(seed))
        assert np.isfinite(seen.vertices).all()


def test_texture_coordinates_go_on_with_the_faces() -> None:
    textured = Material("cloth", np.ones(4, np.float32), np.full((2, 2, 4), 255, np.uint8))
    made = Assembly()
    made.add(textured, box(1.2, 0.04, 0.8))
    mesh = made.mesh()
    seen = used(RayScene(mesh), np.random.default_rng(3))
    assert mesh.uv is not None
    assert seen.uv is not None
    assert len(seen.uv) == len(seen.faces)
