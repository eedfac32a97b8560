"""Which kinds of products there are, and one at random of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml.errors import UnknownName
from ml.mesh.parametric import beds, chairs, household, lamps, sofas, storage, tables
from ml.types import Mesh

__all__ = ["FAMILIES", "Design", "Family", "random_mesh"]


class Design(Protocol):
    """A product's parameters."""

    def build(self) -> Mesh:
        """Normalized: metres, y up, +z front, centred."""


@dataclass(frozen=True, slots=True)
class Family:
    """category as shown to shoppers; draw: a design with random parameters."""

    category: str
    draw: Callable[[np.random.Generator], Design]


FAMILIES: dict[str, Family] = {
    "armchair": Family("Armchairs", sofas.random_armchair),
    "bed": Family("Beds", beds.random_bed),
    "bench": Family("Benches", chairs.random_bench),
    "bookcase": Family("Shelves", storage.random_bookcase),
    "bottle": Family("Kitchenware", household.random_bottle),
    "cabinet": Family("Cabinets", storage.random_cabinet),
    "chair": Family("Chairs", chairs.random_chair),
    "clock": Family("Decoration", household.random_clock),
    "coffee table": Family("Coffee tables", tables.random_coffee_table),
    "desk": Family("Desks", tables.random_desk),
    "dresser": Family("Dressers", storage.random_dresser),
    "floor lamp": Family("Floor lamps", lamps.random_floor_lamp),
    "mirror": Family("Mirrors", household.random_mirror),
    "mug": Family("Mugs", household.random_mug),
    "office chair": Family("Office chairs", chairs.random_office_chair),
    "pendant lamp": Family("Pendant lamps", lamps.random_pendant),
    "plant pot": Family("Plants", household.random_plant),
    "sofa": Family("Sofas", sofas.random_sofa),
    "stool": Family("Stools", chairs.random_stool),
    "table": Family("Dining tables", tables.random_table),
    "table lamp": Family("Table lamps", lamps.random_table_lamp),
    "vase": Family("Vases", household.random_vase),
    "wardrobe": Family("Wardrobes", storage.random_wardrobe),
}


def random_mesh(family: str, rng: np.random.Generator) -> Mesh:
    """A normalized mesh of the family with random parameters, for training variety."""
    if family not in FAMILIES:
        raise UnknownName(f"no family is called {family!r}; choose one of: {', '.join(FAMILIES)}")
    return FAMILIES[family].draw(rng).build()
