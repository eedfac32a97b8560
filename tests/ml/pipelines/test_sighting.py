"""`python -m ml find`: one product among several in a photo, by its command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.__main__ import main
from ml.geometry.boxes import iou, mask_box
from ml.geometry.cameras import camera_for_view
from ml.mesh.glb import write_glb
from ml.mesh.parametric.families import random_mesh
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.types import Box, Mesh, View

AZIMUTH, ELEVATION = math.radians(33), math.radians(11)  # not of the grid


def _pasted(photo: np.ndarray, mesh: Mesh, x: int, y: int, longest: int) -> Box:
    scene = RayScene(mesh)
    camera = camera_for_view(scene.points, View(AZIMUTH, ELEVATION), longest)
    buffer = scene.cast(camera)
    picture = shade(buffer, camera)
    part = photo[y : y + camera.height, x : x + camera.width]
    part[buffer.alpha] = picture[buffer.alpha]
    box = mask_box(buffer.alpha)
    assert box is not None
    return Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y)


def test_the_product_is_found_among_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    chair, cabinet = random_mesh("office chair", rng), random_mesh("cabinet", rng)
    write_glb(chair, tmp_path / "chair.glb")
    photo = np.full((360, 480, 3), (222, 214, 206), np.uint8)
    _pasted(photo, cabinet, 20, 60, 190)
    true = _pasted(photo, chair, 280, 110, 180)
    cv2.imwrite(str(tmp_path / "room.png"), photo[..., ::-1])
    asked = ["find", str(tmp_path / "chair.glb"), str(tmp_path / "room.png"), "--each", "2"]
    assert main([*asked, "--json", str(tmp_path / "out.json"), "--pictures", str(tmp_path / "seen")]) == 0
    first, *rest = json.loads((tmp_path / "out.json").read_text())
    assert iou(Box(*first["box"]), true) > 0.6
    assert first["calibrated"] > 0
    away = (first["azimuth_deg"] - 33 + 180) % 360 - 180
    assert abs(away) <= 15
    assert all(other["calibrated"] <= first["calibrated"] for other in rest)
    assert (cv2.imread(str(tmp_path / "seen" / "room.jpg")) != photo[..., ::-1]).any()


def test_what_is_no_model_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert main(["find", str(tmp_path / "notes.txt"), str(tmp_path / "room.png")]) == 1
    assert "is no catalog or model" in capsys.readouterr().err
