"""The viewpoint study as a table and as polar plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ml.study.features.showing import percent
from ml.study.viewpoint.reweighting import Reweighted
from ml.study.viewpoint.study import AVP_BINS, ViewpointStudy

__all__ = ["draw_errors", "reweighted_table", "viewpoint_table"]

_SECTORS = 24
_HEADER = (
    *("formulation", "held out", "objects", "AP"),
    *(f"AVP {bins}" for bins in AVP_BINS),
    *("median error", "within 30°"),
)


def viewpoint_table(study: ViewpointStudy) -> str:
    """Markdown; percent, and degrees."""
    lines = [f"| {' | '.join(_HEADER)} |", f"|{' --- |' * len(_HEADER)}"]
    for row in study.rows:
        cells = [row.formulation, row.group, str(row.objects), f"{100 * row.ap:.1f}"]
        cells += [f"{100 * value:.1f}" for value in row.avp]
        cells += [f"{row.median_deg:.1f}°", percent(row.within_30)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def reweighted_table(rows: Sequence[Reweighted]) -> str:
    """Markdown, a line a group and weight."""
    lines = ["| held out | weight | photos | top 1 | median azimuth error | within 30° |", f"|{' --- |' * 6}"]
    lines += [
        f"| {row.group} | {row.weight:g} | {row.queries} | {percent(row.top1)} | {row.median_deg:.1f}° "
        f"| {percent(row.within_30)} |"
        for row in rows
    ]
    return "\n".join(lines)


def draw_errors(study: ViewpointStudy, path: Path) -> None:
    """For each formulation the median error against the true azimuth, all round; the front is below, as seen
    from above."""
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    edges = np.linspace(0, 2 * np.pi, _SECTORS + 1)
    sector = np.digitize(study.azimuths % (2 * np.pi), edges) - 1
    for place, (name, errors) in enumerate(study.errors.items()):
        axes: Any = figure.add_subplot(1, len(study.errors), place + 1, projection="polar")
        parts = [np.degrees(errors[sector == k]) for k in range(_SECTORS)]
        medians = [float(np.median(part)) if len(part) else 0.0 for part in parts]
        axes.bar(
            edges[:-1] + np.pi / _SECTORS, medians, width=2 * np.pi / _SECTORS, color="#3b6fb6", alpha=0.8
        )
        axes.set_theta_zero_location("S")
        axes.set_rlim(0, 90)
        axes.set_rticks([15, 30, 60, 90])
        axes.tick_params(labelsize=7)
        axes.set_title(name.replace(", ", ",\n"), fontsize=9)
    figure.suptitle("median azimuth error in degrees by true azimuth; 0° is the front", fontsize=10)
    figure.savefig(path, dpi=110)
