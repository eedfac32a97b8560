"""A picture of a plan: when each storage is alive, and where in the arena it lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from ml.memory.graph import MIB, Role, Storage, alive_bytes, largest_alive
from ml.memory.planning import Plan

__all__ = ["draw_lifetimes"]

_COLORS = {Role.OUTPUT: "#3b6fb6", Role.WORKSPACE: "#d9a441", Role.GRADIENT: "#b5524b"}
_NAMES = {Role.OUTPUT: "outputs", Role.WORKSPACE: "workspace", Role.GRADIENT: "gradients"}


def draw_lifetimes(storages: Sequence[Storage], plan: Plan, title: str, path: Path) -> None:
    """Write a PNG: steps to the right, offset in the arena upwards, a rectangle a storage; the line is
    what is alive, the dashed one the largest set alive at once."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.add_subplot()
    for role, color in _COLORS.items():
        patches = [
            Rectangle((s.first, offset / MIB), s.last - s.first + 1, s.bytes / MIB)
            for s, offset in zip(storages, plan.offsets, strict=True)
            if s.role is role
        ]
        axes.add_collection(
            PatchCollection(patches, facecolor=color, edgecolor="white", linewidth=0.3, alpha=0.85)
        )
    alive = alive_bytes(storages) / MIB
    axes.stairs(alive, np.arange(len(alive) + 1), color="black", linewidth=1.0, label="alive")
    bound = largest_alive(storages) / MIB
    axes.axhline(bound, color="black", linestyle="--", linewidth=0.8)
    axes.set(xlim=(0, max(len(alive), 1)), ylim=(0, max(plan.bytes / MIB * 1.05, 1e-9)))
    axes.set(
        xlabel="step", ylabel="MiB", title=f"{title}: arena {plan.bytes / MIB:.2f}, bound {bound:.2f} MiB"
    )
    used = [role for role in _COLORS if any(s.role is role for s in storages)]
    handles = [Patch(color=_COLORS[role], label=_NAMES[role]) for role in used]
    axes.legend(handles=handles, loc="upper right", frameon=False)
    figure.savefig(path, dpi=130, format="png")
