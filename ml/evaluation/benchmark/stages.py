"""The other stages: windows of a photo, views rendered, crops embedded, models imported."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import util
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml import registry
from ml.evaluation.benchmark.lines import Line, Section, best_of
from ml.evaluation.benchmark.search import Vectors
from ml.geometry.crops import crop_photo
from ml.mesh.models import load_model
from ml.mesh.parametric.sample import sample_catalog, write_sample_catalog
from ml.mesh.sources import open_source
from ml.pipelines.onboarding import OnboardJob, onboard_many
from ml.pipelines.windows import embed_boxes
from ml.render.raycast import RayScene
from ml.render.views import DEFAULT_GRID, render_views
from ml.search.aspect import aspect_slice
from ml.search.scan import ExactScan
from ml.types import Box, Crop, Mesh, Photo

__all__ = ["embedding_section", "import_section", "rendering_section", "windows_section"]

WINDOWS = 2000
THESIS_SECONDS = 52.0  # a photo against 80,000 views on a GTX 980


# ---- windows ------------------------------------------------------------------------------


def windows_section(vectors: Vectors, embedder_name: str, *, windows: int = WINDOWS) -> Section:
    """Every window of one photo against every view that its shape lets through, against one pass of the
    network a window and a full scan. The latter is measured on 50 windows and multiplied."""
    rng = np.random.default_rng(0)
    photo = Photo(rng.integers(0, 255, (768, 1024, 3), dtype=np.uint8))
    centers = rng.uniform(0.2, 0.8, (windows, 2)) * (photo.width, photo.height)
    sizes = rng.uniform(60, 280, (windows, 2))
    boxes = [
        Box(*np.clip(np.concatenate([c - s / 2, c + s / 2]), 0, (1024, 768, 1024, 768)))
        for c, s in zip(centers, sizes, strict=True)
    ]
    embedder = registry.embedder(embedder_name)
    side, dim = embedder.info.input_size, embedder.info.dim
    rows = np.array(vectors.halves[:, :dim], dtype=np.float32)
    rows = rows if rows.shape[1] == dim else np.resize(rows, (len(rows), dim))
    scan = ExactScan(vectors.halves, rows)
    lines_of_views = np.tile(np.array([1.0, 0.0], np.float32), (len(rows), 1))

    def together() -> None:
        features = embed_boxes(photo, boxes, embedder)
        slices = [aspect_slice(vectors.log_aspects, box.aspect, 0.9) for box in boxes]
        scan.best(features, slices, lines_of_views)

    def one_by_one(count: int) -> None:
        for box in boxes[:count]:
            feature = embedder.embed([crop_photo(photo, box, side)]).vectors[0]
            (rows @ feature).max()

    few = min(50, windows)
    seconds = best_of(together, 1)
    apart = best_of(lambda: one_by_one(few), 2) * windows / few
    lines = [
        Line("ours: batches, slices", seconds, embedder.info.fingerprint, is_ours=True),
        Line("a pass a window, full scan", apart, f"from {few} windows"),
    ]
    if windows == WINDOWS:
        lines.append(Line("thesis, GTX 980, 80k views", THESIS_SECONDS, "as published"))
    return Section(f"{windows:,} windows of one photo against {len(rows):,} views", "a photo", tuple(lines))


# ---- rendering ----------------------------------------------------------------------------


def rendering_section(*, products: int = 4, gallery: Path | None = None) -> Section:
    """108 views at 224 px of sample products, or of as many evenly taken from a gallery. Raises BadSource."""
    meshes = _meshes_of(gallery, products) if gallery else _sample_meshes(products)
    views = len(DEFAULT_GRID) * len(meshes)
    faces = int(np.mean([len(mesh.faces) for mesh in meshes]))

    def ours() -> None:
        for mesh in meshes:
            render_views(RayScene(mesh))

    lines = [
        Line(
            "ours: ray casting, one core", best_of(ours, 2) / views, f"{faces:,} faces a model", is_ours=True
        )
    ]
    missing = []
    others: dict[str, Callable[[list[Mesh]], Callable[[], None]]] = {
        "pyvista": _pyvista,
        "pyrender": _pyrender,
        "moderngl": _moderngl,
    }
    for name, make in others.items():
        if util.find_spec(name) is None:
            missing.append(f"{name}: not installed")
            continue
        try:
            seconds = _in_a_child(make, meshes) / views
            lines.append(Line(f"{name}, shaded", seconds, "software GL where no device is"))
        except Exception as error:  # noqa: BLE001  (a driver that is not there says so in many ways)
            missing.append(f"{name}: {str(error)[:60]}")
    return Section("Views rendered", "a view of 224 px", tuple(lines), tuple(missing))


def _in_a_child(make: Callable[[list[Mesh]], Callable[[], None]], meshes: list[Mesh]) -> float:
    """Seconds of one round, in a process of its own: several GL libraries in one have crashed it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_timed_render, make, meshes).result()


