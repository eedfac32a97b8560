"""The sample catalog: a small shop of invented products, drawn by our own families."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ml.mesh.glb import write_glb
from ml.mesh.parametric.beds import Bed
from ml.mesh.parametric.chairs import Bench, Chair, OfficeChair, Stool
from ml.mesh.parametric.families import Design
from ml.mesh.parametric.household import Bottle, Clock, Mirror, Mug, Plant, Vase
from ml.mesh.parametric.lamps import FloorLamp, Pendant, TableLamp
from ml.mesh.parametric.sofas import Armchair, Sofa
from ml.mesh.parametric.storage import Bookcase, Cabinet
from ml.mesh.parametric.tables import CoffeeTable, Desk, Table

__all__ = ["SampleProduct", "sample_catalog", "write_sample_catalog"]

_CREATOR = "Shapelens"
_LICENSE = "CC0 1.0"
_CURRENCY = "EUR"
_SHOP = "https://shop.example/p/"  # a reserved name: it leads nowhere


@dataclass(frozen=True, slots=True)
class SampleProduct:
    """key: file name; price in euros."""

    key: str
    name: str
    category: str
    price: int
    design: Design
    tags: tuple[str, ...] = ()

    @property
    def sku(self) -> str:
        return f"SL-{self.key.upper()}"

    @property
    def link(self) -> str:
        return _SHOP + self.key


def sample_catalog() -> tuple[SampleProduct, ...]:
    """79 products of 24 kinds; always the same."""
    return tuple(SampleProduct(*row) for row in (*_SEATS, *_TABLES, *_STORAGE, *_LIGHT_AND_SMALL))


def write_sample_catalog(folder: Path) -> Path:
    """A GLB a product and manifest.json in the folder, unless the same are there. Returns the folder."""
    products = sample_catalog()
    wanted = json.dumps({product.key: repr(product) for product in products}, sort_keys=True)
    # the mark lies beside the folder and is written last: half a catalog is written again
    mark = folder.with_name(f".{folder.name}.json")
    if mark.exists() and folder.is_dir() and mark.read_text(encoding="utf-8") == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for product in products:
        write_glb(product.design.build(), folder / f"{product.key}.glb")
    rows = [
        {
            "file": f"{product.key}.glb",
            "name": product.name,
            "sku": product.sku,
            "category": product.category,
            "tags": list(product.tags),
            "price": product.price,
            "currency": _CURRENCY,
            "link": product.link,
            "creator": _CREATOR,
            "license": _LICENSE,
        }
        for product in products
    ]
    (folder / "manifest.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    mark.write_text(wanted, encoding="utf-8")
    return folder


_SEATS = (
    ("alder-chair", "Alder dining chair", "Chairs", 89, Chair("slats", "square", "oak"), ("wood", "dining")),
    ("ladder-chair", "Marsh ladder-back chair", "Chairs", 99,
     Chair("ladder", "tapered", "walnut", "melange:sand", height=1.02), ("wood",)),
    ("tern-chair", "Tern shell chair", "Chairs", 69, Chair("shell", "tube", "metal:black", top="paint:mustard")),
    ("sled-chair", "Sled padded chair", "Chairs", 129, Chair("pad", "sled", "metal:steel", "leather:brown")),
    ("bistro-chair", "Bistro cross-back chair", "Chairs", 94, Chair("cross", "tapered", "ash black", height=0.9)),
    ("spindle-chair", "Heron spindle chair", "Chairs", 109,
     Chair("spindles", "tapered", "paint:sage", height=0.95, count=6)),
    ("carver-chair", "Carver armchair", "Chairs", 149, Chair("panel", "square", "teak", "gray", arms=True)),
    ("swing-chair", "Swing cantilever chair", "Chairs", 119, Chair("panel", "cantilever", "metal:chrome", top="birch")),
    ("task-chair", "Task office chair", "Office chairs", 189, OfficeChair("anthracite", mesh_back=True)),
    ("chief-chair", "Chief office chair", "Office chairs", 329,
     OfficeChair("leather:brown", "metal:chrome", 0.72, 0.52, head_rest=True)),
    ("mini-desk-chair", "Junior office chair", "Office chairs", 99,
     OfficeChair("teal", "metal:white", 0.45, 0.42, arms=False)),
    ("bar-stool", "Pier bar stool", "Stools", 79, Stool("legs", "oak", "", 0.75, 0.34)),
    ("pedestal-stool", "Corso counter stool", "Stools", 119, Stool("pedestal", "metal:chrome", "leather:black", 0.68)),
    ("low-stool", "Button low stool", "Stools", 39, Stool("legs", "birch", "rib:mustard", 0.43, 0.38, legs=3)),
    ("cube-stool", "Frame stool", "Stools", 59, Stool("frame", "metal:black", "melange:gray", 0.46, 0.38, is_round=False)),
    ("park-bench", "Park bench", "Benches", 219, Bench("park", "metal:black", "teak", width=1.5, depth=0.5)),
    ("hall-bench", "Hall padded bench", "Benches", 159, Bench("padded", "walnut", seat="blue", width=1.1)),
    ("chest-bench", "Chest bench", "Benches", 199, Bench("storage", "paint:white", seat="sand", width=1.2)),
    ("wing-armchair", "Thistle wing armchair", "Armchairs", 449, Armchair("wing", "check:green", height=1.08)),
    ("tub-armchair", "Pebble tub armchair", "Armchairs", 349, Armchair("tub", "rib:blush", "birch", width=0.74)),
    ("lounge-armchair", "Drift lounge chair", "Armchairs", 399, Armchair("lounge", "leather:brown", "walnut")),
    ("bent-armchair", "Reed bent-wood armchair", "Armchairs", 199,
     Armchair("wood", "melange:light gray", "birch", width=0.68, height=0.96)),
    ("block-armchair", "Quarry armchair", "Armchairs", 379, Armchair("block", "navy", feet="block")),
    ("three-sofa", "Quarry three-seat sofa", "Sofas", 899, Sofa(3, "block", "navy", feet="block")),
    ("corner-sofa", "Estuary corner sofa", "Sofas", 1290,
     Sofa(3, "thin", "melange:light gray", "teal", chaise="left", width=2.5)),
    ("loveseat", "Ember two-seat sofa", "Sofas", 649, Sofa(2, "slope", "terracotta", "cream", width=1.5)),
    ("club-sofa", "Club leather sofa", "Sofas", 1450, Sofa(3, "round", "leather:brown", feet="block", width=2.2)),
    ("day-sofa", "Linen day sofa", "Sofas", 590, Sofa(2, "none", "cream", "sage", "oak", width=1.8, height=0.74)),
)  # fmt: skip

_TABLES = (
    ("farm-table", "Farm dining table", "Dining tables", 599, Table("rect", "square", "oak", "oak", 1.8, 0.9)),
    ("round-table", "Mill round table", "Dining tables", 449, Table("round", "pedestal", "paint:white", "oak", 1.1, 1.1)),
    ("oval-table", "Tarn oval table", "Dining tables", 749, Table("oval", "tapered", "walnut", "walnut", 2.0, 1.0)),
    ("trestle-table", "Fair trestle table", "Dining tables", 329, Table("rect", "trestle", "pine", "pine", 1.7, 0.75)),
    ("glass-table", "Floe glass table", "Dining tables", 529, Table("rect", "square", "metal:chrome", "glass", 1.6, 0.9)),
    ("hairpin-coffee", "Hairpin coffee table", "Coffee tables", 179, CoffeeTable("rect", "hairpin", "metal:black", "oak")),
    ("shelf-coffee", "Bay coffee table", "Coffee tables", 149,
     CoffeeTable("rect", "square", "walnut", "walnut", 1.1, 0.6, shelf=True)),
    ("nest-coffee", "Wren nest of tables", "Coffee tables", 199,
     CoffeeTable("round", "tapered", "oak", "paint:white", 0.8, 0.8, nested=True)),
    ("marble-coffee", "Marble coffee table", "Coffee tables", 349,
     CoffeeTable("round", "pedestal", "metal:brass", "stone:white", 0.75, 0.75, 0.4)),
    ("pedestal-desk", "Ledger desk", "Desks", 459, Desk("square", "both", "oak", "paint:white", width=1.5)),
    ("hutch-desk", "Scholar desk with shelves", "Desks", 389, Desk("square", "right", "pine", "pine", hutch=True)),
    ("slim-desk", "Slim desk", "Desks", 189, Desk("trestle", "", "oak", width=1.2, depth=0.55)),
)  # fmt: skip

_STORAGE = (
    ("tall-shelf", "Stack tall shelf", "Shelves", 149, Bookcase("panel", "oak", columns=1, rows=6, height=2.0)),
    ("wide-shelf", "Library shelf, filled", "Shelves", 249,
     Bookcase("panel", "paint:white", columns=3, rows=5, width=1.5, height=1.9, filled=0.8, seed=3)),
    ("ladder-shelf", "Ladder shelf", "Shelves", 89, Bookcase("ladder", "walnut", rows=4, width=0.6, height=1.7, depth=0.42)),
    ("wire-shelf", "Works metal shelf", "Shelves", 69, Bookcase("metal", "metal:steel", rows=4, width=0.9, height=1.6, depth=0.35)),
    ("open-shelf", "Loft open shelf", "Shelves", 219, Bookcase("open", "metal:black", "oak", rows=5, width=1.0, height=1.8)),
    ("cube-shelf", "Grid shelf", "Shelves", 129, Bookcase("panel", "birch", columns=4, rows=2, width=1.5, height=0.78, depth=0.38)),
    ("sideboard", "Harbor sideboard", "Cabinets", 499,
     Cabinet(("dwd",), (1.0,), "walnut", width=1.6, height=0.75, feet="tapered")),
    ("media-unit", "Signal media unit", "Cabinets", 279,
     Cabinet(("odo",), (1.0,), "oak", "paint:white", width=1.8, height=0.45, feet="hairpin")),
    ("high-cabinet", "Pantry cabinet", "Cabinets", 429,
     Cabinet(("dd", "ww", "dd"), (2.0, 0.7, 1.6), "paint:sage", handle="knob", width=0.9, height=1.7, feet="plinth")),
    ("nightstand", "Dusk nightstand", "Bedside tables", 99,
     Cabinet(("w", "o"), (1.0, 1.4), "oak", width=0.45, height=0.55, depth=0.4)),
    ("bed-chest", "Dawn bedside chest", "Bedside tables", 119,
     Cabinet(("w", "w", "w"), (1.0, 1.0, 1.0), "paint:white", handle="knob", width=0.46, height=0.6, feet="block")),
    ("chest-six", "Orchard chest of drawers", "Dressers", 389,
     Cabinet(("ww", "ww", "ww"), (1.0, 1.0, 1.0), "pine", handle="knob", width=1.3, height=0.85, depth=0.48, feet="plinth")),
    ("tall-boy", "Orchard tallboy", "Dressers", 329,
     Cabinet(("w", "w", "w", "w", "w"), (1.0, 1.0, 1.0, 1.0, 1.0), "pine", handle="knob", width=0.6, height=1.2, feet="plinth")),
    ("two-door-robe", "Haven wardrobe", "Wardrobes", 549,
     Cabinet(("dd",), (1.0,), "paint:white", handle="long", width=1.0, height=2.0, depth=0.58, feet="plinth")),
    ("drawer-robe", "Haven wardrobe with drawers", "Wardrobes", 649,
     Cabinet(("ddd", "ww"), (4.0, 1.0), "oak", handle="long", width=1.5, height=2.1, depth=0.6, feet="plinth")),
    ("slat-bed", "Fjord slatted bed", "Beds", 399, Bed("slats", "pine", "white", "sky", 1.4)),
    ("soft-bed", "Cloud upholstered bed", "Beds", 799, Bed("soft", "walnut", "light gray", "white", 1.8, head_height=1.15)),
    ("bar-bed", "Orient metal bed", "Beds", 299, Bed("bars", "metal:black", "white", "terracotta", 0.9, foot_board=True)),
    ("store-bed", "Chestnut storage bed", "Beds", 699, Bed("panel", "oak", "white", "green", 1.6, drawers=True)),
    ("bunk-bed", "Twin bunk bed", "Beds", 549, Bed("slats", "birch", "white", "yellow", 0.9, bunk=True)),
)  # fmt: skip

_LIGHT_AND_SMALL = (
    ("arc-lamp", "Orbit arc lamp", "Floor lamps", 239, FloorLamp("arc", "dome", "metal:chrome", "black", 1.9, 0.36)),
    ("tripod-lamp", "Surveyor tripod lamp", "Floor lamps", 169, FloorLamp("tripod", "drum", "oak", "cream", 1.5, 0.45)),
    ("reading-lamp", "Margin reading lamp", "Floor lamps", 99, FloorLamp("reading", "cone", "metal:brass", "black", 1.4, 0.2)),
    ("gourd-lamp", "Gourd table lamp", "Table lamps", 79, TableLamp("gourd", "empire", "ceramic:teal", "cream")),
    ("work-lamp", "Elbow desk lamp", "Table lamps", 69, TableLamp("desk", "cone", "metal:black", "paint:red", 0.5, 0.16)),
    ("mushroom-lamp", "Morel table lamp", "Table lamps", 89, TableLamp("mushroom", "dome", "ceramic:white", "sand", 0.38)),
    ("dome-pendant", "Foundry pendant", "Pendant lamps", 119, Pendant("dome", "paint:green", 0.42)),
    ("globe-pendant", "Moon pendant", "Pendant lamps", 99, Pendant("globe", "white", 0.35, 0.5)),
    ("plain-mug", "Everyday mug", "Mugs", 9, Mug("straight", "blue")),
    ("belly-mug", "Hearth mug", "Mugs", 14, Mug("belly", "cream", band="brown", speckled=True)),
    ("cup", "Cappuccino cup", "Mugs", 17, Mug("cup", "white", radius=0.05, height=0.06, saucer=True)),
    ("moon-vase", "Moon vase", "Vases", 39, Vase("moon", "ceramic:terracotta")),
    ("edge-vase", "Facet vase", "Vases", 35, Vase("cylinder", "ceramic:anthracite", 0.08, 0.3, sides=6)),
    ("fern-pot", "Fern in a pot", "Plants", 29, Plant("round", "ceramic:terracotta", "fern")),
    ("palm-pot", "Palm in a basket", "Plants", 79, Plant("basket", "ceramic:sand", "palm", 0.32, 0.3, 1.2)),
    ("arch-mirror", "Arch mirror", "Mirrors", 129, Mirror("arch", "metal:brass", 0.6, 1.2)),
    ("standing-mirror", "Standing mirror", "Mirrors", 179, Mirror("standing", "oak", 0.5, 1.6)),
    ("wall-clock", "Noon wall clock", "Decoration", 39, Clock("wall", "metal:black", "white")),
    ("carafe", "Spring carafe", "Kitchenware", 24, Bottle("carafe", "glass:sky", "white", "", 0.05, 0.26)),
)  # fmt: skip
