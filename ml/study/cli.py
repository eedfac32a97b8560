"""`python -m ml study NAME`: ablation, detection, features, rooms, unseen, viewpoint."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ml.errors import BadSource, ShapelensError
from ml.evaluation.queries import read_queries
from ml.pipelines.progress import Progress as Tell
from ml.registry import DEFAULT_EMBEDDER
from ml.study.ablation import AblationOptions, AblationSet, ablation_markdown, study_ablation
from ml.study.features.detecting import DetectionOptions, study_detection
from ml.study.features.showing import detection_markdown, draw, draw_detection, markdown
from ml.study.features.study import TAUS, FeatureOptions, study_features
from ml.study.rooms import products_of, render_rooms
from ml.study.unseen import PHOTOS, Row, compare_unseen
from ml.study.viewpoint.heads import FORMULATIONS
from ml.study.viewpoint.reweighting import reweight
from ml.study.viewpoint.showing import draw_errors, reweighted_table, viewpoint_table
from ml.study.viewpoint.study import Options, study_viewpoint
from ml.weights import FOLDER

__all__ = ["main"]

_SEVERAL = [f"top 1 of {count} photos{known}" for count in PHOTOS[1:] for known in ("", ", angles known")]


def main(argv: Sequence[str] | None = None) -> int:
    """0; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m ml study", description=__doc__)
    commands = parser.add_subparsers(dest="study", required=True)
    _add_ablation(commands.add_parser("ablation", help="what each step of the matching brings"))
    _add_unseen(commands.add_parser("unseen", help="products never trained on beside those that were"))
    _add_features(commands.add_parser("features", help="layers, similarities, aspect filter, views, models"))
    _add_detection(commands.add_parser("detection", help="detection against number of views and of models"))
    _add_viewpoint(commands.add_parser("viewpoint", help="five ways to predict the azimuth directly"))
    _add_rooms(commands.add_parser("rooms", help="photographs of unseen products with full truth"))
    options = parser.parse_args(argv)
    try:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("starting", total=None)

            def tell(stage: str, done: int, total: int) -> None:
                bar.update(task, description=stage, completed=done, total=total)

            answer = options.run(options, tell)
    except (ShapelensError, FileNotFoundError, ImportError, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    Console(width=None if Console().is_terminal else 160).print(answer, markup=False, highlight=False)
    return 0


def _add_ablation(ablation: argparse.ArgumentParser) -> None:
    add, default = ablation.add_argument, AblationOptions()
    add(
        "--set",
        action="append",
        required=True,
        metavar="NAME,QUERIES.jsonl,TAU,SRC[,SRC...]",
        help="queries with the aspect tolerance and galleries they are searched with; repeatable",
    )
    add("--embedder", default=default.embedder)
    add("--exclude-category", action="append", default=[], metavar="C")
    add("--only-product", metavar="REGEX", default="", help="only queries whose product matches")
    add("--backgrounds", type=Path, help="folder of photos phi is fitted on; by default they are drawn")
    add("--workers", type=int, default=default.workers, help="processes that read and render")
    add("--cache", type=Path, default=Path("var/study/cache"), help="what was rendered and described")
    add("--out", type=Path, default=Path("var/study/ablation"), help="ablation.md, .json and failures-*.html")
    ablation.set_defaults(run=_run_ablation)


def _run_ablation(options: argparse.Namespace, tell: Tell) -> str:
    settings = AblationOptions(
        options.embedder, tuple(options.exclude_category), options.backgrounds, options.workers
    )
    sets = [_ablation_set(text, options.only_product) for text in options.set]
    rows = study_ablation(sets, options.cache, options.out, settings, tell)
    table = ablation_markdown(rows)
    (options.out / "ablation.md").write_text(table, encoding="utf-8")
    facts = [asdict(row) for row in rows]
    (options.out / "ablation.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return f"{table}\nfailures by cause: {options.out}/failures-*.html"


def _ablation_set(text: str, only_product: str) -> AblationSet:
    """Raises BadSource for a text that is no set, or whose file has no such query."""
    name, *rest = text.split(",")
    if len(rest) < 3 or not re.fullmatch(r"[\w-]+", name):
        raise BadSource(f"--set {text!r}: say NAME,QUERIES.jsonl,TAU,SRC with a name of letters and digits")
    try:
        tau = float(rest[1])
    except ValueError as error:
        raise BadSource(f"--set {text!r}: the aspect tolerance {rest[1]!r} is no number") from error
    queries = tuple(query for query in read_queries(Path(rest[0])) if re.search(only_product, query.product))
    if not queries:
        raise BadSource(f"--set {text!r}: no query's product matches {only_product!r}")
    return AblationSet(name, tuple(map(Path, rest[2:])), queries, tau)


def _add_rooms(rooms: argparse.ArgumentParser) -> None:
    rooms.add_argument(
        "--gallery", type=Path, action="append", required=True, help="Sweet Home 3D .sh3f files"
    )
    rooms.add_argument("--held-out", type=Path, default=FOLDER / "held_out.tsv", help="the unseen products")
    rooms.add_argument("--out", type=Path, required=True, help="photos, masks, queries.jsonl, found.jsonl")
    rooms.add_argument("--products", type=int, default=100)
    rooms.add_argument("--each", type=int, default=2, help="photographs a product")
    rooms.add_argument("--seed", type=int, default=11)
    rooms.set_defaults(run=_run_rooms)


def _run_rooms(options: argparse.Namespace, tell: Tell) -> str:
    unseen, every = products_of(options.gallery, options.held_out, options.out / "sources")
    chosen = np.random.default_rng(options.seed).permutation(len(unseen))[: options.products]
    left_out = render_rooms(
        [unseen[at] for at in chosen], every, options.out, each=options.each, seed=options.seed, tell=tell
    )
    return "\n".join(
        [*(f"left out: {line}" for line in left_out), f"{options.out}/queries.jsonl, found.jsonl"]
    )


def _add_unseen(unseen: argparse.ArgumentParser) -> None:
    unseen.add_argument("--trained", type=Path, default=Path("var/train"), help="--out of python -m ml train")
    unseen.add_argument("--library", type=Path, required=True, help="the library that was left out")
    unseen.add_argument("--backgrounds", type=Path, required=True, help="photos to composite on")
    unseen.add_argument("--embedder", action="append", help="default: hog and viewnet")
    unseen.set_defaults(run=_run_unseen)


def _run_unseen(options: argparse.Namespace, tell: Tell) -> Table:
    embedders = options.embedder or ["hog", "viewnet"]
    return _table(compare_unseen(options.trained, options.library, options.backgrounds, embedders, tell))


def _add_features(features: argparse.ArgumentParser) -> None:
    add = features.add_argument
    add("--gallery", type=Path, action="append", required=True, help="folder of meshes or .sh3f; repeatable")
    add("--queries", type=Path, required=True, help="one object a line, with boxes")
    add("--only-product", metavar="REGEX", default="", help="only queries whose product matches")
    add(
        "--embedder",
        action="append",
        metavar="NAME[:LAYER]",
        help="default: hog and viewnet, with all their layers",
    )
    add("--azimuths", type=int, default=12, help="of a model's views, a divisor of 36 (12)")
    add("--elevations", type=int, default=3, help="how many of 0, 15 and 30 degrees (3)")
    add("--tau", type=float, default=0.75, choices=TAUS, help="aspect filter of table and curves (0.75)")
    add("--workers", type=int, default=2, help="processes that read and render (2)")
    add("--cache", type=Path, default=Path("var/study/cache"), help="what was rendered and described")
    add("--out", type=Path, default=Path("var/study/features"), help="features.md, .json and .png")
    features.set_defaults(run=_run_features)


def _run_features(options: argparse.Namespace, tell: Tell) -> str:
    queries = [
        query for query in read_queries(options.queries) if re.search(options.only_product, query.product)
    ]
    if not queries:
        raise BadSource(f"no query's product matches {options.only_product!r}")
    settings = FeatureOptions(options.azimuths, options.elevations, options.tau, options.workers)
    embedders = options.embedder or ["hog", "viewnet"]
    study = study_features(options.gallery, queries, embedders, options.cache, settings, tell)
    table = markdown(study, options.tau)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "features.md").write_text(table + "\n", encoding="utf-8")
    (options.out / "features.json").write_text(json.dumps(asdict(study), indent=1), encoding="utf-8")
    draw(study, options.tau, options.out / "features.png")
    counts = f"{study.queries} photos, {study.models} models of {study.views} views, tau {options.tau:g}"
    return f"{counts}; percent with 95% intervals\n\n{table}\n\n{options.out}/features.png"


def _add_detection(detection: argparse.ArgumentParser) -> None:
    add, default = detection.add_argument, DetectionOptions()
    add("--gallery", type=Path, action="append", required=True, help="folder of meshes or .sh3f; repeatable")
    add("--backgrounds", type=Path, required=True, help="photos to paste on")
    add("--exclude-category", action="append", default=[], metavar="C")
    add("--embedder", default=DEFAULT_EMBEDDER)
    add("--objects", type=int, default=default.objects, help="pasted, one or two a picture")
    add("--tau", type=float, default=default.tau, help="aspect filter")
    add("--seed", type=int, default=default.seed)
    add("--workers", type=int, default=default.workers, help="processes that read and render")
    add("--cache", type=Path, default=Path("var/study/cache"), help="the gallery's views and index")
    add("--out", type=Path, default=Path("var/study/detection"), help="detection.md, .json and .png")
    detection.set_defaults(run=_run_detection)


def _run_detection(options: argparse.Namespace, tell: Tell) -> str:
    settings = DetectionOptions(options.objects, options.tau, options.seed, options.workers)
    study = study_detection(
        options.gallery,
        options.backgrounds,
        options.embedder,
        options.cache,
        settings,
        tell,
        exclude_categories=options.exclude_category,
    )
    table = detection_markdown(study)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "detection.md").write_text(table + "\n", encoding="utf-8")
    (options.out / "detection.json").write_text(json.dumps(asdict(study), indent=1), encoding="utf-8")
    draw_detection(study, options.out / "detection.png")
    counts = (
        f"{study.objects} objects in {study.pictures} pictures, {len(study.categories)} categories, "
        f"{study.models} models, {study.proposals} proposals; overlapped by one: {100 * study.found.mean:.1f}%"
    )
    return f"{counts}\n\n{table}\n\n{options.out}/detection.png"


