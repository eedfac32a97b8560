"""`python -m ml evaluate`."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ml import registry
from ml.errors import BadSource, ShapelensError

if TYPE_CHECKING:
    from ml.pipelines.evaluating import EvaluateOptions

__all__ = ["Bars", "main"]


_CONFIG = (
    "rank_by",
    "around",
    "cell_weight",
    "cell_shift",
    "outline_weight",
    "color_weight",
    "shortlist",
    "verified",
    "verify_weight",
    "recognized",
    "views_mean",
    "expansion",
    "expansion_weight",
    "kind_weight",
)


class Bars:
    """One progress bar a stage, on stderr."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self.progress.add_task(stage, total=total)
        self.progress.update(self._tasks[stage], completed=done, total=total)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 with scores, 1 with a sentence where it can't be done."""
    arguments = _parser().parse_args(argv)
    errors = Console(stderr=True)
    try:
        return _run(arguments, errors)
    except (ShapelensError, FileNotFoundError) as error:
        errors.print(f"[red]{error}[/red]", highlight=False)
        return 1


def _run(arguments: argparse.Namespace, errors: Console) -> int:
    from ml.evaluation.queries import read_queries
    from ml.evaluation.report import write_report
    from ml.evaluation.summary import NEAR_DEG, printed, to_json
    from ml.pipelines.evaluating import evaluate

    queries = read_queries(arguments.queries)
    if arguments.only_product:
        queries = [query for query in queries if re.search(arguments.only_product, query.product)]
        if not queries:
            raise BadSource(f"no query's product matches {arguments.only_product!r}")
    bars = Bars(errors)
    with bars.progress:
        evaluation = evaluate(arguments.gallery, queries, _options(arguments), progress=bars)
    for failure in evaluation.gallery.failures:
        errors.print(f"not indexed: {failure.key}: {failure.reason}", highlight=False, markup=False)
    Console(width=None if Console().is_terminal else 140).print(printed(evaluation))
    summary = to_json(evaluation)
    if azimuth := summary["azimuth"]:
        low, high = azimuth["interval"]
        Console(width=140).print(
            f"azimuth of the right product, {azimuth['n']} photos: within {NEAR_DEG} degrees "
            f"{100 * azimuth[f'within_{NEAR_DEG}']:.1f}% ({100 * low:.0f}-{100 * high:.0f}), median "
            f"{azimuth['median_deg']:.1f}",
            highlight=False,
        )
    if masks := summary["masks"]:
        low, high = masks["interval"]
        Console(width=140).print(
            f"objects cut out, {masks['n']} photos: mean IoU {masks['mean_iou']:.3f} ({low:.2f}-{high:.2f}), median "
            f"{masks['median_iou']:.3f}",
            highlight=False,
        )
    stages = ", ".join(
        f"{name} {1e3 * value['p50']:.1f} / {1e3 * value['p95']:.1f}"
        for name, value in summary["stages"].items()
    )
    Console(width=140).print(f"ms a query, p50 / p95: {stages}", highlight=False)
    if arguments.json:
        arguments.json.write_text(json.dumps(summary, indent=1), encoding="utf-8")
    if arguments.report:
        write_report(evaluation, arguments.report, limit=arguments.report_limit)
    return 0


