"""What views tell of a model: symmetry, and what looks wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from ml.mesh.parametric.sample import sample_catalog
from ml.render.inspecting import symmetry, turned_error, view_warnings
from ml.render.raycast import RayScene
from ml.render.views import ViewGrid, render_views
from ml.types import Mesh, ViewSet

GRID = ViewGrid(azimuths=8, elevations_deg=(15.0,))


@pytest.fixture(scope="module")
def chair():
    return next(one for one in sample_catalog() if one.key == "wing-armchair").design.build()


def _views(mesh: Mesh, shape: trimesh.Trimesh | None = None) -> ViewSet:
    """Of the mesh, or of another shape in its first material."""
    if shape is not None:
        faces = np.asarray(shape.faces, np.int32)
        mesh = Mesh(np.asarray(shape.vertices), faces, np.zeros(len(faces), np.int32), mesh.materials[:1])
    return render_views(RayScene(mesh), GRID)


def _turned(shape: trimesh.Trimesh) -> trimesh.Trimesh:
    shape.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    return shape


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (lambda: _turned(trimesh.creation.cylinder(0.3, 0.8, sections=64)), "round"),
        (lambda: trimesh.creation.box((1, 0.5, 1)), "quarter"),
        (lambda: trimesh.creation.box((1.4, 0.5, 0.8)), "half"),
    ],
)
def test_symmetry_about_the_up_axis(chair, shape, expected: str) -> None:
    assert symmetry(_views(chair, shape())) == expected


@pytest.mark.parametrize(("of", "error"), [("none", 170), ("half", 10), ("quarter", 10), ("round", 0)])
def test_azimuths_that_look_the_same_are_one(of: str, error: float) -> None:
    assert np.degrees(turned_error(np.radians(-5), np.radians(165), of)) == pytest.approx(error)
    assert np.degrees(turned_error(np.radians(725), np.radians(5), of)) == pytest.approx(0)


def test_a_chair_has_a_front_and_nothing_wrong(chair) -> None:
    views = _views(chair)
    assert symmetry(views) == "none"
    assert view_warnings(views, (0.8, 1.0, 0.8)) == []


def test_what_looks_wrong_is_said(chair) -> None:
    views = _views(chair)

    def said(level: int, extents: tuple[float, float, float]) -> str:
        drawn = np.where(views.masks[..., None], np.uint8(level), views.pixels)
        return " ".join(view_warnings(replace(views, pixels=drawn), extents))

    assert "all black" in said(4, (1, 1, 1))
    assert "almost invisible" in said(127, (1, 1, 1))
    assert "flat" in said(60, (1, 0.001, 1))
    assert "40 m long" in said(60, (40, 1, 1))
    assert "2.0 mm long" in said(60, (0.002, 0.001, 0.001))
    assert said(60, (1, 1, 1)) == ""
