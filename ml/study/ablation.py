"""What each step of the matching brings: one table over several sets, and what still fails, as pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml import registry
from ml.evaluation.metrics import Interval, bootstrap
from ml.evaluation.queries import Query
from ml.evaluation.report import write_report
from ml.pipelines.adapting import LEAST_MODELS, adapt_models
from ml.pipelines.evaluating import EvaluateOptions, Evaluation, QueryResult, evaluate
from ml.pipelines.galleries import IndexOptions, onboard_sources
from ml.pipelines.progress import Progress
from ml.search.config import SearchConfig

__all__ = [
    "CAUSES",
    "MEASURES",
    "AblationOptions",
    "AblationRow",
    "AblationSet",
    "ablation_markdown",
    "cause",
    "study_ablation",
]

MEASURES = {"exact": ("top1", "top10", "precision5"), "product": ("top1",), "category": ("top1",)}
_UNVERIFIED = SearchConfig(verified=0)
_ANY_KIND = dataclasses.replace(_UNVERIFIED, kind_weight=0.0)
_ONE_BOX = dataclasses.replace(_ANY_KIND, around=0.0)
_ONE_LOOK = dataclasses.replace(_ONE_BOX, expansion_weight=0.0)
_CELLS = dataclasses.replace(_ONE_LOOK, color_weight=0.0, outline_weight=0.0, views_mean=1)
_PLAIN = dataclasses.replace(_CELLS, cell_weight=0.0)
_STEPS: dict[str, tuple[str, SearchConfig, bool]] = {
    # name: embedder ("" for the one studied), how it ranks, whether photos' descriptors are adapted
    "hog, best view's cosine": ("hog", _PLAIN, False),
    "best view's cosine": ("", _PLAIN, False),
    "... adapted (phi)": ("", _PLAIN, True),
    "... calibrated view by view": ("", dataclasses.replace(_PLAIN, rank_by="calibrated"), False),
    "... re-ranked by cells": ("", _CELLS, False),
    "... and by colors, or the object's mask": ("", dataclasses.replace(_ONE_LOOK, views_mean=1), False),
    "... and the mean of the best views": ("", _ONE_LOOK, False),
    "... and a second look with the first ones' help": ("", _ONE_BOX, False),
    "... and boxes a little off beside the given": ("", _ANY_KIND, False),
    "... and products of the photo's kind first": ("", _UNVERIFIED, False),
    "... and a last look at photo and views together: shipped": ("", SearchConfig(), False),
    "shipped, adapted (phi)": ("", SearchConfig(), True),
}
_SHIPPED = "... and a last look at photo and views together: shipped"
CAUSES = (
    "box missed",
    "left out by the aspect filter",
    "right product among the first ten",
    "right kind, another product",
    "another kind",
)


@dataclass(frozen=True, slots=True)
class AblationSet:
    """name; galleries and queries as `evaluate` takes them; tau: the aspect filter's."""

    name: str
    galleries: tuple[Path, ...]
    queries: tuple[Query, ...]
    tau: float


@dataclass(frozen=True, slots=True)
class AblationOptions:
    """embedder: the one studied; backgrounds: photos phi is fitted on, None draws them."""

    embedder: str = registry.DEFAULT_EMBEDDER
    exclude_categories: tuple[str, ...] = ()
    backgrounds: Path | None = None
    workers: int = 2


@dataclass(frozen=True, slots=True)
class AblationRow:
    """One step on one set. values: by "level measure"; gains: what it adds, in the same queries, to the last step
    before it that neither adapts nor ranks by calibrated scores; None for the first; both with 95% intervals over
    queries."""

    set: str
    step: str
    queries: int
    values: dict[str, Interval]
    gains: dict[str, Interval] | None


