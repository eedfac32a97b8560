"""Chairs, office chairs, stools and benches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.mesh.parametric.shapes import Assembly, Shape, box, cushion, disc, lathe, sheet, tube
from ml.mesh.parametric.surfaces import (
    METALS,
    WOODS,
    fabric,
    leather,
    metal,
    paint,
    random_color,
    wicker,
    wood,
)
from ml.types import Material, Mesh

__all__ = ["Bench", "Chair", "OfficeChair", "Stool", "finish", "random_bench", "random_chair", "random_office_chair",
           "random_stool", "upholstery"]  # fmt: skip

Generator = np.random.Generator


def finish(name: str, variant: int = 0) -> Material:
    """'oak' wood, 'metal:brass', 'paint:red' or 'wicker:sand'."""
    kind, _, tone = name.rpartition(":")
    if kind == "metal":
        return metal(tone)
    if kind == "paint":
        return paint(tone)
    if kind == "wicker":
        return wicker(tone)
    return wood(tone, variant)


def upholstery(name: str) -> Material:
    """'gray' woven cloth, 'rib:gray' another weave, 'leather:brown'."""
    kind, _, tone = name.rpartition(":")
    return leather(tone) if kind == "leather" else fabric(tone, kind or "weave")


def random_finish(rng: Generator, metal_share: float = 0.25, paint_share: float = 0.25) -> str:
    draw = rng.random()
    if draw < metal_share:
        return f"metal:{rng.choice(list(METALS))}"
    if draw < metal_share + paint_share:
        return f"paint:{random_color(rng)}"
    return str(rng.choice(list(WOODS)))


def random_upholstery(rng: Generator) -> str:
    kinds = ["", "", "rib:", "melange:", "leather:", "stripes:", "check:"]
    return f"{rng.choice(kinds)}{random_color(rng)}"


@dataclass(frozen=True, slots=True)
class Chair:
    """back: slats, ladder, panel, cross, spindles, shell or pad; legs: square, tapered, tube, sled,
    cantilever or cross."""

    back: str = "slats"
    legs: str = "square"
    frame: str = "oak"
    seat: str = ""  # upholstery; '' for a hard seat in `top`
    top: str = ""
    width: float = 0.45
    depth: float = 0.46
    seat_height: float = 0.46
    height: float = 0.85
    arms: bool = False
    lean: float = 9.0  # degrees
    count: int = 4

    def build(self) -> Mesh:
        made = Assembly()
        frame = finish(self.frame)
        hard = finish(self.top, 1) if self.top else frame
        _chair_legs(made, frame, self)
        if self.back == "shell":
            _shell(made, upholstery(self.seat) if self.seat else hard, self)
        else:
            _chair_seat(made, hard, self)
            _chair_back(made, frame, hard, self)
        if self.arms:
            _chair_arms(made, frame, self)
        return made.mesh()


def _chair_legs(made: Assembly, frame: Material, c: Chair) -> None:
    x, z, top = c.width / 2 - 0.03, c.depth / 2 - 0.03, c.seat_height - 0.04
    if c.legs == "square":
        leg = box(0.04, top, 0.04, 0.005, "y").at(y=top / 2)
        made.on_corners(frame, leg, x, z)
        for rail in (
            box(2 * x, 0.05, 0.022).at(y=top - 0.03, z=z),
            box(2 * x, 0.05, 0.022).at(y=top - 0.03, z=-z),
        ):
            made.add(frame, rail)
        made.mirrored(
            frame,
            box(0.022, 0.05, 2 * z).at(x=x, y=top - 0.03),
            box(0.02, 0.025, 2 * z).at(x=x, y=top * 0.35),
        )
    elif c.legs == "tapered":
        leg = tube([(0.07, 0, 0.06), (0, top, 0)], [0.011, 0.021], 12)
        made.on_corners(frame, leg, x - 0.05, z - 0.05)
    elif c.legs == "tube":
        made.on_corners(frame, tube([(0.015, 0, 0.015), (0, top, 0)], 0.012, 10), x, z)
        made.mirrored(frame, tube([(x, top, z), (x, top, -z)], 0.011, 8))
    elif c.legs == "sled":
        for s in (1, -1):
            path = [(s * x, top, z - 0.06), (s * x, 0.03, z), (s * x, 0.012, z - 0.03), (s * x, 0.012, -z + 0.03),
                    (s * x, 0.03, -z), (s * x, top, -z + 0.06)]  # fmt: skip
            made.add(frame, tube(path, 0.011, 8))
        made.add(frame, tube([(-x, top, 0), (x, top, 0)], 0.01, 8))
    elif c.legs == "cantilever":
        for s in (1, -1):
            path = [(s * x, top, -z), (s * x, top, z - 0.05), (s * x, top - 0.05, z), (s * x, 0.06, z),
                    (s * x, 0.014, z - 0.05), (s * x, 0.014, -z)]  # fmt: skip
            made.add(frame, tube(path, 0.013, 10, smooth=3))
        made.add(frame, tube([(-x, 0.014, -z), (x, 0.014, -z)], 0.013, 8))
    else:  # cross
        for s in (1, -1):
            made.add(
                frame,
                tube([(s * x, 0, z), (s * x, top, -z)], 0.014, 8),
                tube([(s * x, 0, -z), (s * x, top, z)], 0.014, 8),
            )
        made.add(frame, tube([(-x, top / 2, 0), (x, top / 2, 0)], 0.011, 8))


def _chair_seat(made: Assembly, hard: Material, c: Chair) -> None:
    if c.seat:
        made.add(hard, box(c.width - 0.01, 0.025, c.depth - 0.01, 0.004).at(y=c.seat_height - 0.05))
        pad = cushion(c.width, 0.055, c.depth, 0.025, 0.012)
        made.add(upholstery(c.seat), pad.at(y=c.seat_height - 0.02))
    elif c.legs in {"tapered", "tube", "cantilever", "sled"}:
        made.add(hard, _saddle(c.width, c.depth, 0.022).at(y=c.seat_height - 0.025))
    else:
        made.add(hard, box(c.width, 0.024, c.depth, 0.007).at(y=c.seat_height - 0.02))


def _saddle(width: float, depth: float, thickness: float) -> Shape:
    """A board with round corners, hollowed a little."""
    steps = np.linspace(-1, 1, 13)
    u, v = np.meshgrid(steps, steps, indexing="ij")
    # squircle mapping rounds the corners
    x, z = u * np.sqrt(1 - 0.22 * v**2), v * np.sqrt(1 - 0.22 * u**2)
    y = 0.012 * (u**2 + 0.4 * v**2)
    return sheet(np.stack([-x * width / 2, y, z * depth / 2], axis=-1), thickness)


def _chair_back(made: Assembly, frame: Material, hard: Material, c: Chair) -> None:
    rise = c.height - c.seat_height
    x = c.width / 2 - 0.025
    back = Assembly()
    thin = 0.011 if frame.name.endswith("metal") else 0.016
    if c.back not in {"panel", "pad"} or c.legs in {"square", "cross"}:
        post = (
            box(0.034, rise + 0.04, 0.03, 0.005, "y")
            if c.legs == "square"
            else tube([(0, -rise / 2, 0), (0, rise / 2, 0)], thin, 10)
        )
        back.mirrored(frame, post.at(x=x, y=rise / 2))
    inner = 2 * x - 0.03
    if c.back == "slats":
        for k in range(c.count):
            place = (k + 0.5) / c.count * inner - inner / 2
            back.add(
                hard,
                box(0.42 * inner / c.count, rise - 0.09, 0.014, 0.003, "y").at(x=place, y=rise / 2 - 0.02),
            )
        back.add(frame, box(2 * x + 0.03, 0.065, 0.028, 0.008).at(y=rise - 0.02))
    elif c.back == "ladder":
        for k in range(c.count):
            back.add(
                hard,
                _bow(inner + 0.03, 0.055, 0.016, 0.02).at(
                    y=rise - 0.03 - k * (rise - 0.12) / max(c.count - 1, 1)
                ),
            )
    elif c.back == "cross":
        back.add(
            frame,
            box(2 * x + 0.03, 0.055, 0.026, 0.008).at(y=rise - 0.02),
            box(inner, 0.035, 0.02).at(y=0.08),
        )
        tilt = float(np.degrees(np.arctan2(rise - 0.13, inner)))
        bar = box(float(np.hypot(rise - 0.13, inner)), 0.03, 0.014, 0.003, "x")
        for sign in (1, -1):
            back.add(hard, bar.turned("z", sign * tilt).at(y=(rise + 0.03) / 2, z=0.006 * sign))
    elif c.back == "spindles":
        for k in range(c.count + 1):
            place = (k / c.count - 0.5) * (inner - 0.04)
            back.add(hard, tube([(place * 0.92, -0.01, 0.015), (place, rise - 0.03, 0)], 0.007, 8))
        back.add(frame, _bow(2 * x + 0.07, 0.05, 0.022, 0.03).at(y=rise - 0.02))
    elif c.back == "panel":
        back.add(hard, _bow(2 * x + 0.04, rise * 0.55, 0.014, 0.045).at(y=rise * 0.72))
        if c.legs not in {"square", "cross"}:
            back.mirrored(frame, tube([(x - 0.07, -0.01, 0.02), (x - 0.07, rise * 0.8, -0.02)], thin, 10))
    else:  # pad
        pad = cushion(2 * x + 0.05, rise * 0.82, 0.05, 0.024)
        back.add(upholstery(c.seat or "gray"), pad.at(y=rise * 0.56))
        back.mirrored(frame, tube([(x - 0.06, -0.03, -0.02), (x - 0.06, rise * 0.5, -0.02)], 0.01, 8))
    for shape, material in back.parts:
        made.add(material, shape.turned("x", -c.lean).at(y=c.seat_height - 0.015, z=-c.depth / 2 + 0.035))


def _bow(width: float, height: float, thickness: float, depth: float) -> Shape:
    """An upright board bent backwards in its middle."""
    u = np.linspace(-1, 1, 13)
    grid = np.empty((13, 3, 3))
    grid[..., 0] = (u * width / 2)[:, None]
    grid[..., 1] = np.linspace(-height / 2, height / 2, 3)
    grid[..., 2] = ((u**2 - 1) * depth)[:, None]
    return sheet(grid, thickness)


def _shell(made: Assembly, material: Material, c: Chair) -> None:
    """One bent shell for seat and back."""
    rise = c.height - c.seat_height
    t = np.linspace(0, 1, 22)
    seat = np.clip(t / 0.5, 0, 1)
    up = np.clip((t - 0.42) / 0.58, 0, 1)
    z = c.depth / 2 - seat * c.depth - up * 0.10
    y = 0.02 * np.cos(seat * np.pi) + rise * up**1.5
    u = np.linspace(-1, 1, 17)
    narrow = 1 - 0.22 * up**2 - 0.12 * (1 - seat) ** 2
    corner = np.sqrt(np.clip(1 - (np.abs(t - 0.5) * 2) ** 8 * 0.6, 0.2, 1))
    curl = 0.055 * np.sin(np.pi * np.clip(t * 1.15, 0, 1)) + 0.02
    grid = np.empty((len(t), len(u), 3))
    grid[..., 0] = u * (c.width / 2 * narrow * corner)[:, None]
    grid[..., 1] = y[:, None] + (np.abs(u) ** 2.5) * (curl * (1 - up))[:, None]
    grid[..., 2] = z[:, None] + (np.abs(u) ** 2.5) * (0.10 * up)[:, None]
    made.add(material, sheet(grid, 0.012 if c.seat == "" else 0.03).at(y=c.seat_height - 0.01))


def _chair_arms(made: Assembly, frame: Material, c: Chair) -> None:
    x, top = c.width / 2 + 0.015, c.seat_height + 0.2
    front, rear = c.depth / 2 - 0.06, -c.depth / 2 - 0.02
    if frame.name.endswith("metal"):
        path = [
            (x, c.seat_height - 0.05, front),
            (x, top - 0.04, front),
            (x, top, front - 0.05),
            (x, top, rear),
        ]
        made.mirrored(frame, tube(path, 0.011, 8, smooth=3))
    else:
        made.mirrored(frame, box(0.03, 0.24, 0.03, 0.004, "y").at(x=x, y=c.seat_height + 0.08, z=front - 0.02),
                      box(0.045, 0.022, front - rear + 0.04, 0.006).at(x=x, y=top, z=(front + rear) / 2))  # fmt: skip


def random_chair(rng: Generator) -> Chair:
    soft = rng.random() < 0.45
    return Chair(
        back=str(rng.choice(["slats", "ladder", "panel", "cross", "spindles", "shell", "pad"])),
        legs=str(rng.choice(["square", "tapered", "tube", "sled", "cantilever", "cross"])),
        frame=random_finish(rng),
        seat=random_upholstery(rng) if soft else "",
        top=random_finish(rng, 0.05) if rng.random() < 0.5 else "",
        width=rng.uniform(0.38, 0.56),
        depth=rng.uniform(0.38, 0.54),
        seat_height=rng.uniform(0.42, 0.5),
        height=rng.uniform(0.74, 1.1),
        arms=bool(rng.random() < 0.25),
        lean=rng.uniform(2, 16),
        count=int(rng.integers(2, 7)),
    )


@dataclass(frozen=True, slots=True)
class OfficeChair:
    seat: str = "black"
    frame: str = "metal:black"
    back_height: float = 0.6
    width: float = 0.48
    arms: bool = True
    head_rest: bool = False
    mesh_back: bool = False
    seat_height: float = 0.48

    def build(self) -> Mesh:
        made = Assembly()
        frame, cloth = finish(self.frame), upholstery(self.seat)
        dark = paint("black")
        for k in range(5):
            leg = tube([(0, 0.1, 0.02), (0, 0.085, 0.16), (0, 0.065, 0.3)], [0.026, 0.022, 0.016], 8)
            caster = disc(0.028, 0.036, 0.006, 16).turned("z", 90).at(y=0.028, z=0.3)
            made.add(frame, leg.turned("y", 72 * k))
            made.add(dark, caster.turned("y", 72 * k))
        made.add(
            dark, lathe([(0.028, 0.08), (0.028, 0.25), (0.018, 0.25), (0.018, self.seat_height - 0.08)], 16)
        )
        made.add(dark, box(0.22, 0.04, 0.26, 0.01).at(y=self.seat_height - 0.07))
        made.add(cloth, cushion(self.width, 0.08, 0.48, 0.035, 0.015).at(y=self.seat_height - 0.01))
        pad = _bow(self.width - 0.02, self.back_height, 0.02 if self.mesh_back else 0.06, 0.05)
        made.add(cloth, pad.turned("x", -8).at(y=self.seat_height + 0.1 + self.back_height / 2, z=-0.24))
        made.add(dark, tube([(0, self.seat_height - 0.06, -0.1), (0, self.seat_height, -0.3),
                             (0, self.seat_height + 0.35, -0.33)], 0.022, 10, smooth=3))  # fmt: skip
        if self.head_rest:
            rest = cushion(0.28, 0.14, 0.06, 0.028)
            made.add(cloth, rest.turned("x", -8).at(y=self.seat_height + 0.2 + self.back_height, z=-0.31))
        if self.arms:
            x, y = self.width / 2 + 0.05, self.seat_height + 0.22
            made.mirrored(
                frame,
                tube(
                    [(0.1, self.seat_height - 0.07, 0), (x, self.seat_height - 0.05, 0), (x, y, -0.02)],
                    0.014,
                    8,
                ),
            )
            made.mirrored(dark, cushion(0.07, 0.028, 0.25, 0.013, steps=5).at(x=x, y=y))
        return made.mesh()


def random_office_chair(rng: Generator) -> OfficeChair:
    return OfficeChair(
        seat=random_upholstery(rng),
        frame=f"metal:{rng.choice(list(METALS))}",
        back_height=rng.uniform(0.32, 0.75),
        width=rng.uniform(0.42, 0.56),
        arms=bool(rng.random() < 0.65),
        head_rest=bool(rng.random() < 0.25),
        mesh_back=bool(rng.random() < 0.4),
        seat_height=rng.uniform(0.42, 0.56),
    )


@dataclass(frozen=True, slots=True)
class Stool:
    """base: legs, pedestal or frame; seat: '' for the frame's own board, else upholstery."""

    base: str = "legs"
    frame: str = "birch"
    seat: str = ""
    height: float = 0.45
    width: float = 0.36
    is_round: bool = True
    legs: int = 4

    def build(self) -> Mesh:
        made = Assembly()
        frame = finish(self.frame)
        h, r = self.height - 0.03, self.width / 2
        if self.base == "pedestal":
            made.add(frame, lathe([(r, 0), (r, 0.012), (0.05, 0.03), (0.03, 0.06), (0.025, h)], 40))
            ring = [
                (0.6 * r * np.sin(a), h * 0.4, 0.6 * r * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 25)
            ]
            made.add(
                frame, tube(ring, 0.009, 8), tube([(-0.6 * r, h * 0.4, 0), (0.6 * r, h * 0.4, 0)], 0.009, 8)
            )
        elif self.base == "frame":
            x = r - 0.02
            made.on_corners(frame, box(0.028, h, 0.028, 0.003, "y").at(y=h / 2), x, x)
            for y in (h - 0.02, h * 0.3):
                made.mirrored(frame, box(0.022, 0.03, 2 * x).at(x=x, y=y))
                made.add(frame, box(2 * x, 0.03, 0.022).at(y=y, z=x), box(2 * x, 0.03, 0.022).at(y=y, z=-x))
        else:
            for k in range(self.legs):
                leg = tube([(0, 0, r + 0.02), (0, h, r * 0.62)], [0.013, 0.019], 12)
                made.add(frame, leg.turned("y", 360 / self.legs * (k + 0.5)))
            if h > 0.55:
                ring = [
                    ((r * 0.88) * np.sin(a), h * 0.32, (r * 0.88) * np.cos(a))
                    for a in np.linspace(0, 2 * np.pi, 33)
                ]
                made.add(metal("steel"), tube(ring, 0.008, 8))
        soft = upholstery(self.seat) if self.seat else finish(self.frame, 1)
        thickness = 0.075 if self.seat else 0.03
        if self.is_round:
            seat = disc(r, thickness, 0.022 if self.seat else 0.006)
        else:
            seat = (
                cushion(self.width, thickness, self.width, 0.03, 0.01)
                if self.seat
                else box(self.width, thickness, self.width, 0.006)
            )
        made.add(soft, seat.at(y=h + thickness / 2))
        return made.mesh()


