"""What a benchmark says: lines of seconds and ratios, as a table, as JSON, as a plot, with the machine's facts."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

__all__ = ["Line", "Section", "best_of", "machine", "median_of", "read_bandwidth", "table", "write"]

_NAMED = ("numpy", "torch", "faiss-cpu", "embreex", "torchvision")


@dataclass(frozen=True, slots=True)
class Line:
    """what: in words; seconds: of one unit of work; note: what else was found, such as a recall.

    is_ours: ours, whose ratio is taken to each other line.
    """

    what: str
    seconds: float
    note: str = ""
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Lines on the same work. unit: what one `seconds` is of; missing: alternatives that are not here, and why."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...] = ()

    @property
    def ours(self) -> Line:
        return next(line for line in self.lines if line.is_ours)

    def ratio(self, line: Line) -> float:
        """How many times as long as ours it takes."""
        return line.seconds / self.ours.seconds


def table(section: Section) -> Table:
    made = Table(title=f"{section.title} ({section.unit})", title_justify="left")
    for heading in ("", "ms", "times ours", "note"):
        made.add_column(heading, justify="left" if heading in {"", "note"} else "right")
    for line in section.lines:
        style = "bold" if line.is_ours else ""
        ratio = f"{section.ratio(line):.2f}"
        made.add_row(line.what, f"{1e3 * line.seconds:.3g}", ratio, line.note, style=style)
    for name in section.missing:
        made.add_row(escape(name), "–", "–", "not measured")
    return made


def write(sections: Sequence[Section], facts: dict[str, Any], out: Path) -> None:
    """bench.json and bench.png into the folder."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    out.mkdir(parents=True, exist_ok=True)
    content = {"machine": facts, "sections": [asdict(section) for section in sections]}
    (out / "bench.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    heights = [1.0 + 0.32 * len(section.lines) for section in sections]
    figure, axes = pyplot.subplots(
        len(sections),
        1,
        figsize=(9, sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axis, section in zip(axes[:, 0], sections, strict=True):
        names = [line.what for line in section.lines][::-1]
        ratios = [section.ratio(line) for line in section.lines][::-1]
        colors = ["#17924a" if line.is_ours else "#8894a6" for line in section.lines][::-1]
        bars = axis.barh(names, ratios, color=colors)
        axis.bar_label(
            bars,
            [f"{ratio:.0f} ×" if ratio >= 10 else f"{ratio:.2g} ×" for ratio in ratios],
            padding=4,
            fontsize=8,
        )
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.axvline(1.0, color="#17924a", linewidth=0.8)
        axis.margins(x=0.12)
        axis.set_title(f"{section.title}: time, as a multiple of ours", fontsize=9, loc="left", x=-0.3)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(out / "bench.png", dpi=130)
    pyplot.close(figure)


def median_of(run: Callable[[int], object], times: int) -> float:
    """Seconds of one call, the median of `times` after one that does not count."""
    run(0)
    taken = []
    for at in range(times):
        start = time.perf_counter()
        run(at)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def best_of(run: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest call of `times`."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def read_bandwidth() -> float:
    """Bytes a second one thread reads from memory: the sum over an array no cache holds."""
    block = np.ones(64 * 2**20, dtype=np.float32)
    return block.nbytes / best_of(block.sum, 5)


def machine() -> dict[str, Any]:
    """What a figure has to be read with."""
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.is_file()
        else []
    )
    return {
        "processor": names[0].split(":", 1)[1].strip() if names else platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "read_gb_s": round(read_bandwidth() / 1e9, 1),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _NAMED},
    }