def _options(arguments: argparse.Namespace) -> EvaluateOptions:
    from ml.pipelines.evaluating import EvaluateOptions
    from ml.pipelines.galleries import IndexOptions
    from ml.pipelines.indexing import CalibrationSource
    from ml.search.config import SearchConfig

    changes = {name: value for name in _CONFIG if (value := getattr(arguments, name)) is not None}
    return EvaluateOptions(
        top=arguments.top,
        tau=arguments.tau,
        exclude_categories=tuple(arguments.exclude_category),
        index=IndexOptions(
            embedder=arguments.embedder,
            adapter=arguments.adapter,
            calibration=CalibrationSource(arguments.backgrounds, arguments.absent),
            workers=arguments.workers,
        ),
        config=replace(SearchConfig(), **changes) if changes else None,
        cache=arguments.cache,
        with_pose=not arguments.no_pose,
        edges_off=arguments.edges_off,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml evaluate",
        description="Index galleries of meshes, search photos in them, score the answers.",
    )
    add = parser.add_argument
    add(
        "--gallery",
        type=Path,
        action="append",
        required=True,
        metavar="SRC",
        help="folder of meshes or .sh3f; repeatable",
    )
    add("--queries", type=Path, required=True, metavar="FILE.jsonl", help="one object a line")
    add("--top", type=int, default=10, help="products listed a query (10)")
    add("--tau", type=_tau, default=0.9, help="factor two aspects may differ by, in (0, 1] (0.9)")
    add(
        "--embedder",
        default=registry.DEFAULT_EMBEDDER,
        metavar="NAME[:LAYER]",
        help=f"{', '.join(registry.names('embedder'))}; torchvision's take a layer: vgg16:pool4",
    )
    add("--adapter", default="identity", metavar="linear:FILE", help="of python -m ml adapt")
    add(
        "--exclude-category",
        action="append",
        default=[],
        metavar="C",
        help="leave a category out; repeatable",
    )
    add("--json", type=Path, metavar="OUT", help="write everything as JSON")
    add(
        "--report",
        type=Path,
        metavar="HTML",
        help="write a page of pictures: query, first hits, right ones framed",
    )
    add("--report-limit", type=int, default=200, help="queries in the report, evenly spread (200)")
    add(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep onboarded models and indexes here; a second run is fast",
    )
    add("--only-product", metavar="REGEX", help="only queries whose product matches, e.g. '_[A-K]'")
    add("--backgrounds", type=Path, metavar="DIR", help="photos to calibrate on, instead of drawn patches")
    add(
        "--absent",
        type=Path,
        metavar="DIR",
        help="photos of things not in the gallery, for the no-match threshold",
    )
    add("--rank-by", choices=["cosine", "calibrated"], help="instead of the index's setting")
    add(
        "--around",
        type=float,
        help="share a photo's box is also seen larger and smaller by; 0: the box alone",
    )
    add("--cell-weight", type=float, help="share of the cell-by-cell score, 0 to 1, instead of the index's")
    add("--cell-shift", type=int, help="cells a view may be shifted by")
    add("--outline-weight", type=float, help="share of how well a view covers the photo's object, 0 to 1")
    add("--color-weight", type=float, help="share of the likeness of colors, 0 to 1")
    add("--shortlist", type=int, help="views compared one by one")
    add("--verified", type=int, help="best products held against the photo view by view, 0: none")
    add("--verify-weight", type=float, help="of that last look's log-odds, where colors tell views apart")
    add(
        "--recognized",
        type=float,
        help="log-odds of that last look below which a given box is drawn anew, 0: never",
    )
    add(
        "--edges-off",
        type=_off,
        default=0.0,
        metavar="SHARE",
        help="move each edge of the given boxes by up to this share of a side, as a hand does (0)",
    )
    add("--views-mean", type=int, help="best views of a product whose mean it is ranked by")
    add("--expansion", type=int, help="best products whose views help in a second look")
    add("--expansion-weight", type=float, help="share of that second look, 0 to 1")
    add(
        "--kind-weight",
        type=float,
        help="of whether photo and product are of one kind, in the order; 0: none",
    )
    add("--workers", type=int, default=2, help="processes that read and render (2)")
    add("--no-pose", action="store_true", help="leave out the pose and its silhouette")
    return parser


def _off(text: str) -> float:
    value = float(text)
    if not 0 <= value < 0.5:
        raise argparse.ArgumentTypeError("a box is left of edges that are off by less than 0.5")
    return value


def _tau(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("tau lies in (0, 1]")
    return value
