"""The comparison: one set of windows, five heads, the same measures of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ml.detect.suppression import suppress
from ml.evaluation.metrics import Interval, bootstrap
from ml.pipelines.progress import Progress
from ml.study.viewpoint.heads import FORMULATIONS, Examples, Predictions, predict, train_head, trunk_features
from ml.study.viewpoint.measures import Found, Truth, average_viewpoint_precision
from ml.study.viewpoint.montages import Montage, Windows, load_canvases, make_montages, windows_of
from ml.study.viewpoint.symmetry import CONTINUOUS, equivalents, smallest_error
from ml.study.viewpoint.views import ViewTable, made_by_of, open_views, render_all, specs_of
from ml.types import Detection

__all__ = ["AVP_BINS", "HELD_OUT", "Options", "Row", "ViewpointStudy", "head_path", "study_viewpoint"]

AVP_BINS = (4, 8, 16, 24)
HELD_OUT = ("library", "parametric")
_CLOSE = np.radians(30)


@dataclass(frozen=True, slots=True)
class Options:
    """every: takes each n-th library model to train on; a_family: models of each parametric family; views: of a
    model; rounds: times each view is lit and pasted anew; near, far: windows of an object and of a montage."""

    every: int = 5
    a_family: int = 3
    views: int = 12
    rounds: int = 2
    near: int = 2
    far: int = 2
    epochs: int = 8
    workers: int = 2
    seed: int = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One formulation on one group of products. ap, avp: of detections in montages; median_deg and within_30: of
    windows that show an object which is not round."""

    formulation: str
    group: str
    objects: int
    ap: float
    avp: tuple[float, ...]
    median_deg: float
    within_30: Interval


@dataclass(frozen=True, slots=True, eq=False)
class ViewpointStudy:
    """rows; for the plots each formulation's errors and the true azimuths, (n,) radians; counts of models and
    windows.
    """

    rows: tuple[Row, ...]
    errors: dict[str, npt.NDArray[np.float64]]
    azimuths: npt.NDArray[np.float64]
    counts: dict[str, int]


def study_viewpoint(
    libraries: Sequence[Path], backgrounds: Path, folder: Path, options: Options, tell: Progress
) -> ViewpointStudy:
    """Render (once, kept in `folder`), paste, describe, train five heads, measure.

    Raises BadSource for libraries or backgrounds that can't be read, WeightsMissing without the network.
    """
    made_by = (
        f"every {options.every}, {options.a_family} a family, {options.views} views, seed {options.seed}"
    )
    there = made_by_of(folder / "views")
    if there is None:
        specs = specs_of(libraries, folder / "sources", options.a_family, every=options.every)
        render_all(
            specs,
            folder / "views",
            views=options.views,
            seed=options.seed,
            workers=options.workers,
            progress=tell,
            made_by=made_by,
        )
    elif there != made_by:
        raise ValueError(f"{folder} was rendered with {there}, not {made_by}; give another --out")
    views = open_views(folder / "views")
    trained = _examples(views, load_canvases(backgrounds, is_test=False), options, tell)
    canvases = load_canvases(backgrounds, is_test=True)
    tests = {}
    for place, group in enumerate(HELD_OUT):
        montages = make_montages(views, views.rows(group), canvases, options.seed + 100 + place)
        windows = windows_of(montages, near=2, far=6, seed=options.seed + 200 + place)
        tests[group] = (montages, windows, _features(windows.crops, f"{group} windows", tell))
    rows, errors = [], {}
    for done, name in enumerate(FORMULATIONS):
        tell(f"training {name}", done, len(FORMULATIONS))
        head = train_head(name, trained, epochs=options.epochs, seed=options.seed)
        torch.save(head.state_dict(), head_path(folder, name))
        of_groups = []
        for group, (montages, windows, features) in tests.items():
            predicted = predict(name, head, features)
            found_errors = _errors(views, windows, predicted)
            of_groups.append(found_errors)
            rows.append(_row(name, group, views, montages, windows, predicted, found_errors))
        errors[name] = np.concatenate(of_groups)
    azimuths = [views.azimuth[windows.row[_measured(views, windows)]] for _, windows, _ in tests.values()]
    return ViewpointStudy(
        tuple(rows), errors, np.concatenate(azimuths), _counts(views, len(trained.features))
    )


