"""Floor lamps, table lamps and pendants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.mesh.parametric.chairs import finish, random_finish
from ml.mesh.parametric.shapes import Assembly, Shape, ball, box, disc, lathe, tube
from ml.mesh.parametric.surfaces import ceramic, fabric, metal, paint, random_color
from ml.types import Material, Mesh

__all__ = [
    "FloorLamp",
    "Pendant",
    "TableLamp",
    "random_floor_lamp",
    "random_pendant",
    "random_table_lamp",
    "shade",
]

Generator = np.random.Generator


def shade(kind: str, width: float) -> Shape:
    """Open below, hanging from y = 0. kind: drum, cone, empire, globe, dome, bell or cylinder."""
    r = width / 2
    t = 0.004
    if kind == "globe":
        return ball(r, 28).at(y=-r)
    tall, top = {"drum": (1.15, 0.94), "cone": (1.2, 0.3), "empire": (1.35, 0.6), "dome": (0.9, 0.12),
                 "bell": (1.4, 0.18), "cylinder": (2.6, 1.0)}[kind]  # fmt: skip
    height = r * tall
    if kind in {"dome", "bell"}:
        angle = np.linspace(0, np.pi / 2, 10)
        line = [
            (r * (top + (1 - top) * np.sin(a) ** (1 if kind == "dome" else 2.2)), -height * (1 - np.cos(a)))
            for a in angle
        ]
    else:
        line = [(r * top, 0.0), (r, -height)]
    inside = [(max(x - t, 0.002), y) for x, y in reversed(line)]
    closing = [(0.004, 0.0)] if kind in {"cone", "dome", "bell"} else []
    return lathe([*closing, *line, *inside][::-1], 36)


def _shade_material(name: str) -> Material:
    kind, _, tone = name.rpartition(":")
    return {"metal": metal, "paint": paint}.get(kind, fabric)(tone)


def _bulb(made: Assembly, x: float, y: float, z: float = 0.0) -> None:
    made.add(paint("cream"), ball(0.03, 14).at(x=x, y=y, z=z))


@dataclass(frozen=True, slots=True)
class FloorLamp:
    """stand: straight, tripod, arc, double or reading."""

    stand: str = "straight"
    shade: str = "drum"
    frame: str = "metal:black"
    cloth: str = "cream"
    height: float = 1.55
    shade_width: float = 0.4

    def build(self) -> Mesh:
        made = Assembly()
        frame, cloth = finish(self.frame), _shade_material(self.cloth)
        lit = shade(self.shade, self.shade_width)
        tall = float(-lit.vertices[:, 1].min())
        h = self.height
        if self.stand == "tripod":
            for k in range(3):
                made.add(
                    frame,
                    tube([(0, 0, 0.3), (0, h - tall, 0.025)], [0.012, 0.017], 10).turned("y", 120 * k + 60),
                )
            made.add(frame, disc(0.05, 0.03).at(y=h - tall))
            made.add(cloth, lit.at(y=h))
        elif self.stand == "arc":
            reach = 0.95
            path = [
                (0, 0.03, 0),
                (0, h * 0.55, 0),
                (reach * 0.25, h * 0.92, 0),
                (reach * 0.62, h, 0),
                (reach, h * 0.86, 0),
            ]
            made.add(frame, tube(path, 0.012, 10, smooth=6), disc(0.17, 0.045, 0.006).at(y=0.022))
            made.add(cloth, lit.at(x=reach, y=h * 0.86))
            _bulb(made, reach, h * 0.86 - tall * 0.6)
        else:
            made.add(
                frame,
                disc(0.15, 0.022, 0.006).at(y=0.011),
                tube([(0, 0.02, 0), (0, h - tall * 0.5, 0)], 0.011, 10),
            )
            if self.stand == "double":
                made.add(cloth, lit.at(y=h))
                arm = [(0, h * 0.6, 0), (0.12, h * 0.64, 0.06), (0.24, h * 0.7, 0.12)]
                small = shade(self.shade, self.shade_width * 0.5)
                made.add(frame, tube(arm, 0.008, 8, smooth=3))
                made.add(cloth, small.at(x=0.24, y=h * 0.74, z=0.12))
            elif self.stand == "reading":
                made.add(
                    frame,
                    tube([(0, h - tall * 0.5, 0), (0, h, 0.05), (0, h - 0.02, 0.22)], 0.009, 8, smooth=4),
                )
                made.add(cloth, lit.turned("x", -25).at(y=h, z=0.24))
            else:
                made.add(cloth, lit.at(y=h))
                _bulb(made, 0, h - tall * 0.5)
        return made.mesh()


def random_floor_lamp(rng: Generator) -> FloorLamp:
    return FloorLamp(
        stand=str(rng.choice(["straight", "tripod", "arc", "double", "reading"])),
        shade=str(rng.choice(["drum", "cone", "empire", "globe", "dome", "bell", "cylinder"])),
        frame=random_finish(rng, 0.6, 0.15),
        cloth=_random_shade(rng),
        height=rng.uniform(1.25, 1.9),
        shade_width=rng.uniform(0.2, 0.55),
    )


def _random_shade(rng: Generator) -> str:
    if rng.random() < 0.4:
        return str(rng.choice(["white", "cream", "sand"]))
    return f"{rng.choice(['', 'paint:'])}{random_color(rng)}"


@dataclass(frozen=True, slots=True)
class TableLamp:
    """stand: gourd, bottle, column, sphere, mushroom, desk (jointed) or tripod."""

    stand: str = "gourd"
    shade: str = "empire"
    body: str = "ceramic:white"
    cloth: str = "cream"
    height: float = 0.5
    shade_width: float = 0.28

    def build(self) -> Mesh:
        made = Assembly()
        kind, _, tone = self.body.rpartition(":")
        body = ceramic(tone) if kind == "ceramic" else finish(self.body)
        cloth = _shade_material(self.cloth)
        if self.stand == "desk":
            self._jointed(made, body, cloth)
            return made.mesh()
        lit = shade("dome" if self.stand == "mushroom" else self.shade, self.shade_width)
        foot = self.height + float(lit.vertices[:, 1].min()) * (0.95 if self.stand != "mushroom" else 0.75)
        if self.stand == "tripod":
            for k in range(3):
                made.add(body, tube([(0, 0, foot * 0.38), (0, foot, 0.01)], 0.009, 8).turned("y", 120 * k))
        else:
            made.add(body, lathe(_stand_profile(self.stand, foot), 36, caps=True))
        if self.stand != "mushroom":
            made.add(metal("brass"), tube([(0, foot * 0.98, 0), (0, self.height - 0.03, 0)], 0.006, 8))
            _bulb(made, 0, (foot + self.height) / 2)
        made.add(cloth, lit.at(y=self.height))
        return made.mesh()

    def _jointed(self, made: Assembly, body: Material, cloth: Material) -> None:
        h = self.height
        made.add(body, disc(0.09, 0.022, 0.006).at(y=0.011))
        made.add(
            body,
            tube([(0, 0.02, 0), (-0.1, h * 0.55, -0.04)], 0.008, 8),
            tube([(-0.1, h * 0.55, -0.04), (0.05, h, 0.1)], 0.008, 8),
        )
        made.add(
            body, ball(0.014, 12).at(x=-0.1, y=h * 0.55, z=-0.04), ball(0.014, 12).at(x=0.05, y=h, z=0.1)
        )
        made.add(cloth, shade("cone", 0.15).turned("x", -30).at(x=0.05, y=h + 0.02, z=0.1))


def _stand_profile(kind: str, h: float) -> list[tuple[float, float]]:
    r = h * 0.32
    if kind == "gourd":
        rows = [(0.6, 0), (0.95, 0.2), (0.9, 0.4), (0.45, 0.6), (0.55, 0.78), (0.3, 0.95), (0.12, 1)]
    elif kind == "bottle":
        rows = [(0.8, 0), (0.85, 0.08), (0.85, 0.5), (0.5, 0.7), (0.2, 0.8), (0.18, 1)]
    elif kind == "column":
        rows = [(0.9, 0), (0.9, 0.05), (0.28, 0.12), (0.25, 0.5), (0.25, 0.95), (0.4, 1)]
    elif kind == "sphere":
        angle = np.linspace(-1.3, 1.4, 14)
        rows = [(1.25 * float(np.cos(a)), 0.47 + 0.5 * float(np.sin(a))) for a in angle]
    else:  # mushroom
        rows = [(1.0, 0), (0.9, 0.08), (0.45, 0.5), (0.55, 1)]
    line = np.array(rows)
    fine = np.linspace(0, 1, 24)
    along = np.linspace(0, 1, len(line))
    return [
        (r * float(np.interp(t, along, line[:, 0])), h * float(np.interp(t, along, line[:, 1]))) for t in fine
    ]


def random_table_lamp(rng: Generator) -> TableLamp:
    body = f"ceramic:{random_color(rng)}" if rng.random() < 0.5 else random_finish(rng, 0.5)
    return TableLamp(
        stand=str(rng.choice(["gourd", "bottle", "column", "sphere", "mushroom", "desk", "tripod"])),
        shade=str(rng.choice(["drum", "cone", "empire", "globe", "bell"])),
        body=body,
        cloth=_random_shade(rng),
        height=rng.uniform(0.3, 0.65),
        shade_width=rng.uniform(0.16, 0.38),
    )


@dataclass(frozen=True, slots=True)
class Pendant:
    shade: str = "dome"
    cloth: str = "paint:black"
    width: float = 0.4
    cord: float = 0.6
    count: int = 1

    def build(self) -> Mesh:
        made = Assembly()
        cloth, black = _shade_material(self.cloth), paint("black")
        lit = shade(self.shade, self.width)
        for k in range(self.count):
            x = (k - (self.count - 1) / 2) * self.width * 1.25
            made.add(
                black,
                tube([(x, 0, 0), (x, self.cord, 0)], 0.004, 6),
                lathe([(0.02, -0.01), (0.02, 0.04), (0.006, 0.06)], 14, caps=True).at(x=x),
            )
            made.add(cloth, lit.at(x=x))
            if self.shade != "globe":
                _bulb(made, x, -0.05)
        if self.count > 1:
            made.add(
                black, box(self.width * 1.25 * (self.count - 1) + 0.14, 0.025, 0.06, 0.004).at(y=self.cord)
            )
        else:
            made.add(black, lathe([(0.05, -0.02), (0.055, 0)], 24, caps=True).at(y=self.cord))
        return made.mesh()


def random_pendant(rng: Generator) -> Pendant:
    return Pendant(
        shade=str(rng.choice(["drum", "cone", "globe", "dome", "bell", "cylinder"])),
        cloth=_random_shade(rng),
        width=rng.uniform(0.18, 0.6),
        cord=rng.uniform(0.3, 0.9),
        count=int(rng.choice([1, 1, 1, 3])),
    )
