"""Bookcases, cabinets, dressers and wardrobes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.mesh.parametric.chairs import finish, random_finish
from ml.mesh.parametric.shapes import Assembly, Shape, ball, box, lathe, tube
from ml.mesh.parametric.surfaces import ceramic, glass, paint, random_color, wicker, wood
from ml.types import Material, Mesh

__all__ = ["Bookcase", "Cabinet", "random_bookcase", "random_cabinet", "random_dresser", "random_wardrobe"]

Generator = np.random.Generator

_BOOK_COLORS = (
    "red",
    "navy",
    "cream",
    "green",
    "mustard",
    "black",
    "terracotta",
    "sky",
    "white",
    "violet",
    "teal",
)


@dataclass(frozen=True, slots=True)
class Bookcase:
    """kind: panel (sides and back), open (no back), ladder (leaning, shelves deeper below), metal
    (posts) or cube; filled: share of compartments with things in; seed: which things."""

    kind: str = "panel"
    frame: str = "oak"
    shelf: str = ""
    columns: int = 1
    rows: int = 5
    width: float = 0.8
    height: float = 1.9
    depth: float = 0.3
    filled: float = 0.0
    doors: int = 0  # of the lowest row
    seed: int = 0

    def build(self) -> Mesh:
        made = Assembly()
        frame = finish(self.frame)
        board = finish(self.shelf, 1) if self.shelf else frame
        if self.kind == "ladder":
            self._ladder(made, frame, board)
        elif self.kind == "metal":
            self._posts(made, frame, board)
        else:
            self._carcass(made, frame, board)
        return made.mesh()

    def _carcass(self, made: Assembly, frame: Material, board: Material) -> None:
        w, h, d, t = self.width, self.height, self.depth, 0.038 if self.kind == "cube" else 0.02
        made.mirrored(frame, box(t, h, d, 0.002, "y").at(x=(w - t) / 2, y=h / 2))
        made.add(frame, box(w, t, d, 0.002, "x").at(y=h - t / 2))
        plinth = 0.0 if self.kind == "cube" else 0.05
        if plinth:
            made.add(frame, box(w - 2 * t, plinth, d - 0.03).at(y=plinth / 2))
        if self.kind != "open":
            made.add(board, box(w - 0.01, h - 0.01, 0.006, grain="y").at(y=h / 2, z=-d / 2 + 0.004))
        inner = (w - 2 * t) / self.columns
        each = (h - t - plinth) / self.rows
        for k in range(self.rows):
            made.add(board, box(w - 2 * t, t * 0.9, d - 0.01, grain="x").at(y=plinth + k * each + t / 2))
        for c in range(1, self.columns):
            made.add(
                board,
                box(t * 0.9, h - t - plinth, d - 0.012, grain="y").at(
                    x=c * inner - (w - 2 * t) / 2, y=(h - t + plinth) / 2
                ),
            )
        rng = np.random.default_rng(self.seed)
        for k in range(self.rows):
            for c in range(self.columns):
                x = (c + 0.5) * inner - (w - 2 * t) / 2
                y = plinth + k * each + t
                if k == 0 and self.doors:
                    made.add(
                        frame,
                        box(inner - 0.004, each - t * 0.5, 0.018, 0.003, "y").at(
                            x=x, y=y + each / 2 - t, z=d / 2 - 0.01
                        ),
                    )
                    made.add(
                        paint("black"),
                        ball(0.012, 12).at(x=x + inner * 0.35, y=y + each * 0.5, z=d / 2 + 0.01),
                    )
                elif rng.random() < self.filled:
                    fill(made, rng, x, y, inner - 0.03, each - t - 0.03, d - 0.05)

    def _posts(self, made: Assembly, frame: Material, board: Material) -> None:
        w, h, d = self.width, self.height, self.depth
        made.on_corners(frame, box(0.022, h, 0.022, 0.002, "y").at(y=h / 2), w / 2 - 0.011, d / 2 - 0.011)
        rng = np.random.default_rng(self.seed)
        for k in range(self.rows):
            y = 0.08 + k * (h - 0.12) / (self.rows - 1)
            made.add(board, box(w - 0.01, 0.024, d - 0.004, 0.003).at(y=y))
            if k < self.rows - 1 and rng.random() < self.filled:
                fill(made, rng, 0, y + 0.012, w - 0.1, (h - 0.12) / (self.rows - 1) - 0.05, d - 0.06)
        span = float(np.hypot(w, h))
        tilt = float(np.degrees(np.arctan2(h, w)))
        for sign in (1, -1):
            made.add(
                frame,
                box(span - 0.05, 0.012, 0.004)
                .turned("z", sign * tilt)
                .at(y=h / 2, z=-d / 2 + 0.006 + 0.004 * sign),
            )

    def _ladder(self, made: Assembly, frame: Material, board: Material) -> None:
        w, h, d = self.width, self.height, self.depth + 0.15
        lean = float(np.degrees(np.arctan2(d - 0.06, h)))
        post = box(0.03, float(np.hypot(h, d - 0.06)), 0.045, 0.004, "y").turned("x", -lean)
        made.mirrored(frame, post.at(x=w / 2 - 0.015, y=h / 2))
        made.mirrored(
            frame, box(0.026, h * 0.98, 0.03, 0.003, "y").at(x=w / 2 - 0.015, y=h * 0.49, z=-d / 2 + 0.02)
        )
        rng = np.random.default_rng(self.seed)
        for k in range(self.rows):
            y = 0.12 + k * (h - 0.2) / (self.rows - 1)
            deep = max(d * (1 - y / h) + 0.04, 0.14)
            z = -d / 2 + deep / 2 + 0.01
            made.add(board, box(w - 0.06, 0.022, deep, 0.004).at(y=y, z=z))
            if rng.random() < self.filled and k < self.rows - 1:
                fill(
                    made,
                    rng,
                    0,
                    y + 0.011,
                    w - 0.12,
                    (h - 0.2) / (self.rows - 1) - 0.06,
                    min(deep - 0.02, 0.24),
                    z,
                )


def fill(
    made: Assembly,
    rng: Generator,
    x: float,
    y: float,
    width: float,
    height: float,
    depth: float,
    z: float = 0.0,
) -> None:
    """Books, boxes, baskets or a vase standing in one compartment whose floor is at y."""
    what = rng.choice(["books", "books", "box", "vase", "lying"])
    if width < 0.1 or height < 0.08:
        return
    if what == "books":
        _books(made, rng, x, y, width, height, depth, z)
    elif what == "lying":
        top = y
        for _ in range(int(rng.integers(2, 6))):
            thick = rng.uniform(0.018, 0.045)
            if top + thick > y + height * 0.8:
                break
            cover = paint(str(rng.choice(_BOOK_COLORS)))
            made.add(
                cover,
                box(min(width * 0.7, rng.uniform(0.18, 0.26)), thick, depth * 0.75)
                .turned("y", rng.uniform(-8, 8))
                .at(x=x, y=top + thick / 2, z=z),
            )
            top += thick
    elif what == "box":
        count = max(1, int(width / 0.35))
        material = (
            wicker(str(rng.choice(["sand", "brown", "gray"])))
            if rng.random() < 0.5
            else paint(random_color(rng))
        )
        for k in range(count):
            size = width / count - 0.02
            made.add(
                material,
                box(size, height * rng.uniform(0.55, 0.9), depth * 0.92, 0.006).at(
                    x=x + (k + 0.5) * width / count - width / 2, y=y + height * 0.36, z=z
                ),
            )
    else:
        radius = min(0.09, width * 0.2, depth * 0.4)
        tall = height * rng.uniform(0.5, 0.85)
        profile = [
            (radius * 0.6, 0),
            (radius, tall * 0.35),
            (radius * 0.45, tall * 0.8),
            (radius * 0.55, tall),
        ]
        made.add(
            ceramic(random_color(rng)),
            lathe(profile, 20, caps=True).at(x=x + rng.uniform(-0.25, 0.25) * width, y=y, z=z),
        )


def _books(
    made: Assembly, rng: Generator, x: float, y: float, width: float, height: float, depth: float, z: float
) -> None:
    covers = [paint(str(name)) for name in rng.choice(_BOOK_COLORS, 4, replace=False)]
    at, end = x - width / 2, x - width / 2 + width * rng.uniform(0.45, 1.0)
    while True:
        thick = rng.uniform(0.016, 0.045)
        if at + thick > end:
            return
        tall = min(height * 0.95, rng.uniform(0.65, 0.95) * min(height, 0.32))
        deep = min(depth, rng.uniform(0.14, 0.2))
        made.add(
            covers[int(rng.integers(4))],
            box(thick - 0.002, tall, deep).at(
                x=at + thick / 2, y=y + tall / 2, z=z + (depth - deep) / 2 - 0.02
            ),
        )
        at += thick


def random_bookcase(rng: Generator) -> Bookcase:
    kind = str(rng.choice(["panel", "panel", "open", "ladder", "metal", "cube"]))
    columns = int(rng.integers(1, 5)) if kind in {"panel", "open", "cube"} else 1
    rows = int(rng.integers(2, 7))
    size = rng.uniform(0.33, 0.42)
    return Bookcase(
        kind=kind,
        frame=random_finish(rng, 0.5 if kind == "metal" else 0.0),
        shelf=random_finish(rng, 0.0) if rng.random() < 0.35 else "",
        columns=columns,
        rows=max(rows, 3) if kind in {"ladder", "metal"} else rows,
        width=size * columns if kind == "cube" else rng.uniform(0.45, 0.8) * max(columns * 0.7, 1),
        height=size * rows if kind == "cube" else rows * rng.uniform(0.27, 0.42),
        depth=rng.uniform(0.22, 0.42),
        filled=float(rng.choice([0.0, 0.0, 0.5, 0.9])),
        doors=int(rng.random() < 0.2),
        seed=int(rng.integers(1 << 30)),
    )


@dataclass(frozen=True, slots=True)
class Cabinet:
    """A case with a grid of fronts, row by row from the top: each 'd' door, 'w' drawer, 'o' open,
    'g' glass door, 'm' mirror door or 'l' louvers; rows share the height by `heights`.

    handle: bar, knob, cup, rim (none) or long; feet: plinth, tapered, block, hairpin or frame.
    """

    fronts: tuple[str, ...] = ("ww", "dd")
    heights: tuple[float, ...] = (1.0, 2.5)
    frame: str = "oak"
    front: str = ""
    handle: str = "bar"
    handle_metal: str = "metal:black"
    feet: str = "tapered"
    width: float = 1.2
    height: float = 0.8
    depth: float = 0.42

    def build(self) -> Mesh:
        made = Assembly()
        frame = finish(self.frame)
        foot = {"plinth": 0.06, "tapered": 0.16, "block": 0.08, "hairpin": 0.2, "frame": 0.18}[self.feet]
        _stand(made, frame, self, foot)
        w, d, t = self.width, self.depth, 0.022
        body = self.height - foot
        made.mirrored(frame, box(t, body, d, 0.002, "y").at(x=(w - t) / 2, y=foot + body / 2))
        made.add(frame, box(w + 0.008, t + 0.004, d + 0.008, 0.003).at(y=self.height - t / 2), box(w - 2 * t, t, d - 0.01).at(y=foot + t / 2),
                 box(w - 0.01, body - 0.01, 0.008).at(y=foot + body / 2, z=-d / 2 + 0.006))  # fmt: skip
        self._rows(made, frame, foot, t)
        return made.mesh()

    def _rows(self, made: Assembly, frame: Material, foot: float, t: float) -> None:
        fronts, handles = finish(self.front or self.frame, 2), finish(self.handle_metal)
        inner, tall = self.width - 2 * t, self.height - foot - 2 * t
        panes = {"g": glass(), "m": glass("light gray", 1.0)}
        top = self.height - t
        for row, share in zip(self.fronts, self.heights, strict=True):
            high = tall * share / sum(self.heights)
            each = inner / len(row)
            for k, kind in enumerate(row):
                x, y = (k + 0.5) * each - inner / 2, top - high / 2
                self._cell(
                    made,
                    (frame, fronts, handles, panes.get(kind, fronts)),
                    kind,
                    (x, y, each, high),
                    k < len(row) / 2,
                )
            top -= high
            made.add(frame, box(inner, t * 0.8, self.depth - 0.025).at(y=top))

    def _cell(
        self,
        made: Assembly,
        materials: tuple[Material, Material, Material, Material],
        kind: str,
        place: tuple[float, float, float, float],
        is_left: bool,
    ) -> None:
        frame, front, handle, pane = materials
        x, y, wide, high = place
        z = self.depth / 2
        if kind == "o":
            made.add(frame, box(0.016, high, self.depth - 0.03, grain="y").at(x=x + wide / 2, y=y))
            return
        if kind in "gm":
            rim = 0.045
            for s in (1, -1):
                made.add(front, box(rim, high - 0.006, 0.018, 0.002, "y").at(x=x + s * (wide - rim - 0.006) / 2, y=y, z=z),
                         box(wide - 2 * rim, rim, 0.018, 0.002).at(x=x, y=y + s * (high - rim - 0.006) / 2, z=z))  # fmt: skip
            made.add(pane, box(wide - 2 * rim, high - 2 * rim, 0.005).at(x=x, y=y, z=z))
        else:
            made.add(
                front,
                box(wide - 0.006, high - 0.006, 0.02, 0.003, "x" if kind == "w" else "y").at(x=x, y=y, z=z),
            )
            if kind == "l":
                for step in np.arange(-high / 2 + 0.05, high / 2 - 0.04, 0.035):
                    made.add(
                        front, box(wide - 0.07, 0.026, 0.008).turned("x", 25).at(x=x, y=y + step, z=z + 0.013)
                    )
        self._handle(made, handle, kind, (x, y, wide, high), is_left)

    def _handle(
        self,
        made: Assembly,
        material: Material,
        kind: str,
        place: tuple[float, float, float, float],
        is_left: bool,
    ) -> None:
        x, y, wide, high = place
        z = self.depth / 2 + 0.01
        if self.handle == "rim":
            return
        if kind == "w":
            spots = (-0.25 * wide, 0.25 * wide) if wide > 0.65 and self.handle in {"knob", "cup"} else (0.0,)
            for dx in spots:
                made.add(
                    material, _pull(self.handle, min(0.16, wide * 0.4), vertical=False).at(x=x + dx, y=y, z=z)
                )
        else:
            length = high * 0.6 if self.handle == "long" else min(0.18, high * 0.35)
            dx = (wide / 2 - 0.045) * (1 if is_left else -1)
            dy = 0.0 if self.height > 1.2 or self.handle == "long" else high * 0.2
            made.add(material, _pull(self.handle, length, vertical=True).at(x=x + dx, y=y + dy, z=z))


def _pull(kind: str, length: float, *, vertical: bool) -> Shape:
    if kind == "knob":
        return ball(0.016, 14).at(z=0.012)
    if kind == "cup":
        half = lathe([(0.001, -0.018), (0.03, -0.018), (0.034, 0.0), (0.02, 0.014)], 20).scaled(x=1.3)
        return half.at(z=0.004)
    path = [(-length / 2, 0, 0), (-length / 2, 0, 0.026), (length / 2, 0, 0.026), (length / 2, 0, 0)]
    bar = tube(path, 0.006, 8)
    return bar.turned("z", 90) if vertical else bar


def _stand(made: Assembly, frame: Material, c: Cabinet, foot: float) -> None:
    x, z = c.width / 2, c.depth / 2
    if c.feet == "plinth":
        made.add(frame, box(c.width - 0.03, foot, c.depth - 0.05).at(y=foot / 2))
    elif c.feet == "block":
        made.on_corners(frame, box(0.06, foot, 0.06, 0.004).at(y=foot / 2), x - 0.05, z - 0.05)
    elif c.feet == "tapered":
        made.on_corners(frame, tube([(0.03, 0, 0.02), (0, foot, 0)], [0.011, 0.021], 12), x - 0.1, z - 0.06)
    elif c.feet == "hairpin":
        made.on_corners(
            finish("metal:black"),
            tube([(-0.05, foot, 0), (0.01, 0.005, 0.012), (0, foot, -0.05)], 0.006, 8),
            x - 0.06,
            z - 0.05,
        )
    else:
        made.on_corners(frame, box(0.03, foot, 0.03, grain="y").at(y=foot / 2), x - 0.03, z - 0.03)
        for s in (1, -1):
            made.add(frame, box(2 * x - 0.06, 0.03, 0.02).at(y=foot - 0.015, z=s * (z - 0.03)))
            made.add(frame, box(0.02, 0.02, 2 * z - 0.06).at(x=s * (x - 0.03), y=0.05))


def _random_case(
    rng: Generator, fronts: tuple[str, ...], heights: tuple[float, ...], size: tuple[float, float, float]
) -> Cabinet:
    return Cabinet(
        fronts=fronts,
        heights=heights,
        frame=random_finish(rng, 0.05, 0.4),
        front=random_finish(rng, 0.0, 0.5) if rng.random() < 0.5 else "",
        handle=str(rng.choice(["bar", "knob", "cup", "rim", "long"])),
        handle_metal=random_finish(rng, 0.9),
        feet=str(rng.choice(["plinth", "tapered", "block", "hairpin", "frame"])),
        width=size[0],
        height=size[1],
        depth=size[2],
    )


def random_cabinet(rng: Generator) -> Cabinet:
    """Sideboards, TV benches, display cabinets and bedside tables."""
    columns = int(rng.integers(1, 5))
    rows = int(rng.integers(1, 4))
    kinds = [str(rng.choice(list("ddwogl"))) for _ in range(rows)]
    fronts = tuple(
        kind * (columns if kind != "w" else max(1, columns - int(rng.integers(0, 2)))) for kind in kinds
    )
    heights = tuple(1.0 if kind in "wo" else 2.2 for kind in kinds)
    height = float(np.clip(sum(heights) * rng.uniform(0.17, 0.3) + 0.1, 0.4, 1.7))
    return _random_case(
        rng, fronts, heights, (columns * rng.uniform(0.4, 0.55), height, rng.uniform(0.34, 0.5))
    )


def random_dresser(rng: Generator) -> Cabinet:
    rows, columns = int(rng.integers(3, 7)), int(rng.integers(1, 3))
    fronts = ("w" * (columns + int(rng.random() < 0.3)), *("w" * columns for _ in range(rows - 1)))
    heights = tuple(1.0 + 0.1 * k for k in range(rows))
    return _random_case(
        rng,
        fronts,
        heights,
        (
            0.3 + columns * rng.uniform(0.3, 0.55),
            rows * rng.uniform(0.17, 0.24) + 0.1,
            rng.uniform(0.4, 0.52),
        ),
    )


def random_wardrobe(rng: Generator) -> Cabinet:
    doors = int(rng.integers(1, 5))
    row = "".join(str(rng.choice(list("dddml"))) for _ in range(doors))
    fronts, heights = (
        ((row, "w" * max(1, doors // 2)), (5.0, 1.0)) if rng.random() < 0.4 else ((row,), (1.0,))
    )
    return _random_case(
        rng, fronts, heights, (doors * rng.uniform(0.42, 0.6), rng.uniform(1.8, 2.4), rng.uniform(0.5, 0.65))
    )


def crate(width: float, height: float, depth: float) -> Mesh:
    """A slatted wooden crate."""
    made = Assembly()
    board = wood("pine", 1)
    for k in range(4):
        y = (k + 0.5) * height / 4
        for s in (1, -1):
            made.add(board, box(width, height / 4 - 0.012, 0.012, 0.001).at(y=y, z=s * (depth / 2 - 0.006)))
            made.add(board, box(0.012, height / 4 - 0.012, depth - 0.024).at(x=s * (width / 2 - 0.006), y=y))
    made.on_corners(
        board, box(0.022, height, 0.022, grain="y").at(y=height / 2), width / 2 - 0.024, depth / 2 - 0.024
    )
    made.add(board, box(width - 0.02, 0.01, depth - 0.02).at(y=0.008))
    return made.mesh()
