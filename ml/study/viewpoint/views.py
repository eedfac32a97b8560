"""What the study looks at: models trained on and products held out, each seen from all around.

A view is a G-buffer with its exact azimuth; light, background and box are put on later (`montages`).
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ml.errors import ShapelensError
from ml.mesh.sources import open_source
from ml.pipelines.progress import Progress
from ml.render.raycast import RayScene
from ml.study.viewpoint.symmetry import turns_of
from ml.train.models import family_name
from ml.train.pairs import PIXEL_BYTES, SIDE, ModelSpec, mesh_of, parametric_specs, query_buffer
from ml.types import View

__all__ = ["GROUPS", "ViewTable", "made_by_of", "open_views", "render_all", "specs_of"]

GROUPS = ("trained", "library", "parametric")
"""Products trained on; those of held_out.tsv; random models of our own families from seeds never trained on."""
_HELD_OUT = Path(__file__).parents[2] / "weights" / "held_out.tsv"
_TRAINED_SEED, _UNSEEN_SEED = 700_000, 900_000  # neither is the shipped network's
_LOW, _HIGH = math.radians(-3), math.radians(38)  # elevations


@dataclass(frozen=True, slots=True, eq=False)
class ViewTable:
    """n views of m models, memory-mapped.

    buffers    (n, SIDE, SIDE, PIXEL_BYTES) uint8, as in `ml.train.pairs`
    model      (n,) int32, row of names, group and turns
    azimuth    (n,) float64, radians; elevation likewise
    up         (n, 3) float32, the model's up in the camera's frame
    aspect     (n,) float64, height / width of the tight box
    group      (m,) int32, place in GROUPS
    turns      (m,) int32, as `turns_of` says
    """

    buffers: npt.NDArray[np.uint8]
    model: npt.NDArray[np.int32]
    azimuth: npt.NDArray[np.float64]
    elevation: npt.NDArray[np.float64]
    up: npt.NDArray[np.float32]
    aspect: npt.NDArray[np.float64]
    group: npt.NDArray[np.int32]
    turns: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def rows(self, group: str) -> npt.NDArray[np.int64]:
        """Views of one group's models."""
        return np.flatnonzero(self.group[self.model] == GROUPS.index(group))


@dataclass(frozen=True, slots=True, eq=False)
class _Rendered:
    buffers: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.float64]  # azimuth, elevation, aspect, up x y z
    turns: int
    reason: str = ""


def specs_of(
    libraries: Sequence[Path], workdir: Path, a_family: int, *, every: int = 1
) -> list[tuple[str, ModelSpec]]:
    """(group, model) of the libraries' models, of those trained on every `every`th, and of `a_family` of each
    parametric family (a third as many held out). Held out are the ids of held_out.tsv and what shares a name of
    several words with them."""
    with _HELD_OUT.open(encoding="utf-8", newline="") as file:
        listed = {(row["library"], row["id"]) for row in csv.DictReader(file, delimiter="\t")}
    specs = []
    for path in libraries:
        folder = workdir / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        for model in open_source(path, workdir=folder).models:
            if model.category.casefold() != "characters":
                group = "library" if (path.stem, model.key) in listed else "trained"
                specs.append((group, ModelSpec(model.name, file=model)))
    names = {family_name(spec.name) for group, spec in specs if group == "library"}
    names = {name for name in names if " " in name}
    specs = [
        (group, spec) for group, spec in specs if group == "library" or family_name(spec.name) not in names
    ]
    kept = [("trained", spec) for group, spec in specs if group == "trained"][::every]
    specs = kept + [(group, spec) for group, spec in specs if group == "library"]
    specs += [("trained", spec) for spec in parametric_specs(a_family, _TRAINED_SEED)]
    specs += [("parametric", spec) for spec in parametric_specs(max(1, a_family // 3), _UNSEEN_SEED)]
    return specs


def render_all(
    specs: Sequence[tuple[str, ModelSpec]],
    folder: Path,
    *,
    views: int,
    seed: int,
    workers: int,
    progress: Progress,
    made_by: str = "",
) -> list[tuple[str, str]]:
    """Render every model from `views` azimuths; names and reasons of those that could not be.

    made_by: what the specs were chosen by, kept beside. About 46 kB a view. views.json is written last: without it the folder does not count.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    groups: list[int] = []
    turns: list[int] = []
    tables: list[npt.NDArray[np.float64]] = []
    failures: list[tuple[str, str]] = []
    with (folder / "buffers.u8").open("wb") as file:
        for done, (made, (group, spec)) in enumerate(
            zip(_rendered(specs, views, seed, workers), specs, strict=True)
        ):
            progress("rendering", done + 1, len(specs))
            if made.reason:
                failures.append((spec.name, made.reason))
                continue
            made.buffers.tofile(file)
            tables.append(made.rows)
            names.append(spec.name)
            groups.append(GROUPS.index(group))
            turns.append(made.turns)
    np.savez(folder / "views.npz", rows=np.concatenate(tables), group=np.array(groups), turns=np.array(turns))
    facts = {"names": names, "failures": failures, "views": views, "made_by": made_by}
    (folder / "views.json").write_text(json.dumps(facts), encoding="utf-8")
    return failures


def open_views(folder: Path) -> ViewTable:
    """What `render_all` wrote. Raises FileNotFoundError where it did not finish."""
    facts = json.loads((folder / "views.json").read_text(encoding="utf-8"))
    with np.load(folder / "views.npz") as table:
        rows, group, turns = table["rows"], table["group"], table["turns"]
    shape = (len(rows), SIDE, SIDE, PIXEL_BYTES)
    return ViewTable(
        buffers=np.memmap(folder / "buffers.u8", np.uint8, mode="r", shape=shape),
        model=np.repeat(np.arange(len(group), dtype=np.int32), facts["views"]),
        azimuth=rows[:, 0],
        elevation=rows[:, 1],
        up=rows[:, 3:].astype(np.float32),
        aspect=rows[:, 2],
        group=group.astype(np.int32),
        turns=turns.astype(np.int32),
        names=tuple(facts["names"]),
    )


def made_by_of(folder: Path) -> str | None:
    """What `render_all` was told; None where it did not finish."""
    path = folder / "views.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["made_by"]) if path.exists() else None


def _rendered(
    specs: Sequence[tuple[str, ModelSpec]], views: int, seed: int, workers: int
) -> Iterator[_Rendered]:
    """In order, with never more than a few results waiting: memory stays bounded."""
    waiting = iter(enumerate(spec for _, spec in specs))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_render, spec, views, seed + at) for at, spec in islice(waiting, 2 * workers)]
        while running:
            yield running.pop(0).result()
            running += [pool.submit(_render, spec, views, seed + at) for at, spec in islice(waiting, 1)]


def _render(spec: ModelSpec, views: int, seed: int) -> _Rendered:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    try:
        mesh = mesh_of(spec)
        scene = RayScene(mesh)
        buffers = np.empty((views, SIDE, SIDE, PIXEL_BYTES), np.uint8)
        rows = np.empty((views, 6))
        for k, azimuth in enumerate((np.arange(views) + rng.random(views)) * (2 * math.pi / views)):
            elevation = rng.uniform(_LOW, _HIGH)
            buffers[k], up, aspect = query_buffer(scene, scene.points, View(float(azimuth), elevation), rng)
            rows[k] = (azimuth, elevation, aspect, *up)
        return _Rendered(buffers, rows, turns_of(mesh))
    except (ShapelensError, ValueError) as error:
        return _Rendered(np.empty(0, np.uint8), np.empty((0, 6)), 1, str(error) or type(error).__name__)
