"""Small things: mugs, bottles, vases, pots with plants, bowls, mirrors and clocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.mesh.parametric.chairs import finish, random_finish
from ml.mesh.parametric.shapes import Assembly, Shape, ball, box, disc, lathe, loft, sheet, tube
from ml.mesh.parametric.surfaces import ceramic, glass, metal, paint, random_color, wicker
from ml.types import Material, Mesh

__all__ = ["Bottle", "Clock", "Mirror", "Mug", "Plant", "Vase", "random_bottle", "random_clock", "random_mirror",
           "random_mug", "random_plant", "random_vase"]  # fmt: skip

Generator = np.random.Generator


def _smooth(rows: list[tuple[float, float]], steps: int = 32) -> list[tuple[float, float]]:
    """The curve through (radius, height) rows, rounded."""
    line = np.array(rows)
    t = np.linspace(0, len(line) - 1, steps)
    low = np.clip(t.astype(int), 0, len(line) - 2)
    f = (t - low)[:, None]
    padded = np.concatenate([2 * line[:1] - line[1:2], line, 2 * line[-1:] - line[-2:-1]])
    p0, p1, p2, p3 = (padded[low + k] for k in range(4))
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * f + (2 * p0 - 5 * p1 + 4 * p2 - p3) * f**2 + (3 * p1 - p0 - 3 * p2 + p3) * f**3
    )
    return [(max(float(r), 0.001), float(y)) for r, y in curve]


def _vessel(outline: list[tuple[float, float]], wall: float, floor: float, segments: int = 40) -> Shape:
    """Outside, rim and inside of an open vessel."""
    inside = [(max(r - wall, 0.001), max(y, floor)) for r, y in reversed(outline)]
    return lathe([(0.001, outline[0][1]), *outline, *inside, (0.001, floor)], segments)


_MUGS = {
    "straight": [(0.92, 0), (1, 0.05), (1, 0.5), (1, 1)],
    "tapered": [(0.68, 0), (0.75, 0.06), (0.9, 0.6), (1, 1)],
    "belly": [(0.7, 0), (0.95, 0.22), (1.05, 0.5), (0.92, 0.85), (0.95, 1)],
    "cup": [(0.45, 0), (0.6, 0.06), (0.95, 0.5), (1.05, 1)],
    "barrel": [(0.85, 0), (1, 0.3), (1, 0.7), (0.85, 1)],
}


@dataclass(frozen=True, slots=True)
class Mug:
    """kind: straight, tapered, belly, cup or barrel; handle: ear, square, none; band: a ring of a
    second color, '' for none; saucer."""

    kind: str = "straight"
    color: str = "white"
    handle: str = "ear"
    band: str = ""
    radius: float = 0.041
    height: float = 0.095
    saucer: bool = False
    speckled: bool = False

    def build(self) -> Mesh:
        made = Assembly()
        body = ceramic(self.color, speckled=self.speckled)
        r, h = self.radius, self.height
        lift = 0.012 if self.saucer else 0.0
        outline = [(r * x, h * y) for x, y in _smooth(_MUGS[self.kind])]
        made.add(body, _vessel(outline, 0.004, 0.006).at(y=lift))
        wide = float(np.interp(0.5 * h, [y for _, y in outline], [x for x, _ in outline]))
        if self.handle == "ear":
            path = [
                (wide - 0.003, h * 0.82, 0),
                (wide + 0.022, h * 0.84, 0),
                (wide + 0.031, h * 0.55, 0),
                (wide + 0.018, h * 0.24, 0),
                (wide - 0.004, h * 0.2, 0),
            ]
            made.add(body, tube(path, 0.0052, 10, smooth=5).at(y=lift))
        elif self.handle == "square":
            path = [
                (wide - 0.003, h * 0.85, 0),
                (wide + 0.028, h * 0.85, 0),
                (wide + 0.028, h * 0.3, 0),
                (wide - 0.003, h * 0.3, 0),
            ]
            made.add(body, tube(path, 0.0055, 8).at(y=lift))
        if self.band:
            low, high = 0.55 * h, 0.78 * h
            rows = [(x + 0.0006, y) for x, y in outline if low <= y <= high]
            made.add(ceramic(self.band), lathe(rows, 40).at(y=lift))
        if self.saucer:
            made.add(
                body,
                lathe(
                    [
                        (0.001, 0),
                        (r * 0.9, 0),
                        (r * 1.75, 0.014),
                        (r * 1.75, 0.017),
                        (r * 0.9, 0.006),
                        (0.001, 0.006),
                    ],
                    44,
                ),
            )
        return made.mesh()


def random_mug(rng: Generator) -> Mug:
    return Mug(
        kind=str(rng.choice(list(_MUGS))),
        color=random_color(rng),
        handle=str(rng.choice(["ear", "ear", "square", "none"])),
        band=random_color(rng) if rng.random() < 0.3 else "",
        radius=rng.uniform(0.034, 0.055),
        height=rng.uniform(0.06, 0.13),
        saucer=bool(rng.random() < 0.2),
        speckled=bool(rng.random() < 0.3),
    )


_BOTTLES = {
    "wine": [(0.9, 0), (1, 0.03), (1, 0.58), (0.85, 0.68), (0.38, 0.78), (0.35, 1)],
    "burgundy": [(0.95, 0), (1, 0.03), (1, 0.42), (0.8, 0.58), (0.42, 0.74), (0.35, 1)],
    "flask": [(0.95, 0), (1, 0.03), (1, 0.78), (0.62, 0.88), (0.6, 1)],
    "carafe": [(0.8, 0), (1, 0.12), (0.9, 0.4), (0.5, 0.68), (0.42, 0.85), (0.62, 1)],
    "jar": [(0.92, 0), (1, 0.05), (1, 0.8), (0.8, 0.9), (0.8, 1)],
    "pump": [(0.96, 0), (1, 0.03), (1, 0.7), (0.9, 0.76), (0.35, 0.8), (0.35, 0.86)],
}


@dataclass(frozen=True, slots=True)
class Bottle:
    """kind: wine, burgundy, flask, carafe, jar or pump; body: glass:green, paint:red or metal:steel."""

    kind: str = "wine"
    body: str = "glass:green"
    cap: str = "black"
    label: str = ""
    radius: float = 0.038
    height: float = 0.3

    def build(self) -> Mesh:
        made = Assembly()
        kind, _, tone = self.body.rpartition(":")
        # dark bottles are seen, not seen through
        body = (
            glass(tone, 0.75)
            if kind == "glass"
            else ceramic(tone)
            if kind == "ceramic"
            else finish(self.body)
        )
        outline = [(self.radius * x, self.height * y) for x, y in _BOTTLES[self.kind]]
        made.add(body, lathe([(0.001, 0), *outline, (0.001, outline[-1][1])], 36))
        r, top = outline[-1]
        lid = paint(self.cap)
        if self.kind == "pump":
            made.add(
                lid,
                lathe([(r * 1.2, 0), (r * 1.2, 0.02), (r * 0.4, 0.024), (r * 0.4, 0.05)], 20, caps=True).at(
                    y=top
                ),
            )
            made.add(lid, box(0.016, 0.01, 0.05, 0.003).at(y=top + 0.052, z=0.016))
        elif self.kind != "carafe":
            deep = 0.05 if self.kind in {"wine", "burgundy"} else 0.022
            made.add(
                lid, lathe([(r * 1.12, -deep), (r * 1.15, 0.002), (r * 1.0, 0.005)], 24, caps=True).at(y=top)
            )
        if self.label:
            low = 0.16 * self.height
            made.add(
                paint(self.label),
                lathe([(self.radius * 1.006, low), (self.radius * 1.006, low + 0.26 * self.height)], 36),
            )
        return made.mesh()


def random_bottle(rng: Generator) -> Bottle:
    return Bottle(
        kind=str(rng.choice(list(_BOTTLES))),
        body=f"{rng.choice(['glass', 'paint', 'ceramic'])}:{random_color(rng)}"
        if rng.random() < 0.8
        else "metal:steel",
        cap=random_color(rng),
        label=random_color(rng) if rng.random() < 0.6 else "",
        radius=rng.uniform(0.028, 0.055),
        height=rng.uniform(0.16, 0.36),
    )


_VASES = {
    "classic": [(0.5, 0), (0.95, 0.35), (1, 0.55), (0.45, 0.85), (0.6, 1)],
    "bottle": [(0.7, 0), (1, 0.2), (0.9, 0.42), (0.28, 0.62), (0.24, 0.9), (0.32, 1)],
    "cylinder": [(0.95, 0), (1, 0.03), (1, 0.5), (1, 1)],
    "amphora": [(0.35, 0), (0.6, 0.15), (1, 0.6), (0.75, 0.82), (0.35, 0.9), (0.5, 1)],
    "trumpet": [(0.6, 0), (0.35, 0.15), (0.4, 0.5), (0.65, 0.8), (1, 1)],
    "moon": [(0.4, 0), (0.85, 0.2), (1, 0.5), (0.85, 0.8), (0.35, 1)],
    "waist": [(1, 0), (0.62, 0.5), (0.95, 1)],
    "bowl": [(0.35, 0), (0.42, 0.06), (0.85, 0.5), (1, 1)],
}


@dataclass(frozen=True, slots=True)
class Vase:
    """kind: classic, bottle, cylinder, amphora, trumpet, moon, waist or bowl; sides > 0: an edged
    outline; ribs: depth of fluting; branches: dry twigs in it."""

    kind: str = "classic"
    body: str = "ceramic:white"
    radius: float = 0.09
    height: float = 0.28
    sides: int = 0
    ribs: float = 0.0
    branches: int = 0
    speckled: bool = False
    seed: int = 0

    def build(self) -> Mesh:
        made = Assembly()
        kind, _, tone = self.body.rpartition(":")
        body = (
            glass(tone, 0.45)
            if kind == "glass"
            else ceramic(tone, speckled=self.speckled)
            if kind == "ceramic"
            else finish(self.body)
        )
        rows = _VASES[self.kind]
        line = [(self.radius * x, self.height * y) for x, y in (rows if self.sides else _smooth(rows))]
        shape = _vessel(line, 0.006, 0.012, self.sides or 64)
        if self.ribs:
            angle = np.arctan2(shape.vertices[:, 0], shape.vertices[:, 2])
            factor = 1 + self.ribs * np.abs(np.sin(8 * angle))[:, None] * np.array([1, 0, 1])
            shape = Shape(shape.vertices * factor, shape.faces, shape.uv)
        made.add(body, shape)
        rng = np.random.default_rng(self.seed)
        for _ in range(self.branches):
            lean = rng.uniform(0.1, 0.35) * self.height
            turn = rng.uniform(0, 360)
            tall = self.height * rng.uniform(1.6, 2.3)
            twig = tube(
                [(0, 0.1 * self.height, 0), (0, self.height, lean * 0.25), (0.02, tall, lean)],
                [0.003, 0.0025, 0.001],
                6,
                smooth=3,
            )
            made.add(finish("wenge"), twig.turned("y", turn))
            for k in range(5):
                bud = ball(0.009, 8).at(
                    x=0.02 * k / 5,
                    y=self.height + (tall - self.height) * k / 5,
                    z=lean * (0.25 + 0.75 * k / 5),
                )
                made.add(paint("blush"), bud.turned("y", turn))
        return made.mesh()


def random_vase(rng: Generator) -> Vase:
    body = (
        f"ceramic:{random_color(rng)}"
        if rng.random() < 0.7
        else f"glass:{random_color(rng)}"
        if rng.random() < 0.6
        else "metal:brass"
    )
    return Vase(
        kind=str(rng.choice(list(_VASES))),
        body=body,
        radius=rng.uniform(0.05, 0.16),
        height=rng.uniform(0.1, 0.45),
        sides=int(rng.choice([0, 0, 0, 5, 6, 8])),
        ribs=float(rng.choice([0.0, 0.0, 0.08])),
        branches=int(rng.choice([0, 0, 0, 4])),
        speckled=bool(rng.random() < 0.2),
        seed=int(rng.integers(1 << 30)),
    )


@dataclass(frozen=True, slots=True)
class Plant:
    """A pot. pot: round, square, bowl or basket; plant: none, blades, fern, bush, cactus, palm or rubber."""

    pot: str = "round"
    body: str = "ceramic:terracotta"
    plant: str = "blades"
    width: float = 0.24
    height: float = 0.22
    plant_height: float = 0.5
    legs: bool = False
    seed: int = 0

    def build(self) -> Mesh:
        made = Assembly()
        kind, _, tone = self.body.rpartition(":")
        body = (
            wicker(tone)
            if self.pot == "basket"
            else ceramic(tone)
            if kind == "ceramic"
            else finish(self.body)
        )
        r, h = self.width / 2, self.height
        lift = 0.14 if self.legs else 0.0
        if self.legs:
            for k in range(4):
                made.add(
                    finish("oak"),
                    tube([(0, 0, r * 1.0), (0, lift + h * 0.35, r * 1.0)], 0.012, 8).turned("y", 45 + 90 * k),
                )
            made.add(
                finish("oak"),
                box(2 * r, 0.02, 0.025).turned("y", 45).at(y=lift - 0.012),
                box(2 * r, 0.02, 0.025).turned("y", -45).at(y=lift - 0.012),
            )
        outlines: dict[str, list[tuple[float, float]]] = {"round": [(0.7, 0), (0.98, 0.86), (1.06, 0.87), (1.06, 1)], "square": [(0.95, 0), (1.3, 1)],
                   "bowl": [(0.45, 0), (0.85, 0.3), (1, 0.65), (0.95, 1)], "basket": [(0.85, 0), (1, 0.4), (0.97, 1)]}  # fmt: skip
        rows = [(r * x, h * y) for x, y in outlines[self.pot]]
        pot = _vessel(rows, 0.008, h * 0.1, 4 if self.pot == "square" else 36)
        made.add(body, pot.turned("y", 45 if self.pot == "square" else 0).at(y=lift))
        soil = disc(min(rows[-1][0] * (0.7 if self.pot == "square" else 0.95), r), 0.01).at(y=lift + h * 0.9)
        if self.plant != "none":
            made.add(paint("brown"), soil)
            _grow(made, self, lift + h * 0.9)
        return made.mesh()


def _grow(made: Assembly, p: Plant, base: float) -> None:
    rng = np.random.default_rng(p.seed)
    leaf = paint(str(rng.choice(["green", "#4f7d3a", "#6f9a4d", "#2f5d3a"])))
    h = p.plant_height
    if p.plant == "cactus":
        made.add(leaf, _cactus(h, h * 0.16).at(y=base))
        if h > 0.25:
            arm = tube(
                [(0, h * 0.45, 0), (h * 0.26, h * 0.48, 0), (h * 0.28, h * 0.75, 0)], h * 0.06, 10, smooth=4
            )
            made.add(leaf, arm.at(y=base), ball(h * 0.06, 12).at(x=h * 0.28, y=base + h * 0.75))
        return
    if p.plant == "bush":
        made.add(finish("teak"), tube([(0, 0, 0), (0, h * 0.5, 0)], 0.012, 8).at(y=base))
        for _ in range(90):
            d = rng.normal(size=3)
            d /= np.linalg.norm(d)
            spot = d * h * 0.3 * rng.uniform(0.75, 1.0)
            blade = (
                _leaf(h * 0.17, h * 0.085)
                .turned("x", rng.uniform(-40, 60))
                .turned("y", float(np.degrees(np.arctan2(d[0], d[2]))))
            )
            made.add(leaf, blade.at(x=float(spot[0]), y=base + h * 0.68 + float(spot[1]), z=float(spot[2])))
        return
    count, long, wide, droop = {"blades": (13, 1.0, 0.07, 12), "fern": (30, 0.9, 0.06, 62), "palm": (11, 0.75, 0.12, 50),
                                "rubber": (14, 0.38, 0.17, 40)}[p.plant]  # fmt: skip
    stem = p.plant in {"palm", "rubber"}
    if stem:
        made.add(finish("teak"), tube([(0, 0, 0), (0.02, h * 0.55, 0)], [0.014, 0.009], 8).at(y=base))
    for k in range(count):
        blade = _leaf(h * long * rng.uniform(0.65, 1.0), h * wide, bend=droop / 60)
        blade = blade.turned("x", -90 + droop * rng.uniform(0.25, 1.0) * 0.9).turned("y", 137.5 * k)
        y = base + (h * 0.55 * (0.3 + 0.7 * k / count) if p.plant == "rubber" else h * 0.5 if stem else 0)
        made.add(leaf, blade.at(y=y))


def _leaf(length: float, width: float, bend: float = 0.4) -> Shape:
    """Along +z from the origin, tip hanging."""
    t = np.linspace(0, 1, 9)
    half = width / 2 * np.sin(np.pi * np.clip(t, 0.03, 0.99) ** 0.75)
    grid = np.empty((9, 3, 3))
    grid[..., 0] = half[:, None] * np.array([-1, 0, 1])
    grid[..., 1] = (-bend * 0.5 * length * t**2)[:, None] + half[:, None] * np.array([0.25, 0, 0.25])
    grid[..., 2] = (length * t * (1 - 0.15 * bend * t))[:, None]
    return sheet(grid, 0.0016)


def _cactus(height: float, radius: float) -> Shape:
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    t = np.linspace(0, 1, 14)
    profile = (
        radius
        * np.sqrt(np.clip(1 - np.clip((t - 0.75) / 0.25, 0, 0.999) ** 2, 0.002, 1))
        * (0.85 + 0.3 * np.sin(np.pi * t) ** 0.5)
    )
    ribs = 1 + 0.14 * np.cos(9 * angle)
    rings = np.stack(
        [
            profile[:, None] * ribs * np.sin(angle),
            np.repeat((t * height)[:, None], 36, 1),
            profile[:, None] * ribs * np.cos(angle),
        ],
        axis=-1,
    )
    return loft(rings[:, ::-1])


def random_plant(rng: Generator) -> Plant:
    pot = str(rng.choice(["round", "round", "square", "bowl", "basket"]))
    width = rng.uniform(0.1, 0.45)
    return Plant(
        pot=pot,
        body=f"ceramic:{random_color(rng)}"
        if pot != "basket"
        else f"wicker:{rng.choice(['sand', 'brown', 'cream'])}",
        plant=str(rng.choice(["none", "blades", "fern", "bush", "cactus", "palm", "rubber"])),
        width=width,
        height=width * rng.uniform(0.7, 1.3),
        plant_height=width * rng.uniform(1.2, 3.2),
        legs=bool(rng.random() < 0.2),
        seed=int(rng.integers(1 << 30)),
    )


@dataclass(frozen=True, slots=True)
class Mirror:
    """shape: round, rect, arch or standing."""

    shape: str = "round"
    frame: str = "oak"
    width: float = 0.6
    height: float = 0.6

    def build(self) -> Mesh:
        made = Assembly()
        frame = finish(self.frame)
        pane = Material("mirror", np.array([0.72, 0.78, 0.82, 1], dtype=np.float32))
        w, h, rim = self.width, self.height, 0.03
        if self.shape == "round":
            ring = [
                ((w / 2 - rim / 2) * np.sin(a), (w / 2 - rim / 2) * np.cos(a), 0)
                for a in np.linspace(0, 2 * np.pi, 65)
            ]
            made.add(frame, tube(ring, rim / 2, 10))
            made.add(pane, disc(w / 2 - rim / 2, 0.008).turned("x", 90))
            return made.mesh()
        if self.shape == "arch":
            a = np.linspace(0, np.pi, 33)
            path = [
                (w / 2, -h / 2, 0.0),
                *[(w / 2 * np.cos(t), h / 2 - w / 2 + w / 2 * np.sin(t), 0.0) for t in a],
                (-w / 2, -h / 2, 0.0),
                (w / 2, -h / 2, 0.0),
            ]
            made.add(frame, tube(path, rim / 2.2, 8))
            outline = np.array(path)[:-1]
            made.add(pane, loft(np.stack([outline + [0, 0, -0.003], outline + [0, 0, 0.003]])))
            return made.mesh()
        lean = Assembly()
        for s in (1, -1):
            lean.add(
                frame,
                box(rim, h, 0.025, 0.004, "y").at(x=s * (w - rim) / 2),
                box(w - 2 * rim, rim, 0.025, 0.004).at(y=s * (h - rim) / 2),
            )
        lean.add(pane, box(w - 2 * rim, h - 2 * rim, 0.008))
        for shape, material in lean.parts:
            made.add(material, shape.turned("x", -8) if self.shape == "standing" else shape)
        if self.shape == "standing":
            for s in (1, -1):
                made.add(
                    frame, tube([(s * w * 0.3, h * 0.35, -0.05), (s * w * 0.36, -h / 2, -0.38)], 0.012, 8)
                )
        return made.mesh()


def random_mirror(rng: Generator) -> Mirror:
    shape = str(rng.choice(["round", "rect", "arch", "standing"]))
    width = rng.uniform(0.35, 0.9)
    tall = {
        "round": 1.0,
        "rect": rng.uniform(0.7, 1.6),
        "arch": rng.uniform(1.3, 2.2),
        "standing": rng.uniform(2.2, 3.2),
    }[shape]
    return Mirror(shape=shape, frame=random_finish(rng, 0.4), width=width, height=width * tall)


@dataclass(frozen=True, slots=True)
class Clock:
    """kind: wall (round) or table (on a block)."""

    kind: str = "wall"
    rim: str = "metal:black"
    face: str = "white"
    width: float = 0.32

    def build(self) -> Mesh:
        made = Assembly()
        rim, face, hands = (
            finish(self.rim),
            paint(self.face),
            paint("black" if self.face != "black" else "white"),
        )
        r = self.width / 2
        made.add(
            rim,
            lathe(
                [(r * 0.92, -0.02), (r, -0.02), (r, 0.018), (r * 0.94, 0.022), (r * 0.92, 0.006)], 56
            ).turned("x", 90),
        )
        made.add(face, disc(r * 0.93, 0.012).turned("x", 90))
        for k in range(12):
            mark = box(r * (0.05 if k % 3 == 0 else 0.025), r * 0.13, 0.003).at(y=r * 0.78, z=0.008)
            made.add(hands, mark.turned("z", 30 * k))
        made.add(
            hands,
            box(r * 0.045, r * 0.5, 0.003).at(y=r * 0.2, z=0.010).turned("z", 55),
            box(r * 0.03, r * 0.72, 0.003).at(y=r * 0.3, z=0.013).turned("z", -60),
        )
        made.add(metal("brass"), disc(r * 0.06, 0.016).turned("x", 90).at(z=0.01))
        if self.kind == "table":
            for s in (1, -1):
                made.add(rim, tube([(s * r * 0.5, -r * 0.82, 0), (s * r * 0.75, -r * 1.22, 0.03)], 0.009, 8))
                made.add(rim, ball(r * 0.24, 18).scaled(y=0.75).at(x=s * r * 0.55, y=r * 1.12))
        return made.mesh()


def random_clock(rng: Generator) -> Clock:
    return Clock(
        kind=str(rng.choice(["wall", "wall", "table"])),
        rim=random_finish(rng, 0.5),
        face=random_color(rng) if rng.random() < 0.5 else "white",
        width=rng.uniform(0.12, 0.5),
    )