def study_ablation(
    sets: Sequence[AblationSet], cache: Path, out: Path, options: AblationOptions, tell: Progress
) -> list[AblationRow]:
    """Every step on every set, and for the shipped one a page of pictures a cause of failure in `out`.

    Where a set has too few models for phi, its steps are left out. Raises BadSource for a gallery that can't be
    opened, NoViews where no model came in.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for one in sets:
        before: dict[str, list[float]] | None = None
        phi = _fit_phi(one, cache, out, options, tell)
        for step, (embedder, config, is_adapted) in _STEPS.items():
            if is_adapted and phi is None:
                continue
            evaluation = evaluate(
                one.galleries,
                one.queries,
                EvaluateOptions(
                    tau=one.tau,
                    exclude_categories=options.exclude_categories,
                    index=IndexOptions(
                        embedder=embedder or options.embedder,
                        adapter=f"linear:{phi}" if is_adapted else "identity",
                        workers=options.workers,
                    ),
                    config=config,
                    cache=cache,
                    with_pose=False,
                ),
                progress=tell,
            )
            values = _values(evaluation.results)
            intervals = {name: bootstrap(of) for name, of in values.items()}
            rows.append(AblationRow(one.name, step, len(one.queries), intervals, _gains(values, before)))
            if not is_adapted and config.rank_by == "cosine":  # the next step goes on from neither of those
                before = values
            if step == _SHIPPED:
                _write_failures(evaluation, out, one.name)
    return rows


def cause(result: QueryResult) -> str | None:
    """Why the right product is not first; None where it is."""
    if not result.is_found:
        return CAUSES[0]
    if result.exact.top1:
        return None
    if not result.exact.mrr:
        return CAUSES[1]
    if result.exact.top10:
        return CAUSES[2]
    return CAUSES[3] if result.category and result.category.top1 else CAUSES[4]


def ablation_markdown(rows: Sequence[AblationRow]) -> str:
    """A table a set: percent with intervals, and in brackets what a step adds, where its interval leaves out 0."""
    parts = []
    for name in dict.fromkeys(row.set for row in rows):
        of_set = [row for row in rows if row.set == name]
        measures = list(of_set[0].values)
        parts.append(f"**{name}**, {of_set[0].queries} queries\n")
        parts.append(f"| step | {' | '.join(measures)} |\n|---{'|---' * len(measures)}|")
        parts += [
            f"| {row.step} | " + " | ".join(_cell(row, measure) for measure in measures) + " |"
            for row in of_set
        ]
        parts.append("")
    return "\n".join(parts)


def _cell(row: AblationRow, measure: str) -> str:
    value = row.values[measure]
    text = f"{100 * value.mean:.1f} ({100 * value.low:.0f}–{100 * value.high:.0f})"
    gain = row.gains[measure] if row.gains else None
    if gain is None or gain.low <= 0 <= gain.high:
        return text
    return f"{text} [{100 * gain.mean:+.1f}]"


def _fit_phi(
    one: AblationSet, cache: Path, out: Path, options: AblationOptions, tell: Progress
) -> Path | None:
    """None where there are too few models."""
    onboarded = onboard_sources(
        one.galleries,
        cache,
        exclude_categories=options.exclude_categories,
        workers=options.workers,
        progress=tell,
    )
    if len(onboarded.directories) < LEAST_MODELS:
        return None
    path = out / f"phi-{one.name}.safetensors"
    adapt_models(
        onboarded.directories,
        path,
        embedder_name=options.embedder,
        backgrounds=options.backgrounds,
        progress=tell,
    )
    return path


def _values(results: Sequence[QueryResult]) -> dict[str, list[float]]:
    """By level and measure, a value a query; levels that the set does not know are left out."""
    values: dict[str, list[float]] = {}
    for level, measures in MEASURES.items():
        scores = [getattr(result, level) for result in results]
        if all(score is None for score in scores):
            continue
        for measure in measures:
            values[f"{level} {measure}"] = [
                0.0 if score is None else float(getattr(score, measure)) for score in scores
            ]
    return values


def _gains(
    values: dict[str, list[float]], before: dict[str, list[float]] | None
) -> dict[str, Interval] | None:
    if before is None:
        return None
    return {name: bootstrap(np.subtract(values[name], before[name])) for name in values}


def _write_failures(evaluation: Evaluation, out: Path, name: str) -> None:
    for place, why in enumerate(CAUSES):
        failed = tuple(result for result in evaluation.results if cause(result) == why)
        if failed:
            page = out / f"failures-{name}-{place + 1}-{why.replace(' ', '-').replace(',', '')}.html"
            write_report(dataclasses.replace(evaluation, results=failed), page)
