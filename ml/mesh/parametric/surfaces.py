"""Woods, paints, cloths and metals: base colors and small textures drawn here."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ml.types import Material

__all__ = ["COLORS", "METALS", "WOODS", "ceramic", "fabric", "glass", "leather", "metal", "paint", "random_color",
           "stone", "wicker", "wood"]  # fmt: skip

Texture = npt.NDArray[np.uint8]
Generator = np.random.Generator

_SIDE = 192

WOODS = {
    "birch": (0.88, 0.78, 0.62),
    "pine": (0.87, 0.70, 0.47),
    "oak": (0.76, 0.59, 0.40),
    "teak": (0.64, 0.42, 0.24),
    "walnut": (0.42, 0.28, 0.19),
    "mahogany": (0.45, 0.20, 0.13),
    "wenge": (0.23, 0.17, 0.14),
    "ash black": (0.14, 0.13, 0.13),
    "whitewash": (0.90, 0.88, 0.84),
}

COLORS = {
    "white": (0.94, 0.94, 0.92),
    "cream": (0.92, 0.87, 0.75),
    "sand": (0.80, 0.72, 0.60),
    "light gray": (0.74, 0.74, 0.73),
    "gray": (0.48, 0.49, 0.50),
    "anthracite": (0.22, 0.23, 0.25),
    "black": (0.08, 0.08, 0.09),
    "red": (0.72, 0.13, 0.12),
    "terracotta": (0.76, 0.38, 0.25),
    "orange": (0.88, 0.49, 0.15),
    "mustard": (0.82, 0.62, 0.17),
    "yellow": (0.95, 0.80, 0.25),
    "sage": (0.58, 0.66, 0.53),
    "green": (0.18, 0.42, 0.28),
    "teal": (0.13, 0.43, 0.45),
    "sky": (0.55, 0.72, 0.84),
    "blue": (0.16, 0.33, 0.62),
    "navy": (0.12, 0.18, 0.33),
    "violet": (0.42, 0.30, 0.52),
    "blush": (0.87, 0.68, 0.66),
    "brown": (0.38, 0.25, 0.17),
}

METALS = {
    "chrome": (0.80, 0.81, 0.83),
    "steel": (0.62, 0.63, 0.65),
    "brass": (0.80, 0.64, 0.33),
    "copper": (0.76, 0.46, 0.33),
    "black": (0.11, 0.11, 0.12),
    "white": (0.92, 0.92, 0.91),
}


def _material(
    name: str, color: tuple[float, float, float], texture: Texture | None = None, alpha: float = 1
) -> Material:
    return Material(name, np.array([*color, alpha], dtype=np.float32), texture)


def _tone(name: str, table: dict[str, tuple[float, float, float]]) -> tuple[float, float, float]:
    """A color by its name, or '#rrggbb'."""
    if name.startswith("#"):
        red, green, blue = (int(name[k : k + 2], 16) / 255 for k in (1, 3, 5))
        return red, green, blue
    return table[name]


def wood(name: str, variant: int = 0) -> Material:
    return _material(f"{name} wood", _tone(name, WOODS), _grain(variant % 4))


def paint(name: str) -> Material:
    return _material(f"{name} lacquer", _tone(name, COLORS))


def fabric(name: str, pattern: str = "weave") -> Material:
    """pattern: weave, rib, melange, stripes or check."""
    return _material(f"{name} fabric", _tone(name, COLORS), _cloth(pattern))


def leather(name: str) -> Material:
    return _material(f"{name} leather", _tone(name, COLORS), _hide())


def metal(name: str) -> Material:
    return _material(f"{name} metal", _tone(name, METALS))


def ceramic(name: str, *, speckled: bool = False) -> Material:
    return _material(f"{name} ceramic", _tone(name, COLORS), _speckles() if speckled else None)


def stone(name: str) -> Material:
    return _material(f"{name} stone", _tone(name, COLORS), _marble())


def wicker(name: str = "sand") -> Material:
    return _material(f"{name} wicker", _tone(name, COLORS), _woven())


def glass(name: str = "sky", alpha: float = 0.35) -> Material:
    return _material(f"{name} glass", _tone(name, COLORS), alpha=alpha)


def random_color(rng: Generator) -> str:
    """A named color, or any: '#rrggbb'."""
    if rng.random() < 0.6:
        return str(rng.choice(list(COLORS)))
    value = np.clip(rng.normal(rng.uniform(0.15, 0.85), 0.18, 3), 0.04, 0.96)
    return "#" + "".join(f"{round(float(part) * 255):02x}" for part in value)


def _rgba(gray: npt.NDArray[np.float64], tint: tuple[float, float, float] = (1, 1, 1)) -> Texture:
    """(n, n) factors around 1 -> a texture that scales a base color; tint colors the dark parts."""
    darkness = 1 - gray[..., None]
    factors = 1 - darkness * np.array(tint)
    texture = np.full((*gray.shape, 4), 255, dtype=np.uint8)
    texture[..., :3] = np.clip(factors * 255, 0, 255).astype(np.uint8)
    return texture


def _noise(seed: int, cells: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Smooth periodic noise in [0, 1], `cells` bumps down and across."""
    rng = np.random.default_rng(seed)
    coarse = rng.random(cells)
    axes = []
    for count in cells:
        position = np.linspace(0, count, _SIDE, endpoint=False)
        low = position.astype(int)
        t = position - low
        axes.append((low, (low + 1) % count, t * t * (3 - 2 * t)))
    (r0, r1, rt), (c0, c1, ct) = axes
    rows = coarse[r0] * (1 - rt[:, None]) + coarse[r1] * rt[:, None]
    result: npt.NDArray[np.float64] = rows[:, c0] * (1 - ct) + rows[:, c1] * ct
    return result


