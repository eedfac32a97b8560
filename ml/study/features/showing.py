"""The feature study as a table and a page of plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.evaluation.metrics import Interval
from ml.study.features.detecting import DetectionRow, DetectionStudy
from ml.study.features.study import Curve, FeatureStudy, Row

__all__ = ["detection_markdown", "draw", "draw_detection", "markdown"]

_HEADER = (
    "embedder",
    "layer",
    "similarity",
    "top 1, no filter",
    "top 1",
    "top 10",
    "category, top 1",
    "best tau",
)


def markdown(study: FeatureStudy, tau: float) -> str:
    """One line a layer and similarity, percent with 95% intervals; at tau, and where top 10 is best."""
    lines = [f"| {' | '.join(_HEADER)} |", f"|{' --- |' * len(_HEADER)}"]
    for row in (row for row in study.rows if row.tau == tau):
        kin = [other for other in study.rows if _key(other) == _key(row)]
        plain = next(other for other in kin if other.tau == 0)
        best = max(kin, key=lambda other: other.top10.mean)
        cells = [row.embedder, row.layer, row.similarity, percent(plain.top1), percent(row.top1)]
        cells += [percent(row.top10), percent(row.category1), f"{best.tau:g} ({100 * best.top10.mean:.1f})"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def percent(value: Interval) -> str:
    return f"{100 * value.mean:.1f} ({100 * value.low:.0f}–{100 * value.high:.0f})"


def draw(study: FeatureStudy, tau: float, path: Path) -> None:
    """Four panels: layers and similarities; the aspect filter; views a model; models."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    (layers, aspects), (views, models) = figure.subplots(2, 2)
    _draw_layers(layers, [row for row in study.rows if row.tau == tau], tau)
    for curve in (curve for curve in study.curves if curve.over == "models"):
        name = f"{curve.embedder} {curve.layer}, {curve.similarity}"
        same = [row for row in study.rows if _key(row) == (curve.embedder, curve.layer, curve.similarity)]
        _draw_band(aspects, [row.tau for row in same], [row.top10 for row in same], name)
        _draw_band(models, curve.counts, curve.top1, f"{name}: exact")
        _draw_band(models, curve.counts, curve.category1, f"{name}: category", line="--")
    kept = [row for row in study.rows if _key(row) == _key(study.rows[0])]
    aspects.plot(
        [row.tau for row in kept], [100 * row.kept for row in kept], ":", color="gray", label="views kept"
    )
    for curve in (curve for curve in study.curves if curve.over == "views a model"):
        _draw_band(views, curve.counts, curve.top1, f"{curve.embedder}: exact")
        _draw_band(views, curve.counts, curve.category1, f"{curve.embedder}: category", line="--")
    aspects.set(xlabel="tau (0: no filter)", ylabel="top 10, %", title="aspect filter")
    views.set(xlabel="views a model", ylabel="top 1, %", title=f"views, tau {tau:g}", xscale="log")
    models.set(xlabel="models", ylabel="top 1, %", title=f"models, tau {tau:g}", xscale="log")
    for axes in (aspects, views, models):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle(
        f"{study.queries} photos, {study.models} models of {study.views} views; 95% bootstrap intervals"
    )
    figure.savefig(path, dpi=110)


def detection_markdown(study: DetectionStudy) -> str:
    """One line a number of views, then one a number of models; percent."""
    names = ("over", "how many", "category AP", "category hits", "product AP", "product hits")
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for row in study.rows:
        count = str(row.count) if row.count else "all"
        cells = [row.over, count, f"{100 * row.category_ap:.1f}", percent(row.category_hits)]
        cells += [f"{100 * row.product_ap:.1f}", percent(row.product_hits)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_detection(study: DetectionStudy, path: Path) -> None:
    """Two panels: views a model; models a category."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, over in zip(figure.subplots(1, 2), ("views a model", "models a category"), strict=True):
        _draw_detection_panel(axes, [row for row in study.rows if row.over == over])
        axes.set(xlabel=over, ylabel="%", ylim=(0, None))
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle(
        f"{study.objects} objects in {study.pictures} pictures, {study.models} models; "
        f"{100 * study.found.mean:.0f}% are overlapped by a proposal; 95% bootstrap intervals"
    )
    figure.savefig(path, dpi=110)


def _draw_detection_panel(axes: Axes, rows: Sequence[DetectionRow]) -> None:
    at = range(len(rows))
    _draw_band(axes, at, [row.category_hits for row in rows], "category hits")
    _draw_band(axes, at, [row.product_hits for row in rows], "product hits")
    axes.plot(at, [100 * row.category_ap for row in rows], "--s", markersize=3, label="category AP")
    axes.plot(at, [100 * row.product_ap for row in rows], "--s", markersize=3, label="product AP")
    axes.set_xticks(at, [str(row.count) if row.count else "all" for row in rows])


def _draw_layers(axes: Axes, rows: Sequence[Row], tau: float) -> None:
    names = list(dict.fromkeys((row.embedder, row.layer) for row in rows))
    for place, similarity in enumerate(dict.fromkeys(row.similarity for row in rows)):
        chosen = [row for row in rows if row.similarity == similarity]
        at = [names.index((row.embedder, row.layer)) + (place - 1) * 0.22 for row in chosen]
        means = [100 * row.top10.mean for row in chosen]
        below = [100 * (row.top10.mean - row.top10.low) for row in chosen]
        above = [100 * (row.top10.high - row.top10.mean) for row in chosen]
        axes.errorbar(at, means, yerr=[below, above], fmt="o", capsize=2, markersize=4, label=similarity)
    labels = [f"{embedder.split(':')[0]}\n{layer}" for embedder, layer in names]
    axes.set_xticks(range(len(names)), labels, fontsize=8, rotation=30)
    axes.set(ylabel="top 10, %", title=f"layers and similarities, tau {tau:g}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)


def _draw_band(
    axes: Axes, at: Sequence[float], values: Sequence[Interval], label: str, *, line: str = "-"
) -> None:
    [drawn] = axes.plot(at, [100 * value.mean for value in values], f"{line}o", markersize=3, label=label)
    low, high = [100 * value.low for value in values], [100 * value.high for value in values]
    axes.fill_between(at, low, high, alpha=0.12, color=drawn.get_color(), linewidth=0)


def _key(row: Row | Curve) -> tuple[str, str, str]:
    return row.embedder, row.layer, row.similarity