def random_stool(rng: Generator) -> Stool:
    return Stool(
        base=str(rng.choice(["legs", "pedestal", "frame"])),
        frame=random_finish(rng, 0.35),
        seat=random_upholstery(rng) if rng.random() < 0.5 else "",
        height=rng.uniform(0.38, 0.82),
        width=rng.uniform(0.28, 0.46),
        is_round=bool(rng.random() < 0.6),
        legs=int(rng.integers(3, 5)),
    )


@dataclass(frozen=True, slots=True)
class Bench:
    """kind: slats, park (with a back), padded or storage."""

    kind: str = "slats"
    frame: str = "oak"
    top: str = "oak"
    seat: str = "gray"
    width: float = 1.2
    depth: float = 0.38
    height: float = 0.45

    def build(self) -> Mesh:
        made = Assembly()
        frame, top = finish(self.frame), finish(self.top, 1)
        w, d, h = self.width, self.depth, self.height
        if self.kind == "storage":
            made.add(frame, box(w, h - 0.08, d, 0.006, "x").at(y=(h - 0.08) / 2 + 0.02))
            made.add(frame, box(w + 0.02, 0.02, d + 0.02, 0.004).at(y=h - 0.05))
            made.add(upholstery(self.seat), cushion(w, 0.06, d, 0.025, 0.01).at(y=h - 0.01))
            return made.mesh()
        leg = box(0.05, h - 0.03, 0.05, 0.005, "y").at(y=(h - 0.03) / 2)
        if frame.name.endswith("metal"):
            leg = box(0.03, h - 0.03, 0.03, 0.003, "y").at(y=(h - 0.03) / 2)
            made.mirrored(frame, box(0.03, 0.03, d - 0.06).at(x=w / 2 - 0.08, y=0.015))
        made.on_corners(frame, leg, w / 2 - 0.08, d / 2 - 0.03)
        made.mirrored(frame, box(0.04, 0.05, d - 0.06).at(x=w / 2 - 0.08, y=h - 0.055))
        if self.kind == "padded":
            made.add(upholstery(self.seat), cushion(w, 0.09, d, 0.035, 0.012).at(y=h + 0.015))
            return made.mesh()
        count = max(3, round(d / 0.09))
        for k in range(count):
            z = ((k + 0.5) / count - 0.5) * d
            made.add(top, box(w, 0.024, d / count - 0.014, 0.004).at(y=h - 0.015, z=z))
        if self.kind == "park":
            for k in range(3):
                made.add(
                    top,
                    box(w, 0.08, 0.022, 0.005)
                    .turned("x", -12)
                    .at(y=h + 0.13 + 0.12 * k, z=-d / 2 - 0.02 - 0.025 * k),
                )
            made.mirrored(
                frame,
                box(0.045, 0.5, 0.03, 0.004, "y")
                .turned("x", -12)
                .at(x=w / 2 - 0.08, y=h + 0.18, z=-d / 2 - 0.055),
            )
            made.mirrored(frame, box(0.05, 0.03, d, 0.006).at(x=w / 2 - 0.08, y=h + 0.2),
                          box(0.04, 0.22, 0.04).at(x=w / 2 - 0.08, y=h + 0.09, z=d / 2 - 0.03))  # fmt: skip
        return made.mesh()


def random_bench(rng: Generator) -> Bench:
    return Bench(
        kind=str(rng.choice(["slats", "park", "padded", "storage"])),
        frame=random_finish(rng, 0.35),
        top=random_finish(rng, 0.0),
        seat=random_upholstery(rng),
        width=rng.uniform(0.8, 1.8),
        depth=rng.uniform(0.3, 0.5),
        height=rng.uniform(0.4, 0.5),
    )
