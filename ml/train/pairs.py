"""Rendered training pairs: a G-buffer as a photo may show the model, and plain views as the index has them.

Every model is rendered once (DESIGN: "A view is rendered once into a G-buffer"); light, color, background
and noise are put on by the batch (`ml.train.relighting`), so that the same pair is never seen twice alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ml.errors import BadMesh, ShapelensError
from ml.geometry.boxes import around, expand, mask_box
from ml.geometry.cameras import camera_for_view, cropped, look_at, project
from ml.mesh.normalizing import combined, normalize
from ml.mesh.parametric.families import FAMILIES, random_mesh
from ml.mesh.reading import read_mesh
from ml.pipelines.progress import Progress, silent
from ml.render.raycast import RayScene
from ml.render.shading import shade
from ml.train.contents import used
from ml.train.voxels import coarse_twin
from ml.types import Camera, Mesh, ModelFile, View

__all__ = [
    "NO_PART",
    "PIXEL_BYTES",
    "SIDE",
    "ModelSpec",
    "PairSet",
    "mesh_of",
    "open_pairs",
    "parametric_specs",
    "plain_view",
    "query_buffer",
    "render_pairs",
    "stretched_specs",
]

SIDE = 96  # pixels of a crop
PIXEL_BYTES = 5  # of a query's pixel: normal x, y, z (camera frame, int8), gray albedo, part
NO_PART = 255  # where nothing is hit
PAIRS_A_MODEL = 24
_TURN = math.radians(
    9
)  # a query's largest turn and tilt from its plain view: half a view's distance and more
_ROLL = math.radians(4)
_IN_USE = 2  # of a model, beside itself: filled and covered with things
_NEAR, _FAR = 1.6, 6.0  # of the query's camera from the model's center, in bounding-sphere radii
_FACES = 200_000  # of a model worth rendering here
_STRETCH = 0.22  # standard deviation of the logarithm of a stretched model's proportions


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What one model is drawn from: a file, or a parametric family and a seed; stretch: of its width, height and
    depth, which makes another product of it."""

    name: str
    file: ModelFile | None = None
    family: str = ""
    seed: int = 0
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class PairSet:
    """n pairs of m models, memory-mapped.

    queries  (n, SIDE, SIDE, PIXEL_BYTES) uint8 (normals are int8 seen as uint8)
    plain    (n, SIDE, SIDE) uint8, the index's light, gray
    coarse   (n, SIDE, SIDE) uint8, the same view of the model's 20^3 voxel twin
    model    (n,) int32, row of `names`
    azimuth  (n,) float32, of the plain view
    up       (n, 3) float32, the model's up in the query's camera frame
    specs    (m,) int32, of each model its place among the specs it was rendered from
    origin   (m,) int32, the same for models that differ by their proportions alone
    """

    queries: npt.NDArray[np.uint8]
    plain: npt.NDArray[np.uint8]
    coarse: npt.NDArray[np.uint8]
    model: npt.NDArray[np.int32]
    azimuth: npt.NDArray[np.float32]
    up: npt.NDArray[np.float32]
    names: tuple[str, ...]
    specs: npt.NDArray[np.int32]
    origin: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class _Rendered:
    name: str
    queries: npt.NDArray[np.uint8]
    plain: npt.NDArray[np.uint8]
    coarse: npt.NDArray[np.uint8]
    azimuth: npt.NDArray[np.float32]
    up: npt.NDArray[np.float32]
    reason: str = ""


# ---- on disk --------------------------------------------------------------------------------


