"""The course of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ml.train.loop import Step

__all__ = ["draw_history"]

_SMOOTH = 100  # steps a point of a curve averages over


def draw_history(history: Sequence[Step], path: Path) -> None:
    """Losses, the share of pairs found and the learning rate over the steps; PNG or SVG by the suffix."""
    mpl.use("Agg")
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = np.array([step.number for step in history], np.float64)
    for name in ("pairs", "cells", "category", "label"):
        values = np.array([getattr(step, name) for step in history], np.float64)
        present = values > 0  # the side tasks run in every second pair of steps
        if present.any():
            left.plot(_smooth(steps[present]), _smooth(values[present]), label=name)
    left.set(xlabel="step", ylabel="loss", title="Losses")
    left.legend()
    right.plot(_smooth(steps), _smooth(np.array([step.found for step in history])), label="pairs found")
    right.set(
        xlabel="step", ylabel="share of the batch", title="Found among the batch and the bank", ylim=(0, 1)
    )
    figure.savefig(path, dpi=110)


def _smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    window = max(1, min(_SMOOTH, len(values) // 10))
    result: npt.NDArray[np.float64] = np.convolve(values, np.ones(window) / window, mode="valid")
    return result
