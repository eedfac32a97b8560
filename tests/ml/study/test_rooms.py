"""A path-traced photograph agrees with our own cameras."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.errors import BadSource
from ml.geometry.boxes import around
from ml.geometry.cameras import camera_center, look_at, project
from ml.mesh.glb import write_glb
from ml.mesh.normalizing import normalize
from ml.mesh.parametric.families import random_mesh
from ml.mesh.reading import read_mesh
from ml.study import rooms
from ml.types import Camera, Frame, ModelFile


@pytest.fixture
def chair(tmp_path: Path) -> ModelFile:
    path = tmp_path / "chair.glb"
    write_glb(random_mesh("chair", np.random.default_rng(4)), path)
    return ModelFile("shop#chair", path, "Chair", Frame(unit="m", up="+y", front="+z"), category="Seats")


def test_the_mask_lies_where_the_tracer_drew_the_product(
    chair: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "SAMPLES", 24)
    monkeypatch.setattr(rooms, "WIDTH", 200)
    monkeypatch.setattr(rooms, "HEIGHT", 150)
    out = tmp_path / "out"
    told: list[tuple[str, int, int]] = []
    left_out = rooms.render_rooms([chair], [chair], out, each=1, seed=3, tell=lambda *what: told.append(what))
    assert left_out == []
    assert told == [("Chair", 0, 1)]
    [line] = map(json.loads, (out / "queries.jsonl").read_text().splitlines())
    [hidden] = map(json.loads, (out / "found.jsonl").read_text().splitlines())
    assert hidden == {**line, "box": None}
    assert line["relevant"] == ["shop#chair"]
    photo = cv2.imread(str(out / line["photo"]))
    mask = cv2.imread(str(out / line["mask"]), cv2.IMREAD_GRAYSCALE) > 0
    assert photo.shape == (rooms.HEIGHT, rooms.WIDTH, 3)
    # the outline runs along edges of the picture: a shifted or mirrored one would not
    soft = cv2.GaussianBlur(photo, (0, 0), 2).astype(np.float32)
    edges = np.hypot(cv2.Sobel(soft, -1, 1, 0), cv2.Sobel(soft, -1, 0, 1)).max(axis=2)
    rim = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3))).astype(bool)
    along = edges[rim].mean()
    assert along > 1.5 * edges[np.roll(rim, 30, axis=1)].mean()
    assert along > 1.5 * edges[rim[:, ::-1]].mean()
    mesh = normalize(read_mesh(chair.path)[0], Frame(unit="m", up="+y", front="+z"))[0]
    pose = look_at(math.radians(line["azimuth_deg"]), math.radians(line["elevation_deg"]), line["distance"])
    seen = around(project(Camera(line["focal_px"], line["focal_px"], 0, 0, 1, 1, pose), mesh.vertices))
    x0, y0, x1, y1 = line["box"]  # somewhat larger: the camera looked a little aside
    assert (seen.width * seen.height) / ((x1 - x0) * (y1 - y0)) == pytest.approx(1, abs=0.35)
    before = (out / line["photo"]).stat().st_mtime_ns
    rooms.render_rooms([chair], [chair], out, each=1, seed=3, tell=lambda *_: None)
    assert (out / line["photo"]).stat().st_mtime_ns == before, "what is there is kept"


def test_a_list_that_names_nothing_there_says_so(tmp_path: Path) -> None:
    listed = tmp_path / "held_out.tsv"
    listed.write_text("library\tid\tname\twhy\n")
    with pytest.raises(BadSource, match="none of the products"):
        rooms.products_of([], listed, tmp_path / "work")


def test_what_stands_before_the_product_is_seen_and_not_photographed(
    chair: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mitsuba as mi

    mi.set_variant("scalar_rgb")
    target = rooms._Placed(*rooms._loaded(chair), np.eye(4))
    camera = Camera(300, 300, 80, 60, 160, 120, look_at(0.3, 0.2, 4.0))
    seen = rooms._depth(target, camera) < np.inf
    shapes = {f"part_{at}": one for at, one in enumerate(rooms._shapes(target, np.random.default_rng(0)))}
    open_to_view = mi.load_dict({"type": "scene", **shapes})
    assert rooms._hidden(open_to_view, target, camera, seen) < 0.02
    before = mi.ScalarTransform4f().look_at(
        origin=[float(x) for x in 0.6 * camera_center(camera)], target=[0, 0, 0], up=[0, 1, 0]
    )
    lamp = {"type": "rectangle", "to_world": before}
    assert rooms._hidden(mi.load_dict({"type": "scene", **shapes, "lamp": lamp}), target, camera, seen) > 0.98
    monkeypatch.setattr(rooms, "_hidden", lambda *_: 0.5)
    with pytest.raises(ValueError, match="walls or lamps"):
        rooms._traced(target, [target], camera, seen, np.random.default_rng(0))