def render_pairs(
    specs: Sequence[ModelSpec],
    folder: Path,
    *,
    seed: int,
    workers: int = 2,
    progress: Progress | None = None,
) -> list[tuple[str, str]]:
    """Render all models' pairs into the folder; names and reasons of those that could not be.

    About 64 kB a pair. The folder's pairs.json is written last: without it the set does not count.
    """
    tell = progress or silent
    folder.mkdir(parents=True, exist_ok=True)
    failures: list[tuple[str, str]] = []
    names: list[str] = []
    numbers: list[int] = []
    model: list[int] = []
    tables: dict[str, list[npt.NDArray[np.float32]]] = {"azimuth": [], "up": []}
    with (
        (folder / "queries.u8").open("wb") as queries,
        (folder / "plain.u8").open("wb") as plain,
        (folder / "coarse.u8").open("wb") as coarse,
    ):
        for done, made in enumerate(_rendered(specs, seed, workers)):
            tell("rendering", done + 1, len(specs))
            if made.reason:
                failures.append((made.name, made.reason))
                continue
            made.queries.tofile(queries)
            made.plain.tofile(plain)
            made.coarse.tofile(coarse)
            model += [len(names)] * len(made.plain)
            names.append(made.name)
            numbers.append(done)
            tables["azimuth"].append(made.azimuth)
            tables["up"].append(made.up)
    np.savez(
        folder / "pairs.npz",
        model=np.array(model, np.int32),
        azimuth=np.concatenate(tables["azimuth"]),
        up=np.concatenate(tables["up"]),
        specs=np.array(numbers, np.int32),
        origin=_origins([specs[number] for number in numbers]),
    )
    (folder / "pairs.json").write_text(json.dumps({"names": names, "failures": failures}))
    return failures


def open_pairs(folder: Path) -> PairSet:
    """What `render_pairs` wrote. Raises FileNotFoundError where it did not finish."""
    names = tuple(json.loads((folder / "pairs.json").read_text())["names"])
    with np.load(folder / "pairs.npz") as table:
        model, azimuth, up = table["model"], table["azimuth"], table["up"]
        specs, origin = table["specs"], table["origin"]
    n = len(model)
    shapes = {"queries": (n, SIDE, SIDE, PIXEL_BYTES), "plain": (n, SIDE, SIDE), "coarse": (n, SIDE, SIDE)}
    maps = {
        name: np.memmap(folder / f"{name}.u8", np.uint8, mode="r", shape=shape)
        for name, shape in shapes.items()
    }
    return PairSet(maps["queries"], maps["plain"], maps["coarse"], model, azimuth, up, names, specs, origin)


def _origins(specs: Sequence[ModelSpec]) -> npt.NDArray[np.int32]:
    first: dict[ModelSpec, int] = {}
    as_made = [replace(spec, stretch=(1.0, 1.0, 1.0)) for spec in specs]
    return np.array([first.setdefault(spec, at) for at, spec in enumerate(as_made)], np.int32)


# ---- rendering ------------------------------------------------------------------------------


def _rendered(specs: Sequence[ModelSpec], seed: int, workers: int) -> Iterator[_Rendered]:
    """In order, with never more than a few results waiting: memory stays bounded."""
    waiting = iter(enumerate(specs))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_render, spec, seed + at) for at, spec in islice(waiting, 2 * workers)]
        while running:
            yield running.pop(0).result()
            running += [pool.submit(_render, spec, seed + at) for at, spec in islice(waiting, 1)]


def _render(spec: ModelSpec, seed: int) -> _Rendered:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    try:
        mesh = mesh_of(spec)
        scene = RayScene(mesh)
        seen = [scene, *(RayScene(used(scene, rng)) for _ in range(_IN_USE))]
        return _pairs_of(spec.name, seen, RayScene(coarse_twin(mesh, rng)), rng)
    except (ShapelensError, ValueError) as error:
        empty = np.empty(0, np.uint8)
        none = np.empty(0, np.float32)
        return _Rendered(spec.name, empty, empty, empty, none, none, str(error) or type(error).__name__)


def mesh_of(spec: ModelSpec) -> Mesh:
    """Normalized. Raises BadMesh."""
    if spec.file is None:
        mesh = random_mesh(spec.family, np.random.default_rng(spec.seed))
    else:
        mesh, frame, _ = read_mesh(spec.file.path)
        if len(mesh.faces) > _FACES * 5:
            raise BadMesh(f"{len(mesh.faces)} faces; more than is worth rendering here")
        mesh = normalize(mesh, combined(spec.file.frame, frame))[0]
    return replace(mesh, vertices=mesh.vertices * spec.stretch)