@lru_cache(maxsize=8)
def _grain(variant: int) -> Texture:
    """Streaks along u: growth rings bent by slow noise, fine pores."""
    rows = np.linspace(0, 1, _SIDE, endpoint=False)[:, None]
    bend = 0.55 * _noise(10 + variant, (3, 2)) + 0.2 * _noise(20 + variant, (8, 3))
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (7 * rows + 2.2 * bend))
    pores = _noise(30 + variant, (_SIDE // 2, 6))
    shade = 1 - 0.20 * rings**2 - 0.13 * pores - 0.06 * _noise(40 + variant, (24, 4))
    return _rgba(shade, (0.85, 1.0, 1.15))


@lru_cache(maxsize=8)
def _cloth(pattern: str) -> Texture:
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    thread = 0.5 + 0.25 * np.sin(2 * np.pi * 32 * x) + 0.25 * np.sin(2 * np.pi * 32 * y)
    shade = 1 - 0.16 * thread - 0.10 * _noise(50, (64, 64))
    if pattern == "rib":
        shade = shade - 0.18 * (0.5 + 0.5 * np.sin(2 * np.pi * 12 * x))
    elif pattern == "melange":
        shade = shade - 0.22 * _noise(51, (96, 48))
    elif pattern == "stripes":
        shade = np.where((x * 6) % 1 < 0.4, shade * 0.55, shade)
    elif pattern == "check":
        shade = shade * np.where((x * 4) % 1 < 0.35, 0.7, 1) * np.where((y * 4) % 1 < 0.35, 0.7, 1)
    return _rgba(np.clip(shade, 0, 1))


@lru_cache(maxsize=1)
def _hide() -> Texture:
    return _rgba(1 - 0.10 * _noise(60, (40, 40)) - 0.10 * _noise(61, (6, 6)))


@lru_cache(maxsize=1)
def _speckles() -> Texture:
    return _rgba(np.where(_noise(70, (72, 72)) > 0.9, 0.55, 1 - 0.05 * _noise(71, (12, 12))))


@lru_cache(maxsize=1)
def _marble() -> Texture:
    veins = np.abs(np.sin(2 * np.pi * (1.5 * _noise(80, (4, 4)) + 0.6 * _noise(81, (12, 12)))))
    return _rgba(1 - 0.35 * (1 - veins) ** 6 - 0.08 * _noise(82, (5, 5)))


@lru_cache(maxsize=1)
def _woven() -> Texture:
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE * 16
    over = (np.floor(x) + np.floor(y)) % 2
    strand = np.where(over > 0, np.sin(np.pi * (x % 1)), np.sin(np.pi * (y % 1)))
    return _rgba(0.45 + 0.5 * strand + 0.05 * _noise(90, (48, 48)))