def head_path(folder: Path, name: str) -> Path:
    """Where a formulation's trained head lies."""
    return folder / f"{re.sub('[^a-z]+', '-', name)}.pt"


def _examples(
    views: ViewTable, canvases: npt.NDArray[np.uint8], options: Options, tell: Progress
) -> Examples:
    parts, rows = [], []
    for turn in range(options.rounds):
        montages = make_montages(views, views.rows("trained"), canvases, options.seed + turn)
        windows = windows_of(montages, near=options.near, far=options.far, seed=options.seed + 50 + turn)
        parts.append(_features(windows.crops, f"windows, round {turn + 1} of {options.rounds}", tell))
        rows.append(windows.row)
    row = np.concatenate(rows)
    is_object = row >= 0
    turns = np.where(is_object, views.turns[views.model[row]], 1)
    azimuths = np.zeros((len(row), int(turns.max())), np.float32)
    for place, (view, count) in enumerate(zip(row, turns, strict=True)):
        if view >= 0:  # fewer equivalents than columns: the first again
            same = equivalents(views.azimuth[view], max(int(count), 1))
            azimuths[place] = np.resize(same, azimuths.shape[1])
    return Examples(np.concatenate(parts), azimuths, is_object, is_object & (turns == CONTINUOUS))


def _features(crops: npt.NDArray[np.uint8], stage: str, tell: Progress) -> npt.NDArray[np.float16]:
    return trunk_features(crops, lambda done: tell(stage, done, len(crops)))


def _measured(views: ViewTable, windows: Windows) -> npt.NDArray[np.int64]:
    """The windows of objects whose azimuth can be told."""
    is_object = windows.row >= 0
    turns = np.where(is_object, views.turns[views.model[windows.row]], CONTINUOUS)
    return np.flatnonzero(turns != CONTINUOUS)


def _errors(views: ViewTable, windows: Windows, predicted: Predictions) -> npt.NDArray[np.float64]:
    at = _measured(views, windows)
    rows = windows.row[at]
    return smallest_error(predicted.azimuth[at], views.azimuth[rows], views.turns[views.model[rows]])


def _row(
    name: str,
    group: str,
    views: ViewTable,
    montages: Sequence[Montage],
    windows: Windows,
    predicted: Predictions,
    errors: npt.NDArray[np.float64],
) -> Row:
    truths = [
        Truth(place, box, float(views.azimuth[row]), int(views.turns[views.model[row]]))
        for place, montage in enumerate(montages)
        for box, row in zip(montage.boxes, montage.rows, strict=True)
    ]
    found = _detections(windows, predicted)
    # Windows of one view are alike: the interval is over views.
    _, view = np.unique(windows.row[_measured(views, windows)], return_inverse=True)
    close = np.bincount(view, errors < _CLOSE) / np.bincount(view)
    return Row(
        name,
        group,
        len(truths),
        average_viewpoint_precision(truths, found, None),
        tuple(average_viewpoint_precision(truths, found, bins) for bins in AVP_BINS),
        float(np.degrees(np.median(errors))),
        bootstrap(close),
    )


def _detections(windows: Windows, predicted: Predictions) -> list[Found]:
    """Each montage's windows after non-maximum suppression."""
    found = []
    for montage in np.unique(windows.montage):
        at = np.flatnonzero(windows.montage == montage)
        detections = [Detection(windows.boxes[k], float(predicted.score[k])) for k in at]
        places = {id(one): int(k) for one, k in zip(detections, at, strict=True)}
        for kept in suppress(detections):
            k = places[id(kept)]
            found.append(Found(int(montage), kept.box, kept.score, float(predicted.azimuth[k])))
    return found


def _counts(views: ViewTable, windows: int) -> dict[str, int]:
    held_out = views.group > 0
    return {
        "models trained on": int((~held_out).sum()),
        "windows trained on": windows,
        "held-out models": int(held_out.sum()),
        "round among them": int((held_out & (views.turns == CONTINUOUS)).sum()),
        "alike from two to four sides": int((held_out & (views.turns > 1)).sum()),
    }
