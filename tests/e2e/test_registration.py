"""The overlay draws every point of a model on the pixel where the server projects it, at any window size."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest
import trimesh
from playwright.sync_api import Page

from ml.geometry.cameras import depths, project
from ml.pose.placing import place
from ml.types import Box, Camera, View
from tests.conftest import REPOSITORY, Site

pytestmark = pytest.mark.browser

POSES = 24
WIDTHS = (390, 733, 1180)  # CSS pixels the photo is shown at: a phone, something odd, a desktop
PHOTO = (1024, 768)
WITHIN = 1.5  # pixels of the canvas
RADIUS = 0.05  # metres of a marker
MARKERS = {
    "red": ((0.55, 0.0, 0.0), (1.0, 0.0, 0.0)),
    "green": ((-0.55, 0.1, 0.0), (0.0, 1.0, 0.0)),
    "blue": ((0.0, 0.6, 0.05), (0.0, 0.0, 1.0)),
    "yellow": ((0.1, -0.6, 0.0), (1.0, 1.0, 0.0)),
    "magenta": ((0.0, 0.05, 0.6), (1.0, 0.0, 1.0)),
    "cyan": ((0.05, 0.0, -0.6), (0.0, 1.0, 1.0)),
}

# draws each pose at each width; of each: {marker: [x, y, pixels]} from what is on the canvas
DRAW = """async ({ module, glb, cameras, widths, aspect }) => {
  const { Overlay } = await import(module);
  const bytes = Uint8Array.from(atob(glb), (c) => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes]));
  const canvas = document.createElement('canvas');
  canvas.style.cssText = 'position: fixed; left: 0; top: 0; max-width: none; visibility: hidden';
  document.body.append(canvas);
  const overlay = new Overlay(canvas);
  await overlay.show(url, cameras[0]);
  const copy = document.createElement('canvas');
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve)); // after what was asked before it
  const found = [];
  for (const width of widths) {
    canvas.style.width = width + 'px';
    canvas.style.height = width / aspect + 'px';
    await frame();
    for (const camera of cameras) {
      overlay.put(camera);
      await frame();
      copy.width = canvas.width;
      copy.height = canvas.height;
      const context = copy.getContext('2d', { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const { data } = context.getImageData(0, 0, copy.width, copy.height);
      const sums = {};
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] < 128) continue;
        const low = Math.max(data[i], data[i + 1], data[i + 2]) * 0.5;
        if (Math.min(data[i], data[i + 1], data[i + 2]) > low || low < 20) continue; // gray: the model
        const name = { 4: 'red', 2: 'green', 1: 'blue', 6: 'yellow', 5: 'magenta', 3: 'cyan' }[
          (data[i] > low) * 4 + (data[i + 1] > low) * 2 + (data[i + 2] > low)];
        const sum = (sums[name] ??= [0, 0, 0]);
        sum[0] += (i / 4) % copy.width + 0.5;
        sum[1] += Math.floor(i / 4 / copy.width) + 0.5;
        sum[2] += 1;
      }
      for (const sum of Object.values(sums)) { sum[0] /= sum[2]; sum[1] /= sum[2]; }
      found.push({ size: [copy.width, copy.height], sums });
    }
  }
  return found;
}"""


def test_markers_on_the_model_are_drawn_where_the_server_projects_them(page: Page, running: Site) -> None:
    scene = _marked()
    points = np.asarray(scene.to_geometry().vertices, dtype=float)
    cameras = _cameras(points)
    manifest = json.loads((REPOSITORY / "var/static/dist/manifest.json").read_text(encoding="utf-8"))
    page.set_viewport_size({"width": 1280, "height": 940})
    page.goto("/products/")
    drawn = page.evaluate(
        DRAW,
        {
            "module": f"/static/dist/{manifest['src/viewer/overlay.ts']['file']}",
            "glb": base64.b64encode(scene.export(file_type="glb")).decode(),
            "cameras": [_fields(camera) for camera in cameras],
            "widths": list(WIDTHS),
            "aspect": PHOTO[0] / PHOTO[1],
        },
    )

    assert len(drawn) == POSES * len(WIDTHS)
    off = []
    for index, shown in enumerate(drawn):
        camera = cameras[index % POSES]
        scale = np.array(shown["size"]) / PHOTO
        seen = 0
        for name, (center, _) in MARKERS.items():
            there = shown["sums"].get(name)
            if there is None:
                continue
            depth = float(depths(camera, np.array([center]))[0])
            disk = math.pi * (RADIUS * camera.fx * scale[0] / depth) ** 2
            if there[2] < 0.97 * disk or disk < 12:
                continue  # partly behind another thing, or a few pixels: it tells no center
            expected = project(camera, np.array([center]))[0] * scale
            off.append(float(np.hypot(*(np.array(there[:2]) - expected))))
            seen += 1
        assert seen >= 2, (index, shown)
    assert len(off) > 3 * len(drawn)
    assert max(off) <= WITHIN, sorted(off)[-5:]


def _marked() -> trimesh.Scene:
    """A gray block with six colored balls on thin gray rods."""
    scene = trimesh.Scene()
    gray = trimesh.visual.material.PBRMaterial(baseColorFactor=[0.5, 0.5, 0.5, 1.0], metallicFactor=0.0)
    block = trimesh.creation.box((0.3, 0.36, 0.3))
    block.visual = trimesh.visual.TextureVisuals(material=gray)
    scene.add_geometry(block, node_name="block")
    for name, (center, color) in MARKERS.items():
        ball = trimesh.creation.icosphere(3, RADIUS)
        ball.apply_translation(center)
        paint = trimesh.visual.material.PBRMaterial(
            baseColorFactor=[*color, 1.0], emissiveFactor=color, metallicFactor=0.0, roughnessFactor=1.0
        )
        ball.visual = trimesh.visual.TextureVisuals(material=paint)
        scene.add_geometry(ball, node_name=name)
    return scene


def _cameras(points: np.ndarray) -> list[Camera]:
    """Where the server places the model in boxes all over the photo, from all around."""
    rng = np.random.default_rng(5)
    found = []
    for index in range(POSES):
        view = View(2 * math.pi * index / POSES, math.radians(float(rng.uniform(0, 40))))
        side = float(rng.uniform(260, 460))
        x, y = rng.uniform(0, PHOTO[0] - side), rng.uniform(0, PHOTO[1] - side)
        focal = float(rng.uniform(0.8, 2.0)) * PHOTO[0]
        found.append(place(points, view, Box(x, y, x + side, y + side), *PHOTO, focal))
    return found


def _fields(camera: Camera) -> dict[str, object]:
    names = ("fx", "fy", "cx", "cy", "width", "height")
    return {name: float(getattr(camera, name)) for name in names} | {
        "camera_from_model": camera.camera_from_model.ravel().tolist()
    }