def _timed_render(make: Callable[[list[Mesh]], Callable[[], None]], meshes: list[Mesh]) -> float:
    return best_of(make(meshes), 2)


def _sample_meshes(count: int) -> list[Mesh]:
    return [product.design.build() for product in sample_catalog()[:count]]


def _meshes_of(gallery: Path, count: int) -> list[Mesh]:
    """Normalized."""
    with tempfile.TemporaryDirectory() as name:
        models = open_source(gallery, workdir=Path(name)).models
        return [load_model(model)[0] for model in models[:: max(1, len(models) // count)][:count]]


def _pyvista(meshes: list[Mesh]) -> Callable[[], None]:
    import pyvista

    def render() -> None:
        for mesh in meshes:
            faces = np.hstack([np.full((len(mesh.faces), 1), 3), mesh.faces]).ravel()
            plotter = pyvista.Plotter(off_screen=True, window_size=[224, 224])
            plotter.add_mesh(pyvista.PolyData(np.asarray(mesh.vertices, float), faces))
            for view in DEFAULT_GRID.views:
                plotter.camera.azimuth = np.degrees(view.azimuth)
                plotter.camera.elevation = np.degrees(view.elevation)
                plotter.render()
                plotter.screenshot(None, return_img=True)
            plotter.close()

    return render


def _pyrender(meshes: list[Mesh]) -> Callable[[], None]:
    import pyrender
    import trimesh

    from ml.geometry.cameras import look_at

    gl_from_cv = np.diag([1.0, -1.0, -1.0, 1.0])
    renderer = pyrender.OffscreenRenderer(224, 224)

    def render() -> None:
        for mesh in meshes:
            scene = pyrender.Scene()
            scene.add(pyrender.Mesh.from_trimesh(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)))
            radius = float(np.linalg.norm(mesh.vertices, axis=1).max())
            camera = scene.add(pyrender.PerspectiveCamera(yfov=0.6))
            scene.add(pyrender.DirectionalLight(intensity=3.0))
            for view in DEFAULT_GRID.views:
                pose = np.linalg.inv(look_at(view.azimuth, view.elevation, 3.5 * radius)) @ gl_from_cv
                scene.set_pose(camera, pose)
                renderer.render(scene)

    return render


def _moderngl(meshes: list[Mesh]) -> Callable[[], None]:
    import moderngl

    from ml.geometry.cameras import look_at
    from ml.geometry.normals import corner_normals

    options: Any = {"standalone": True, "backend": "egl"}
    context: Any = moderngl.create_context(**options)
    context.enable(moderngl.DEPTH_TEST)
    program: Any = context.program(
        vertex_shader="""#version 330
            uniform mat4 clip_from_model; in vec3 place; in vec3 normal; out vec3 facing;
            void main() { facing = normal; gl_Position = clip_from_model * vec4(place, 1.0); }""",
        fragment_shader="""#version 330
            in vec3 facing; out vec4 color;
            void main() {
                float light = 0.4 + 0.6 * abs(dot(normalize(facing), vec3(0.3, 0.8, 0.5)));
                color = vec4(vec3(light), 1.0);
            }""",
    )
    buffer = context.framebuffer([context.renderbuffer((224, 224))], context.depth_renderbuffer((224, 224)))
    buffer.use()
    near, far, focal = 0.1, 100.0, 3.0
    clip_from_camera = np.array(
        [
            [focal, 0, 0, 0],
            [0, -focal, 0, 0],
            [0, 0, (far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, 1, 0],
        ]
    )

    def render() -> None:
        for mesh in meshes:
            corners = np.concatenate(
                [mesh.vertices[mesh.faces], corner_normals(mesh.vertices, mesh.faces)], axis=2
            )
            kept = context.buffer(corners.astype("f4").tobytes())
            drawn = context.vertex_array(program, [(kept, "3f 3f", "place", "normal")])
            radius = float(np.linalg.norm(mesh.vertices, axis=1).max())
            for view in DEFAULT_GRID.views:
                seen = clip_from_camera @ look_at(view.azimuth, view.elevation, 3.5 * radius)
                program["clip_from_model"].write(seen.T.astype("f4").tobytes())
                buffer.clear(0.5, 0.5, 0.5)
                drawn.render()
                buffer.read()
            drawn.release()
            kept.release()

    return render


# ---- embedding ----------------------------------------------------------------------------


def embedding_section(embedder_name: str, *, crops: int = 128) -> Section:
    """Crops a network takes, against torchvision's; random weights cost the same as trained ones."""
    from torchvision.models import resnet18, resnet50

    embedder = registry.embedder(embedder_name)
    side = embedder.info.input_size
    rng = np.random.default_rng(0)
    made = [Crop(rng.random((3, side, side), dtype=np.float32), np.eye(3), 1.0) for _ in range(crops)]
    pixels = torch.from_numpy(rng.random((crops, 3, 224, 224), dtype=np.float32))
    lines = [
        Line(
            f"ours: {embedder_name}, batches of 64",
            best_of(lambda: embedder.embed(made)) / crops,
            "",
            is_ours=True,
        ),
        Line(
            f"ours: {embedder_name}, one by one",
            best_of(lambda: [embedder.embed([c]) for c in made[:32]]) / 32,
        ),
    ]
    for network, name in ((resnet18(weights=None), "ResNet-18"), (resnet50(weights=None), "ResNet-50")):
        network.eval()
        for kind in (torch.float32, torch.bfloat16):
            lines.append(Line(f"{name}, batches of 32, {str(kind)[6:]}", _forward(network, pixels, kind)))
    return Section("Crops embedded", "a crop", tuple(lines))


def _forward(network: torch.nn.Module, pixels: torch.Tensor, kind: torch.dtype) -> float:
    few = pixels[: min(len(pixels), 64)]

    def run() -> None:
        with torch.inference_mode(), torch.autocast("cpu", dtype=kind, enabled=kind != torch.float32):
            for start in range(0, len(few), 32):
                network(few[start : start + 32])

    return best_of(run, 2) / len(few)


# ---- importing ----------------------------------------------------------------------------


def import_section(*, sizes: tuple[int, ...] = (5, 20, 60)) -> Section:
    """From a file to a rendered model, and how that grows with their number."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sample_catalog(folder / "catalog")
        source = open_source(folder / "catalog", workdir=folder / "work")
        for count in sizes:
            models = [source.models[at % len(source.models)] for at in range(count)]
            jobs = [
                OnboardJob(model, model.frame, folder / "out" / str(at)) for at, model in enumerate(models)
            ]
            start = time.perf_counter()
            failed = sum(result.error is not None for result in onboard_many(jobs))
            seconds = (time.perf_counter() - start) / count
            note = f"{failed} failed" if failed else "each in a child of its own, confined"
            lines.append(Line(f"{count} products", seconds, note, is_ours=count == sizes[0]))
            shutil.rmtree(folder / "out")
    return Section("Import: read, normalized, 108 views rendered, written", "a product", tuple(lines))
