"""Upholstered seats: armchairs and sofas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.mesh.parametric.chairs import finish, random_finish, random_upholstery, upholstery
from ml.mesh.parametric.shapes import Assembly, Shape, box, cushion, lathe, sheet, tube
from ml.types import Material, Mesh

__all__ = ["Armchair", "Sofa", "random_armchair", "random_sofa"]

Generator = np.random.Generator


def _feet(made: Assembly, frame: Material, kind: str, x: float, z: float, height: float) -> None:
    """kind: block, tapered, hairpin or none."""
    if kind == "block":
        made.on_corners(frame, box(0.07, height, 0.07, 0.005, "y").at(y=height / 2), x - 0.04, z - 0.04)
    elif kind == "tapered":
        made.on_corners(
            frame, tube([(0.035, 0, 0.03), (0, height, 0)], [0.012, 0.024], 12), x - 0.07, z - 0.07
        )
    elif kind == "hairpin":
        legs = (tube([(-0.05, height, 0), (0, 0.005, 0.02), (0, height, -0.05)], 0.006, 6),)
        for leg in legs:
            made.on_corners(frame, leg, x - 0.06, z - 0.06)


@dataclass(frozen=True, slots=True)
class Armchair:
    """kind: block, wing, tub, wood (bent open frame) or lounge (low, angled)."""

    kind: str = "block"
    cloth: str = "gray"
    frame: str = "oak"
    feet: str = "tapered"
    width: float = 0.8
    depth: float = 0.82
    height: float = 0.82
    seat_height: float = 0.42

    def build(self) -> Mesh:
        made = Assembly()
        cloth, frame = upholstery(self.cloth), finish(self.frame)
        builders = {"tub": _tub, "wood": _open_frame, "lounge": _lounge, "wing": _wing, "block": _block}
        builders[self.kind](made, cloth, frame, self)
        return made.mesh()


def _block(made: Assembly, cloth: Material, frame: Material, a: Armchair) -> None:
    foot = 0.12
    arm = 0.14
    inner = a.width - 2 * arm
    _feet(made, frame, a.feet, a.width / 2, a.depth / 2, foot)
    made.add(cloth, cushion(a.width - 0.02, 0.16, a.depth - 0.02, 0.03).at(y=foot + 0.08))
    made.add(cloth, cushion(inner, 0.16, a.depth - 0.16, 0.05, 0.02).at(y=a.seat_height - 0.05, z=0.07))
    rise = a.height - foot - 0.1
    made.add(
        cloth,
        cushion(a.width - 0.06, rise, 0.17, 0.06)
        .turned("x", -7)
        .at(y=foot + 0.1 + rise / 2, z=-a.depth / 2 + 0.07),
    )
    high = a.seat_height + 0.19 - foot
    made.mirrored(
        cloth,
        cushion(arm, high, a.depth - 0.05, 0.05).at(x=(a.width - arm) / 2, y=foot + high / 2 + 0.02, z=0.02),
    )


def _wing(made: Assembly, cloth: Material, frame: Material, a: Armchair) -> None:
    foot = 0.17
    _feet(made, frame, a.feet, a.width / 2 - 0.02, a.depth / 2 - 0.02, foot)
    made.add(cloth, cushion(a.width - 0.1, 0.14, a.depth - 0.1, 0.03).at(y=foot + 0.07, z=0.02))
    made.add(
        cloth, cushion(a.width - 0.24, 0.14, a.depth - 0.2, 0.05, 0.02).at(y=a.seat_height - 0.03, z=0.08)
    )
    rise = a.height - foot - 0.12
    made.add(
        cloth,
        cushion(a.width - 0.16, rise, 0.14, 0.06)
        .turned("x", -9)
        .at(y=foot + 0.12 + rise / 2, z=-a.depth / 2 + 0.12),
    )
    arm = a.seat_height + 0.17 - foot
    made.mirrored(
        cloth, cushion(0.1, arm, a.depth - 0.16, 0.045).at(x=a.width / 2 - 0.06, y=foot + arm / 2, z=0.03)
    )
    wing = cushion(0.07, rise * 0.62, 0.3, 0.03).turned("y", -12).turned("x", -9)
    made.mirrored(cloth, wing.at(x=a.width / 2 - 0.07, y=a.height - rise * 0.33, z=-a.depth / 2 + 0.18))


def _tub(made: Assembly, cloth: Material, frame: Material, a: Armchair) -> None:
    foot = 0.14
    _feet(made, frame, a.feet, a.width / 2 - 0.08, a.depth / 2 - 0.08, foot)
    radius = a.width / 2 - 0.06
    angle = np.linspace(-2.35, 2.35, 33)
    t = np.linspace(0, 1, 5)
    fall = np.clip(np.abs(angle) / 2.35, 0, 1) ** 2
    top = a.height - foot - fall * (a.height - a.seat_height - 0.14)
    grid = np.empty((len(angle), len(t), 3))
    flare = 1 + 0.1 * t
    grid[..., 0] = np.sin(angle)[:, None] * radius * flare
    grid[..., 1] = foot + top[:, None] * t
    grid[..., 2] = -np.cos(angle)[:, None] * (a.depth / 2 - 0.06) * flare
    made.add(cloth, sheet(grid, 0.09))
    made.add(
        cloth,
        lathe(
            [
                (radius - 0.02, foot),
                (radius, foot + 0.03),
                (radius, a.seat_height - 0.06),
                (radius - 0.06, a.seat_height - 0.01),
                (0.01, a.seat_height + 0.01),
            ],
            36,
            caps=False,
        ).at(z=0.02),
    )


def _open_frame(made: Assembly, cloth: Material, frame: Material, a: Armchair) -> None:
    x = a.width / 2 - 0.03
    z = a.depth / 2
    path = [
        (x, 0.02, -z * 0.9),
        (x, 0.02, z * 0.8),
        (x, 0.08, z),
        (x, a.seat_height + 0.12, z * 0.86),
        (x, a.seat_height + 0.2, z * 0.66),
        (x, a.seat_height + 0.19, -z * 0.8),
    ]
    made.mirrored(frame, _strap(path, 0.06, 0.022))
    made.mirrored(frame, tube([(x, a.seat_height + 0.19, -z * 0.55), (x, 0.03, -z * 0.75)], 0.016, 8))
    made.add(
        frame,
        box(2 * x, 0.05, 0.022).at(y=a.seat_height - 0.08, z=z * 0.8),
        box(2 * x, 0.05, 0.022).at(y=0.2, z=-z * 0.7),
    )
    _bent_cushion(made, cloth, a, a.width - 0.18, 0.09)


def _lounge(made: Assembly, cloth: Material, frame: Material, a: Armchair) -> None:
    x = a.width / 2 - 0.05
    z = a.depth / 2
    made.mirrored(frame, tube([(x, a.seat_height - 0.06, z * 0.8), (x + 0.02, 0, z * 0.5)], [0.02, 0.013], 12),
                  tube([(x, a.seat_height - 0.12, -z * 0.5), (x + 0.02, 0, -z * 0.9)], [0.02, 0.013], 12))  # fmt: skip
    arm = [
        (x + 0.02, a.seat_height + 0.16, z * 0.85),
        (x + 0.02, a.seat_height + 0.18, 0),
        (x, a.seat_height + 0.12, -z * 0.75),
    ]
    made.mirrored(
        frame,
        _strap(arm, 0.06, 0.026),
        tube([(x, a.seat_height - 0.06, z * 0.75), (x + 0.02, a.seat_height + 0.15, z * 0.7)], 0.014, 10),
    )
    made.add(
        frame,
        box(2 * x, 0.05, 0.025).at(y=a.seat_height - 0.08, z=z * 0.78),
        box(2 * x, 0.05, 0.025).at(y=a.seat_height - 0.16, z=-z * 0.5),
    )
    _bent_cushion(made, cloth, a, a.width - 0.16, 0.11)


def _strap(path: list[tuple[float, float, float]], width: float, thickness: float) -> Shape:
    """A flat bent bar along a path in a plane x = constant."""
    points = np.asarray(path)
    fine = np.linspace(0, len(points) - 1, 8 * (len(points) - 1) + 1)
    curve = np.stack([np.interp(fine, np.arange(len(points)), points[:, k]) for k in range(3)], axis=1)
    kernel = np.ones(7) / 7
    padded = np.concatenate([np.repeat(curve[:1], 3, 0), curve, np.repeat(curve[-1:], 3, 0)])
    curve = np.stack([np.convolve(padded[:, k], kernel, "valid") for k in range(3)], axis=1)
    grid = np.stack([curve + [s * width / 2, 0, 0] for s in (-1, 0, 1)], axis=1)
    return sheet(grid, thickness)


def _bent_cushion(made: Assembly, cloth: Material, a: Armchair, width: float, thickness: float) -> None:
    seat_depth = a.depth * 0.72
    rise = a.height - a.seat_height
    made.add(
        cloth,
        cushion(width, thickness, seat_depth, 0.04, 0.015).turned("x", 6).at(y=a.seat_height - 0.03, z=0.08),
    )
    back = cushion(width, rise + 0.12, thickness, 0.04)
    made.add(cloth, back.turned("x", -18).at(y=a.seat_height + rise / 2 - 0.02, z=-a.depth / 2 + 0.12))


def random_armchair(rng: Generator) -> Armchair:
    return Armchair(
        kind=str(rng.choice(["block", "wing", "tub", "wood", "lounge"])),
        cloth=random_upholstery(rng),
        frame=random_finish(rng),
        feet=str(rng.choice(["block", "tapered", "hairpin"])),
        width=rng.uniform(0.66, 0.98),
        depth=rng.uniform(0.7, 0.95),
        height=rng.uniform(0.72, 1.08),
        seat_height=rng.uniform(0.36, 0.46),
    )


@dataclass(frozen=True, slots=True)
class Sofa:
    """arms: block, round, thin, slope or none; chaise: '', left or right (the sitter's)."""

    seats: int = 3
    arms: str = "block"
    cloth: str = "gray"
    pillow: str = ""
    frame: str = "oak"
    feet: str = "tapered"
    chaise: str = ""
    width: float = 2.1
    depth: float = 0.9
    height: float = 0.82
    seat_height: float = 0.43
    loose_back: bool = True

    def build(self) -> Mesh:
        made = Assembly()
        cloth, frame = upholstery(self.cloth), finish(self.frame)
        foot = 0.04 if self.feet == "none" else 0.13
        arm = {"block": 0.18, "round": 0.2, "thin": 0.07, "slope": 0.14, "none": 0.0}[self.arms]
        inner = self.width - 2 * arm
        _feet(made, frame, self.feet, self.width / 2, self.depth / 2, foot)
        base = self.seat_height - 0.15 - foot
        made.add(cloth, cushion(self.width - 0.01, base, self.depth - 0.01, 0.025).at(y=foot + base / 2))
        rise = self.height - foot - 0.06 - (0.08 if self.loose_back else 0)
        made.add(
            cloth,
            cushion(self.width - arm, rise, 0.16, 0.05).at(
                y=foot + 0.03 + rise / 2, z=-self.depth / 2 + 0.08
            ),
        )
        self._seat_cushions(made, cloth, inner)
        if arm:
            _arm(made, cloth, self, arm, foot)
        if self.chaise:
            self._chaise(made, cloth, frame, inner, foot)
        if self.pillow:
            self._pillows(made, inner)
        return made.mesh()

    def _seat_cushions(self, made: Assembly, cloth: Material, inner: float) -> None:
        each = inner / self.seats
        deep = self.depth - 0.17
        for k in range(self.seats):
            x = (k + 0.5) * each - inner / 2
            made.add(
                cloth,
                cushion(each - 0.006, 0.17, deep, 0.045, 0.02).at(
                    x=x, y=self.seat_height - 0.07, z=self.depth / 2 - deep / 2
                ),
            )
            tall = self.height - self.seat_height + (0.02 if self.loose_back else -0.06)
            pad = cushion(each - 0.01, tall, 0.17, 0.07).turned("x", -10)
            made.add(cloth, pad.at(x=x, y=self.seat_height + tall / 2, z=-self.depth / 2 + 0.23))

    def _chaise(self, made: Assembly, cloth: Material, frame: Material, inner: float, foot: float) -> None:
        side = 1 if self.chaise == "left" else -1  # the sitter's left is +x
        each = inner / self.seats
        x = side * (inner / 2 - each / 2)
        length = 0.65
        z = self.depth / 2 + length / 2
        base = self.seat_height - 0.15 - foot
        made.add(cloth, cushion(each, base, length + 0.04, 0.025).at(x=x, y=foot + base / 2, z=z - 0.02))
        made.add(
            cloth,
            cushion(each - 0.006, 0.17, length + 0.05, 0.045, 0.02).at(
                x=x, y=self.seat_height - 0.07, z=z - 0.02
            ),
        )
        for dx in (-0.5, 0.5):
            made.add(
                frame, box(0.05, foot, 0.05).at(x=x + dx * (each - 0.12), y=foot / 2, z=z + length / 2 - 0.06)
            )

    def _pillows(self, made: Assembly, inner: float) -> None:
        pillow = upholstery(self.pillow)
        shape = cushion(0.42, 0.42, 0.1, 0.045).turned("x", -20)
        for k, x in enumerate((-inner / 2 + 0.24, inner / 2 - 0.24)):
            made.add(
                pillow,
                shape.turned("y", 14 if k == 0 else -14).at(
                    x=x, y=self.seat_height + 0.22, z=-self.depth / 2 + 0.4
                ),
            )


def _arm(made: Assembly, cloth: Material, s: Sofa, arm: float, foot: float) -> None:
    high = s.seat_height + 0.17 - foot
    x = (s.width - arm) / 2
    if s.arms == "round":
        made.mirrored(cloth, cushion(arm - 0.05, high, s.depth - 0.02, 0.03).at(x=x, y=foot + high / 2))
        roll = tube(
            [(x, foot + high, -s.depth / 2 + 0.01), (x, foot + high, s.depth / 2 - 0.01)], arm / 2, 16
        )
        made.mirrored(cloth, roll)
    elif s.arms == "slope":
        made.mirrored(
            cloth, cushion(arm, high, s.depth - 0.03, 0.05).turned("z", -8).at(x=x + 0.03, y=foot + high / 2)
        )
    else:
        made.mirrored(
            cloth, cushion(arm, high, s.depth - 0.01, min(0.05, arm * 0.45)).at(x=x, y=foot + high / 2)
        )


def random_sofa(rng: Generator) -> Sofa:
    seats = int(rng.integers(1, 5)) if rng.random() < 0.8 else 2
    return Sofa(
        seats=max(seats, 2),
        arms=str(rng.choice(["block", "round", "thin", "slope", "none"])),
        cloth=random_upholstery(rng),
        pillow=random_upholstery(rng) if rng.random() < 0.4 else "",
        frame=random_finish(rng),
        feet=str(rng.choice(["block", "tapered", "hairpin", "none"])),
        chaise=str(rng.choice(["", "", "", "left", "right"])),
        width=max(seats, 2) * rng.uniform(0.55, 0.75) + 0.3,
        depth=rng.uniform(0.8, 1.05),
        height=rng.uniform(0.7, 0.95),
        seat_height=rng.uniform(0.38, 0.46),
        loose_back=bool(rng.random() < 0.6),
    )
