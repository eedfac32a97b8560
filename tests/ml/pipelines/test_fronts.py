"""Which way models face, by their pictures."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.geometry.cameras import camera_for_view
from ml.mesh.glb import write_glb
from ml.mesh.parametric.sample import sample_catalog
from ml.pipelines.fronts import propose_front
from ml.pipelines.onboarding import OnboardJob, onboard
from ml.pose.front import proposed_front, quarter_scores
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.render.views import ViewGrid
from ml.types import Frame, Mesh, ModelFile, View

GRID = ViewGrid(azimuths=24, elevations_deg=(15.0,))
FACING = ("armchair", "sofa", "dresser", "desk", "office chair", "bookcase")  # kinds that have a front


def _turned(mesh: Mesh, quarters: int) -> Mesh:
    angle = quarters * math.pi / 2
    turn = np.array(
        [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]]
    )
    return replace(mesh, vertices=mesh.vertices @ turn.T)


def _picture(mesh: Mesh, path: Path) -> Path:
    """As catalogs have it: from before, a little to the left, on nothing."""
    scene = RayScene(mesh)
    camera = camera_for_view(scene.points, View(math.radians(34), math.radians(18)), 160)
    buffer = scene.cast(camera)
    picture = np.dstack([shade(buffer, camera)[..., ::-1], np.where(buffer.alpha, 255, 0).astype(np.uint8)])
    cv2.imwrite(str(path), picture)
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """Pictures of products, and the same products onboarded turned by 90 degrees: their front is at +x."""
    folder = tmp_path_factory.mktemp("shop")
    items = []
    products = [
        product for product in sample_catalog() if any(kind in product.name.lower() for kind in FACING)
    ]
    for product in products[:12]:
        mesh = product.design.build()
        write_glb(_turned(mesh, 1), folder / f"{product.key}.glb")
        file = ModelFile(product.key, folder / f"{product.key}.glb", product.name)
        onboard(OnboardJob(file, Frame(unit="m", up="+y", front="+z"), folder / product.key), grid=GRID)
        items.append((_picture(mesh, folder / f"{product.key}.png"), folder / product.key))
    return items


def test_the_pictures_of_a_turned_catalog_show_which_side_is_the_front(shop: list[tuple[Path, Path]]) -> None:
    found = propose_front(shop, "viewnet")
    assert found.quarter == 1, found
    assert found.pictures == len(shop) == 12


def test_pictures_that_show_nothing_are_passed_over(shop: list[tuple[Path, Path]], tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    cv2.imwrite(str(tmp_path / "even.png"), np.full((64, 64, 3), 200, np.uint8))
    found = propose_front(
        [(tmp_path / name, shop[0][1]) for name in ("text.png", "even.png", "gone.png")], "viewnet"
    )
    assert found.pictures == 0
    assert found.quarter is None


def test_few_or_divided_votes_propose_nothing() -> None:
    front, side = np.array([0.9, 0.1, 0.1, 0.1]), np.array([0.1, 0.9, 0.1, 0.1])
    unsure = np.array([0.9, 0.88, 0.1, 0.1])
    assert proposed_front([front] * 4).quarter is None
    assert proposed_front([front] * 5 + [side] * 5).quarter is None
    assert proposed_front([unsure] * 50).votes == (0, 0, 0, 0)
    assert proposed_front([side] * 6 + [front] * 2 + [unsure] * 9).quarter == 1


def test_scores_follow_the_azimuth() -> None:
    azimuths = np.radians(np.arange(0, 360, 10))
    views = np.stack([np.cos(azimuths), np.sin(azimuths)], axis=1)
    for quarter in range(4):
        angle = math.radians(37 + 90 * quarter)
        scores = quarter_scores(np.array([math.cos(angle), math.sin(angle)]), views, azimuths)
        assert int(np.argmax(scores)) == quarter