def _pairs_of(name: str, seen: Sequence[RayScene], twin: RayScene, rng: np.random.Generator) -> _Rendered:
    """seen: the model as it is, then the same in use; queries show them in turn."""
    n, scene = PAIRS_A_MODEL, seen[0]
    queries = np.zeros((n, SIDE, SIDE, PIXEL_BYTES), np.uint8)
    plain, coarse = np.empty((2, n, SIDE, SIDE), np.uint8)
    up = np.zeros((n, 3), np.float32)
    offset = rng.random()
    azimuths = ((np.arange(n) + offset) * (2 * math.pi / n)).astype(np.float32)
    for k in range(n):
        view = View(float(azimuths[k]), math.radians(rng.uniform(-2, 34)))
        plain[k] = plain_view(scene, view)
        coarse[k] = plain_view(twin, view)
        queries[k], up[k] = _query(seen[k % len(seen)], scene.points, view, rng)
    return _Rendered(name, queries, plain, coarse, azimuths, up)


def plain_view(scene: RayScene, view: View) -> npt.NDArray[np.uint8]:
    """(SIDE, SIDE) as the index has it: rendered large and averaged down, on gray."""
    camera = camera_for_view(scene.points, view, 2 * SIDE)
    crop = cropped(camera, expand(around(project(camera, scene.points))), 2 * SIDE, 2 * SIDE)
    picture = cv2.cvtColor(shade(scene.cast(crop), crop), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _query(
    scene: RayScene, points: npt.NDArray[np.float64], near: View, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """`query_buffer` of a view close to `near`."""
    turn, tilt = rng.uniform(-_TURN, _TURN), rng.uniform(-_TURN, _TURN)
    picture, up, _ = query_buffer(scene, points, View(near.azimuth + turn, near.elevation + tilt), rng)
    return picture, up


def query_buffer(
    scene: RayScene, points: npt.NDArray[np.float64], view: View, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], float]:
    """G-buffer (SIDE, SIDE, PIXEL_BYTES) of a view from a random distance, a little rolled, stretched as crops
    are; the model's up in the camera's frame, and the box's height / width. points: (p, 3) what the box is about, for
    a scene that shows more than the model. Raises BadMesh."""
    radius = float(np.linalg.norm(points, axis=1).max())
    distance = radius * math.exp(rng.uniform(math.log(_NEAR), math.log(_FAR)))
    transform = _rolled(look_at(view.azimuth, view.elevation, distance), rng.uniform(-_ROLL, _ROLL))
    wide = Camera(1000.0, 1000.0, 0.0, 0.0, 1, 1, transform)
    box = around(project(wide, points))
    buffer = scene.cast(cropped(wide, expand(box), SIDE, SIDE))
    seen = mask_box(buffer.alpha)
    if seen is None:
        raise BadMesh("nothing can be seen")
    normals = buffer.normal @ transform[:3, :3].T.astype(np.float32)
    picture = np.empty((SIDE, SIDE, PIXEL_BYTES), np.uint8)
    picture[..., :3] = np.rint(normals * 127).astype(np.int8).view(np.uint8)
    picture[..., 3] = cv2.cvtColor(buffer.albedo, cv2.COLOR_RGB2GRAY)
    picture[..., 4] = np.where(buffer.alpha, buffer.part % NO_PART, NO_PART)
    return picture, transform[:3, 1].astype(np.float32), box.aspect


def _rolled(camera_from_model: npt.NDArray[np.float64], angle: float) -> npt.NDArray[np.float64]:
    roll = np.eye(4)
    roll[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return roll @ camera_from_model


def parametric_specs(a_family: int, seed: int) -> list[ModelSpec]:
    """`a_family` random models of each of our own families."""
    return [
        ModelSpec(f"{family} {number}", family=family, seed=seed + 1000 * place + number)
        for place, family in enumerate(FAMILIES)
        for number in range(a_family)
    ]


def stretched_specs(specs: Sequence[ModelSpec], each: int, seed: int) -> list[ModelSpec]:
    """`each` products of every model that differ from it by their proportions alone: what a shop sells in several
    sizes, and the hardest wrong answers there are."""
    rng = np.random.default_rng(seed)
    stretches = np.exp(rng.normal(0, _STRETCH, (each, len(specs), 3))).clip(0.5, 2.0)
    return [
        replace(spec, stretch=(float(x), float(y), float(z)))
        for row in stretches
        for spec, (x, y, z) in zip(specs, row, strict=True)
    ]
