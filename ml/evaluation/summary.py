"""An evaluation's results as numbers: overall, by category, with intervals; as JSON and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from ml.evaluation.metrics import Scores, bootstrap, macro, mean_of

if TYPE_CHECKING:
    from ml.pipelines.evaluating import Evaluation, QueryResult, Ranked

__all__ = ["LEVELS", "NEAR_DEG", "printed", "to_json"]

MEASURES = tuple(Scores.__dataclass_fields__)
NEAR_DEG = 15  # an azimuth's error within which a viewpoint counts as found
LEVELS = ("exact", "product", "category")  # what counts as right: the ids or names, the family, the category
_TITLES = {"top1": "top 1", "top5": "top 5", "top10": "top 10", "precision5": "precision 5", "mrr": "MRR"}


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values. The measures at the top are micro averages over queries, of the exact level.

    seconds: wall clock of all searches together; stages: p50 and p95 a query, in seconds.
    """
    results = evaluation.results
    exact = [result.exact for result in results]
    return {
        "n": len(results),
        **mean_of(exact),
        "seconds": evaluation.search_seconds,
        "build_seconds": evaluation.build_seconds,
        "intervals": {name: list(_interval([getattr(score, name) for score in exact])) for name in MEASURES},
        "levels": {level: _level(results, level) for level in LEVELS},
        "stages": _stages(results),
        "no_match": float(np.mean([result.no_match for result in results])),
        "widened": float(np.mean([result.widened for result in results])),
        "missed_boxes": sum(not result.is_found for result in results),
        "silhouette_iou": _mean([result.silhouette_iou for result in results]),
        "azimuth": _azimuth(results),
        "masks": _masks(results),
        "embedder": evaluation.gallery.manifest.embedder_fingerprint,
        "tau": evaluation.options.tau,
        "gallery": {
            "models": evaluation.gallery.manifest.models,
            "views": evaluation.gallery.manifest.views,
            "failures": [{"id": one.key, "reason": one.reason} for one in evaluation.gallery.failures],
        },
        "per_query": [_query(result, evaluation) for result in results],
    }


def _interval(values: Sequence[float]) -> tuple[float, float]:
    interval = bootstrap(values)
    return interval.low, interval.high


def _level(results: Sequence[QueryResult], level: str) -> dict[str, Any] | None:
    """Micro and macro means of one level, and by category; None where no query has it."""
    having = [(result, getattr(result, level)) for result in results]
    kept = [(result, score) for result, score in having if score is not None]
    if not kept:
        return None
    scores = [score for _, score in kept]
    groups = [result.query.category or "all" for result, _ in kept]
    by_category: dict[str, dict[str, Any]] = {name: {"n": groups.count(name)} for name in sorted(set(groups))}
    averaged = {}
    for measure in MEASURES:
        averaged[measure], parts = macro([getattr(score, measure) for score in scores], groups)
        for name, value in parts.items():
            by_category[name][measure] = value
    return {
        "n": len(scores),
        "micro": mean_of(scores),
        "intervals": {
            measure: list(_interval([getattr(score, measure) for score in scores])) for measure in MEASURES
        },
        "macro": averaged,
        "by_category": by_category,
    }


def _stages(results: Sequence[QueryResult]) -> dict[str, dict[str, float]]:
    names = sorted({name for result in results for name in result.seconds})
    table = {}
    for name in names:
        values = [result.seconds[name] for result in results if name in result.seconds]
        p50, p95 = np.quantile(values, [0.5, 0.95])
        table[name] = {"p50": float(p50), "p95": float(p95)}
    return table


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _azimuth(results: Sequence[QueryResult]) -> dict[str, Any] | None:
    """How near the right products' viewpoints come to those the queries tell; None where none tells."""
    errors = [result.azimuth_error for result in results if result.azimuth_error is not None]
    if not errors:
        return None
    degrees = np.degrees(errors)
    near = degrees <= NEAR_DEG
    return {
        "n": len(errors),
        f"within_{NEAR_DEG}": float(near.mean()),
        "interval": list(_interval(near.tolist())),
        "median_deg": float(np.median(degrees)),
    }


def _masks(results: Sequence[QueryResult]) -> dict[str, Any] | None:
    """How well the objects are cut out of the photos whose masks are told; None where none is."""
    overlaps = [result.mask_iou for result in results if result.mask_iou is not None]
    if not overlaps:
        return None
    return {
        "n": len(overlaps),
        "mean_iou": float(np.mean(overlaps)),
        "interval": list(_interval(overlaps)),
        "median_iou": float(np.median(overlaps)),
    }


def _query(result: QueryResult, evaluation: Evaluation) -> dict[str, Any]:
    photos = [str(path) for path in result.query.photos]
    return {
        "photo": photos[0] if len(photos) == 1 else photos,
        "box": None if result.box is None else list(result.box.as_tuple()),
        "ranked": [_product(ranked, evaluation) for ranked in result.ranked],
        "silhouette_iou": result.silhouette_iou,
        "azimuth_error_deg": None
        if result.azimuth_error is None
        else round(math.degrees(result.azimuth_error), 2),
        "mask_iou": result.mask_iou,
        "no_match": result.no_match,
        "box_found": result.is_found,
        **({"error": result.error} if result.error else {}),
    }


def _product(ranked: Ranked, evaluation: Evaluation) -> dict[str, Any]:
    item = evaluation.gallery.items[ranked.at]
    return {
        "id": item.id,
        "name": item.name,
        "score": round(ranked.score, 6),
        "calibrated": round(ranked.calibrated, 6),
        "azimuth_deg": round(ranked.azimuth_deg, 3),
        "elevation_deg": round(ranked.elevation_deg, 3),
        "box": list(ranked.box.as_tuple()),
        "right": ranked.is_right,
    }


def printed(evaluation: Evaluation) -> Table:
    """A row a level and category: percent, the overall rows with their 95% interval."""
    table = Table(title=_caption(evaluation), title_justify="left", caption_justify="left")
    for heading in ("right is", "queries", "photos"):
        table.add_column(heading, justify="right" if heading == "photos" else "left")
    for measure in MEASURES:
        table.add_column(_TITLES[measure], justify="right")
    for level in LEVELS:
        summary = _level(evaluation.results, level)
        if summary is None:
            continue
        micro = [
            f"{100 * summary['micro'][name]:.1f} ({100 * low:.0f}-{100 * high:.0f})"
            for name, (low, high) in summary["intervals"].items()
        ]
        table.add_row(level, "all, micro", str(summary["n"]), *micro, style="bold")
        if len(summary["by_category"]) > 1:
            averages = [f"{100 * summary['macro'][name]:.1f}" for name in MEASURES]
            table.add_row("", "all, macro", str(len(summary["by_category"])) + " groups", *averages)
            for name, row in summary["by_category"].items():
                table.add_row("", name, str(row["n"]), *(f"{100 * row[each]:.1f}" for each in MEASURES))
        table.add_section()
    return table


def _caption(evaluation: Evaluation) -> str:
    manifest = evaluation.gallery.manifest
    return (
        f"{manifest.embedder_fingerprint}: {manifest.models} models, {manifest.views} views, "
        f"tau {evaluation.options.tau:g}; percent, with 95% bootstrap intervals"
    )
