"""Beds and bunk beds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.mesh.parametric.chairs import finish, random_finish, random_upholstery, upholstery
from ml.mesh.parametric.shapes import Assembly, box, cushion, tube
from ml.mesh.parametric.surfaces import fabric
from ml.types import Material, Mesh

__all__ = ["Bed", "random_bed"]

Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Bed:
    """head: panel, slats, soft, bars or none; bunk: a second bed above, with a ladder. The foot
    end is the front."""

    head: str = "panel"
    frame: str = "oak"
    cloth: str = "gray"
    duvet: str = "white"
    width: float = 1.6
    length: float = 2.0
    head_height: float = 1.0
    bunk: bool = False
    drawers: bool = False
    foot_board: bool = False

    def build(self) -> Mesh:
        made = Assembly()
        frame = finish(self.frame)
        self._level(made, frame, 0.0)
        if self.bunk:
            self._level(made, frame, 1.05)
            x, z = self.width / 2 + 0.02, self.length / 2 + 0.02
            made.on_corners(frame, box(0.06, 1.75, 0.06, 0.006, "y").at(y=0.875), x, z)
            for y in (1.5, 1.65):
                made.mirrored(frame, box(0.022, 0.07, self.length).at(x=x, y=y))
                made.add(
                    frame,
                    box(self.width, 0.07, 0.022).at(y=y, z=-z),
                    box(self.width, 0.07, 0.022).at(y=y, z=z),
                )
            for k in range(5):
                made.add(
                    frame,
                    box(0.36, 0.03, 0.03, 0.004).at(x=self.width / 2 - 0.2, y=0.28 + 0.27 * k, z=z + 0.05),
                )
            for dx in (0.0, 0.38):
                made.add(
                    frame, box(0.03, 1.6, 0.03, grain="y").at(x=self.width / 2 - 0.39 + dx, y=0.8, z=z + 0.05)
                )
        else:
            self._head(made, frame)
        return made.mesh()

    def _level(self, made: Assembly, frame: Material, base: float) -> None:
        w, n = self.width, self.length
        rail = base + 0.26
        is_soft = self.head == "soft" and not self.bunk
        side = upholstery(self.cloth) if is_soft else frame
        made.mirrored(side, box(0.04, 0.18, n, 0.006, "z").at(x=w / 2 + 0.02, y=rail))
        made.add(side, box(w + 0.08, 0.18, 0.04, 0.006).at(y=rail, z=n / 2 + 0.02))
        made.add(frame, box(w, 0.03, n).at(y=rail - 0.03))
        if not self.bunk:
            made.on_corners(frame, box(0.06, 0.2, 0.06, 0.005, "y").at(y=0.1), w / 2 - 0.02, n / 2 - 0.03)
        if self.drawers and not base:
            for s in (1, -1):
                for k in (-0.5, 0.5):
                    made.add(
                        frame,
                        box(0.02, 0.17, n * 0.45, 0.004, "z").at(
                            x=s * (w / 2 + 0.015), y=0.1, z=k * n * 0.48
                        ),
                    )
        made.add(fabric("white"), cushion(w - 0.02, 0.2, n - 0.03, 0.05).at(y=rail + 0.09))
        cover = cushion(w + 0.05, 0.12, n * 0.66, 0.05, 0.02)
        made.add(upholstery(self.duvet), cover.at(y=rail + 0.18, z=n * 0.16))
        made.add(
            upholstery(self.duvet), cushion(w + 0.055, 0.06, n * 0.1, 0.028).at(y=rail + 0.235, z=-n * 0.15)
        )
        pillows = 2 if w > 1.2 else 1
        for k in range(pillows):
            x = (k + 0.5 - pillows / 2) * w * 0.47 if pillows > 1 else 0.0
            made.add(
                fabric("white", "rib"),
                cushion(min(0.62, w * 0.42 if pillows > 1 else 0.62), 0.13, 0.4, 0.06, 0.03)
                .turned("x", 12)
                .at(x=x, y=rail + 0.25, z=-n / 2 + 0.26),
            )

    def _head(self, made: Assembly, frame: Material) -> None:
        w, z, h = self.width + 0.08, -self.length / 2 - 0.025, self.head_height
        if self.head == "panel":
            made.add(frame, box(w, h - 0.1, 0.035, 0.006, "x").at(y=h / 2 + 0.05, z=z))
        elif self.head == "soft":
            columns = max(2, round(w / 0.4))
            for k in range(columns):
                pad = cushion(w / columns - 0.004, h - 0.12, 0.1, 0.04)
                made.add(
                    upholstery(self.cloth),
                    pad.at(x=(k + 0.5) * w / columns - w / 2, y=h / 2 + 0.06, z=z - 0.02),
                )
        elif self.head in {"slats", "bars"}:
            is_round = self.head == "bars"
            post = (
                tube([(0, 0, 0), (0, h, 0)], 0.018, 10)
                if is_round
                else box(0.06, h, 0.05, 0.006, "y").at(y=h / 2)
            )
            made.mirrored(frame, post.at(x=w / 2 - 0.03, z=z))
            for y in (h - 0.04, 0.36):
                bar = tube([(-w / 2 + 0.03, y, z), (w / 2 - 0.03, y, z)], 0.014, 10)
                made.add(frame, bar if is_round else box(w - 0.06, 0.07, 0.03, 0.005).at(y=y, z=z))
            count = round(w / (0.12 if is_round else 0.17))
            for k in range(1, count):
                x = (k / count - 0.5) * (w - 0.06)
                stick = tube([(x, 0.36, z), (x, h - 0.04, z)], 0.007, 8)
                made.add(
                    frame,
                    stick
                    if is_round
                    else box(0.06, h - 0.4, 0.016, 0.003, "y").at(x=x, y=(h + 0.32) / 2, z=z),
                )
        if self.foot_board:
            made.add(frame, box(w, 0.36, 0.035, 0.006, "x").at(y=0.33, z=-z + 0.02))


def random_bed(rng: Generator) -> Bed:
    bunk = bool(rng.random() < 0.12)
    return Bed(
        head=str(rng.choice(["panel", "slats", "soft", "bars", "none"])),
        frame=random_finish(rng),
        cloth=random_upholstery(rng),
        duvet=random_upholstery(rng).replace("leather:", ""),
        width=rng.uniform(0.8, 1.0) if bunk else float(rng.choice([0.9, 1.2, 1.4, 1.6, 1.8])),
        length=rng.uniform(1.9, 2.1),
        head_height=rng.uniform(0.7, 1.4),
        bunk=bunk,
        drawers=bool(rng.random() < 0.25),
        foot_board=bool(rng.random() < 0.3),
    )
