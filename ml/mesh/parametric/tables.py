"""Dining tables, coffee tables and desks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.mesh.parametric.chairs import finish, random_finish
from ml.mesh.parametric.shapes import Assembly, Shape, box, disc, lathe, tube
from ml.mesh.parametric.surfaces import glass, metal, stone
from ml.types import Material, Mesh

__all__ = ["CoffeeTable", "Desk", "Table", "random_coffee_table", "random_desk", "random_table"]

Generator = np.random.Generator


def table_top(shape: str, width: float, depth: float, thickness: float) -> Shape:
    """Centred. shape: rect, round or oval."""
    if shape == "rect":
        return box(width, thickness, depth, min(0.008, thickness * 0.3))
    return disc(0.5, thickness, min(0.008, thickness * 0.3)).scaled(
        x=width, z=width if shape == "round" else depth
    )


def _top_material(name: str) -> Material:
    if name.startswith("glass"):
        return glass(name.partition(":")[2] or "sky")
    if name.startswith("stone"):
        return stone(name.partition(":")[2] or "white")
    return finish(name, 2)


def add_base(made: Assembly, frame: Material, kind: str, x: float, z: float, height: float) -> None:
    """kind: square, tapered, trestle, pedestal, cross, loop, hairpin or drum; x, z: half the foot print."""
    if kind == "square":
        size = 0.07 if height > 0.6 else 0.05
        made.on_corners(
            frame, box(size, height, size, 0.005, "y").at(y=height / 2), x - size / 2, z - size / 2
        )
        for s in (1, -1):
            made.add(frame, box(2 * x - size, 0.07, 0.02).at(y=height - 0.045, z=s * (z - size / 2)))
        made.mirrored(frame, box(0.02, 0.07, 2 * z - size).at(x=x - size / 2, y=height - 0.045))
    elif kind == "tapered":
        made.on_corners(frame, tube([(0.06, 0, 0.05), (0, height, 0)], [0.015, 0.03], 14), x - 0.12, z - 0.11)
    elif kind == "trestle":
        for s in (1, -1):
            for t in (1, -1):
                lean = float(np.degrees(np.arctan2(z * 0.55, height)))
                leg = box(0.05, float(np.hypot(height, z * 0.55)), 0.06, 0.005, "y").turned("x", -t * lean)
                made.add(frame, leg.at(x=s * (x - 0.14), y=height / 2, z=t * z * 0.5))
            made.add(
                frame,
                box(0.06, 0.05, z * 1.3).at(x=s * (x - 0.14), y=height - 0.025),
                box(0.03, 0.04, z * 0.9).at(x=s * (x - 0.14), y=height * 0.35),
            )
        made.add(frame, box(2 * x - 0.3, 0.06, 0.03).at(y=height * 0.42))
    elif kind == "pedestal":
        r = min(x, z)
        made.add(
            frame,
            lathe(
                [
                    (r * 0.62, 0),
                    (r * 0.62, 0.015),
                    (r * 0.3, 0.035),
                    (r * 0.11, 0.12),
                    (0.035, height * 0.45),
                    (0.04, height * 0.8),
                    (r * 0.34, height),
                ],
                40,
            ),
        )
    elif kind == "cross":
        for s in (1, -1):
            for t in (1, -1):
                lean = float(np.degrees(np.arctan2(1.5 * z, height)))
                made.add(
                    frame,
                    box(0.06, float(np.hypot(height, 1.5 * z)), 0.05, 0.004, "y")
                    .turned("x", t * lean)
                    .at(x=s * (x - 0.2) + 0.001 * t, y=height / 2),
                )
        made.add(frame, box(2 * x - 0.4, 0.05, 0.04).at(y=height / 2))
    elif kind == "loop":
        for s in (1, -1):
            bar = 0.05 if height > 0.6 else 0.03
            made.add(
                frame,
                box(bar, bar / 2, 2 * z - 0.1).at(x=s * (x - 0.15), y=bar / 4),
                box(bar, bar / 2, 2 * z - 0.1).at(x=s * (x - 0.15), y=height - bar / 4),
            )
            for t in (1, -1):
                made.add(
                    frame,
                    box(bar, height, bar / 2, grain="y").at(x=s * (x - 0.15), y=height / 2, z=t * (z - 0.06)),
                )
    elif kind == "hairpin":
        made.on_corners(
            frame,
            tube([(-0.06, height, 0.0), (0.01, 0.006, 0.015), (0, height, -0.06)], 0.007, 8),
            x - 0.05,
            z - 0.05,
        )
    else:  # drum
        r = min(x, z) * 0.8
        made.add(frame, lathe([(r * 0.85, 0), (r, height * 0.5), (r * 0.85, height)], 40, caps=True))


@dataclass(frozen=True, slots=True)
class Table:
    """shape: rect, round or oval; base as in `add_base`; top: finish, 'glass' or 'stone:white'."""

    shape: str = "rect"
    base: str = "square"
    frame: str = "oak"
    top: str = "oak"
    width: float = 1.6
    depth: float = 0.85
    height: float = 0.75
    thickness: float = 0.035

    def build(self) -> Mesh:
        made = Assembly()
        depth = self.width if self.shape == "round" else self.depth
        made.add(
            _top_material(self.top),
            table_top(self.shape, self.width, depth, self.thickness).at(y=self.height - self.thickness / 2),
        )
        inset = 0.72 if self.shape != "rect" else 0.96
        add_base(
            made,
            finish(self.frame),
            self.base,
            self.width / 2 * inset,
            depth / 2 * inset,
            self.height - self.thickness,
        )
        return made.mesh()


def random_table(rng: Generator) -> Table:
    shape = str(rng.choice(["rect", "rect", "round", "oval"]))
    bases = ["square", "tapered", "trestle", "pedestal", "cross", "loop", "hairpin"]
    if shape == "round":
        bases = ["tapered", "pedestal", "square", "drum", "hairpin"]
    width = rng.uniform(0.75, 1.4) if shape == "round" else rng.uniform(1.0, 2.4)
    return Table(
        shape=shape,
        base=str(rng.choice(bases)),
        frame=random_finish(rng, 0.35),
        top=_random_top(rng),
        width=width,
        depth=rng.uniform(0.7, 1.05) if shape == "rect" else width * rng.uniform(0.5, 0.8),
        height=rng.uniform(0.7, 0.8),
        thickness=rng.uniform(0.018, 0.06),
    )


def _random_top(rng: Generator) -> str:
    draw = rng.random()
    if draw < 0.1:
        return "glass"
    if draw < 0.2:
        return "stone:" + str(rng.choice(["white", "black", "green", "sand"]))
    return random_finish(rng, 0.08)


@dataclass(frozen=True, slots=True)
class CoffeeTable:
    """As Table, lower; shelf: a board below; nested: a smaller one beside it; drawer."""

    shape: str = "rect"
    base: str = "square"
    frame: str = "oak"
    top: str = "oak"
    width: float = 1.0
    depth: float = 0.55
    height: float = 0.43
    shelf: bool = False
    nested: bool = False
    drawer: bool = False

    def build(self) -> Mesh:
        made = Assembly()
        depth = self.width if self.shape == "round" else self.depth
        top, frame = _top_material(self.top), finish(self.frame)
        inset = 0.74 if self.shape != "rect" else 0.97
        x, z = self.width / 2 * inset, depth / 2 * inset
        thickness = 0.012 if self.top.startswith("glass") else 0.028
        made.add(top, table_top(self.shape, self.width, depth, thickness).at(y=self.height - thickness / 2))
        add_base(made, frame, self.base, x, z, self.height - thickness)
        if self.shelf:
            made.add(frame, table_top(self.shape, 1.7 * x, 1.7 * z, 0.018).at(y=self.height * 0.35))
        if self.drawer:
            made.add(top, box(1.8 * x, 0.12, 1.8 * z, 0.004, "x").at(y=self.height - thickness - 0.06))
            made.add(
                metal("black"), box(0.12, 0.014, 0.02).at(y=self.height - thickness - 0.06, z=0.9 * z + 0.01)
            )
        if self.nested:
            small = Assembly()
            small.add(
                top,
                table_top(self.shape, self.width * 0.65, depth * 0.65, thickness).at(y=self.height * 0.76),
            )
            add_base(small, frame, self.base, 0.65 * x, 0.65 * z, self.height * 0.76 - thickness / 2)
            for shape, material in small.parts:
                made.add(material, shape.at(x=self.width * 0.5, z=depth * 0.35))
        return made.mesh()


def random_coffee_table(rng: Generator) -> CoffeeTable:
    shape = str(rng.choice(["rect", "rect", "round", "oval"]))
    width = rng.uniform(0.4, 0.9) if shape == "round" else rng.uniform(0.5, 1.3)
    return CoffeeTable(
        shape=shape,
        base=str(rng.choice(["square", "tapered", "pedestal", "loop", "hairpin", "drum", "cross"])),
        frame=random_finish(rng, 0.35),
        top=_random_top(rng),
        width=width,
        depth=width * rng.uniform(0.45, 1.0),
        height=rng.uniform(0.32, 0.58),
        shelf=bool(rng.random() < 0.3),
        nested=bool(rng.random() < 0.15),
        drawer=bool(shape == "rect" and rng.random() < 0.25),
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """drawers: '', left, right or both; base for the free side; hutch: shelves above."""

    base: str = "square"
    drawers: str = "right"
    frame: str = "oak"
    front: str = "paint:white"
    handle: str = "metal:black"
    width: float = 1.3
    depth: float = 0.65
    height: float = 0.74
    hutch: bool = False
    count: int = 3

    def build(self) -> Mesh:
        made = Assembly()
        frame, front, handle = finish(self.frame), finish(self.front, 2), finish(self.handle)
        w, d, h = self.width, self.depth, self.height
        made.add(frame, box(w, 0.028, d, 0.006).at(y=h - 0.014))
        sides = {"left": (1,), "right": (-1,), "both": (1, -1), "": ()}[self.drawers]
        for side in sides:
            self._pedestal(made, frame, front, handle, side)
        if len(sides) < 2:
            legs = Assembly()
            add_base(legs, frame, self.base, w / 2 * 0.97, d / 2 * 0.95, h - 0.028)
            for shape, material in legs.parts:
                center = (shape.vertices[:, 0].min() + shape.vertices[:, 0].max()) / 2
                if not any(center * side > w * 0.15 for side in sides):
                    made.add(material, shape)
        made.add(frame, box(w - 0.1, 0.2, 0.016, grain="x").at(y=h - 0.13, z=-d / 2 + 0.06))
        if self.hutch:
            made.mirrored(
                frame, box(0.02, 0.42, 0.2, grain="y").at(x=w / 2 - 0.02, y=h + 0.21, z=-d / 2 + 0.11)
            )
            made.add(
                frame,
                box(w - 0.02, 0.02, 0.2).at(y=h + 0.42, z=-d / 2 + 0.11),
                box(w - 0.04, 0.018, 0.2).at(y=h + 0.2, z=-d / 2 + 0.11),
            )
        return made.mesh()

    def _pedestal(
        self, made: Assembly, frame: Material, front: Material, handle: Material, side: int
    ) -> None:
        width = min(0.38, self.width * 0.34)
        tall = self.height - 0.028 - 0.05
        x = side * (self.width / 2 - width / 2 - 0.02)
        made.add(frame, box(width, tall, self.depth - 0.08, 0.003, "y").at(x=x, y=0.05 + tall / 2))
        made.add(frame, box(width - 0.04, 0.05, self.depth - 0.14).at(x=x, y=0.025))
        each = tall / self.count
        for k in range(self.count):
            y = 0.05 + (k + 0.5) * each
            made.add(
                front,
                box(width - 0.012, each - 0.01, 0.016, 0.003, "x").at(x=x, y=y, z=self.depth / 2 - 0.034),
            )
            made.add(handle, box(0.1, 0.012, 0.02, 0.003).at(x=x, y=y + each * 0.2, z=self.depth / 2 - 0.018))


def random_desk(rng: Generator) -> Desk:
    return Desk(
        base=str(rng.choice(["square", "tapered", "loop", "hairpin", "trestle"])),
        drawers=str(rng.choice(["", "left", "right", "both"])),
        frame=random_finish(rng, 0.1),
        front=random_finish(rng, 0.0),
        handle=random_finish(rng, 0.9),
        width=rng.uniform(0.95, 1.8),
        depth=rng.uniform(0.5, 0.8),
        height=rng.uniform(0.7, 0.78),
        hutch=bool(rng.random() < 0.2),
        count=int(rng.integers(2, 5)),
    )