def _add_viewpoint(viewpoint: argparse.ArgumentParser) -> None:
    add, default = viewpoint.add_argument, Options()
    likely = [name for name, one in FORMULATIONS.items() if not one.is_regression]
    add("--libraries", type=Path, nargs="+", required=True, help="Sweet Home 3D .sh3f files")
    add("--backgrounds", type=Path, required=True, help="photos to paste on")
    add("--out", type=Path, default=Path("var/study/viewpoint"), help="renders, viewpoint.md, .json and .png")
    add("--every", type=int, default=default.every, help="train on each n-th library model")
    add("--a-family", type=int, default=default.a_family, help="random models of each parametric family")
    add("--views", type=int, default=default.views, help="rendered of a model")
    add("--rounds", type=int, default=default.rounds, help="times each view is lit and pasted anew")
    add("--epochs", type=int, default=default.epochs)
    add("--workers", type=int, default=default.workers, help="processes that read and render")
    add("--reweight", metavar="FORMULATION", choices=likely, help="then search with its probabilities")
    viewpoint.set_defaults(run=_run_viewpoint)


def _run_viewpoint(options: argparse.Namespace, tell: Tell) -> str:
    settings = Options(
        every=options.every,
        a_family=options.a_family,
        views=options.views,
        rounds=options.rounds,
        epochs=options.epochs,
        workers=options.workers,
    )
    study = study_viewpoint(options.libraries, options.backgrounds, options.out, settings, tell)
    table = viewpoint_table(study)
    (options.out / "viewpoint.md").write_text(table + "\n", encoding="utf-8")
    facts = {"counts": study.counts, "rows": [asdict(row) for row in study.rows]}
    (options.out / "viewpoint.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    draw_errors(study, options.out / "viewpoint.png")
    counts = ", ".join(f"{name}: {count}" for name, count in study.counts.items())
    answer = f"{counts}\n\n{table}\n\n{options.out}/viewpoint.png"
    if options.reweight:
        rows = reweight(options.libraries, options.backgrounds, options.out, options.reweight, settings, tell)
        answer += f"\n\nviews re-weighted by {options.reweight}:\n\n{reweighted_table(rows)}"
    return answer


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Composites against plain views of all models; percent of composites")
    for name in ("embedder", "products", "models", "composites", "among", "top 1", "top 10", *_SEVERAL):
        table.add_column(name, justify="left" if name in {"embedder", "products"} else "right")
    for row in rows:
        counts = (str(row.models), str(row.queries), str(row.gallery))
        together = [share for count in PHOTOS[1:] for share in (row.several[count], row.turned[count])]
        shares = (row.top1, row.top10, *together)
        table.add_row(row.embedder, row.products, *counts, *(f"{100 * share:.1f}" for share in shares))
    return table
