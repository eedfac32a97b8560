"""The kinds of things a photo and a product are both told by: a bed, a sofa, a lamp.

Of a photo ImageNet's classes say it, of a product in training its name. They are what both know, no list of what a
catalog may hold: what is none of them counts as OTHER, and a product of a kind that is not here is ranked by its looks
alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ml.embed.efficient import CLASSES

__all__ = ["KINDS", "OTHER", "Kind", "class_kinds", "kinds_of_name"]


@dataclass(frozen=True, slots=True)
class Kind:
    """classes: of ImageNet's thousand (ILSVRC 2012, in the order of their WordNet ids), those that show such a thing.
    names: what a product's name must hold, lower case; excluding: what it must not."""

    name: str
    classes: tuple[int, ...]
    names: str
    excluding: str = r"(?!)"


KINDS = (
    # ---- furniture
    Kind("bed", (431, 516, 520, 564, 750), r"\bbeds?\b|crib|futon|cradle|mattress", r"bedside"),
    Kind("chair", (423, 559, 765, 857), r"chair|stool|\bseat\b", r"wheelchair|seat leon"),
    Kind("sofa", (831,), r"sofa|couch|armchair|loveseat"),
    Kind("table", (532,), r"table\b", r"pool|tennis|football|billiard|changing|lamp|fan"),
    Kind("desk", (526,), r"\bdesk\b|dressing table", r"lamp"),
    Kind("bookcase", (453, 454, 624), r"bookcase|bookshel|shel(f|ves)\b", r"cabinet"),
    Kind(
        "cabinet",
        (493, 495, 548, 553, 648, 894),
        r"cabinet|cupboard|wardrobe|dresser|drawers|locker|sideboard|bedside|tv stand|buffet",
    ),
    Kind("bench", (703,), r"\bbench\b", r"workbench|abdominal|piano"),
    Kind(
        "chest",
        (478, 492, 519),
        r"\bchest\b|\bbox\b|crate|carton|container",
        r"freezer|drawers|letter|bread|flower",
    ),
    Kind("billiard table", (736,), r"pool table|billiard"),
    Kind("lamp", (619, 818, 846), r"lamp|lantern|\blight\b|chandelier", r"traffic"),
    Kind("curtain", (794, 854, 905), r"curtain|blind"),
    Kind("door", (799,), r"\bdoor\b", r"cabinet|shower|handle"),
    Kind("window", (789, 904), r"window"),
    Kind("fireplace", (556,), r"fireplace|chimney"),
    Kind("radiator", (753, 811), r"radiator|heater", r"water heater"),
    # ---- kitchen and bath
    Kind("refrigerator", (760,), r"refrigerator|fridge|freezer"),
    Kind("stove", (827,), r"stove|oven|cooker|cooktop"),
    Kind("microwave", (651,), r"microwave"),
    Kind("washer", (534, 897), r"washing machine|washer|dryer"),
    Kind("toaster", (859, 891), r"toaster|sandwich maker"),
    Kind("coffee maker", (505, 550), r"coffee (machine|brewer|press)|espresso|percolator"),
    Kind("washbasin", (896,), r"washbasin|\bsink\b|lavatory|vanity|\bbasin\b"),
    Kind("bathtub", (435, 876), r"\bbath\b|bathtub|jacuzzi"),
    Kind("toilet", (861,), r"toilets?\b|bidet|urinal|potty", r"brush|paper"),
    Kind("cup", (504, 967, 968), r"\bcup\b|\bmug\b|creamer", r"cake"),
    Kind("glass", (441, 572), r"\bglass\b|goblet", r"door|cabinet|table|window"),
    Kind("bottle", (440, 720, 737, 898, 907), r"bottle|flacon|perfume"),
    Kind("teapot", (725, 849, 899), r"teapot|kettle|pitcher|\bjug\b|\bjar\b", r"espresso"),
    Kind("bowl", (659, 809), r"\bbowl\b"),
    Kind("plate", (868, 923), r"\bplate\b|\btray\b", r"letter"),
    Kind("pan", (521, 544, 567, 909), r"\bpan\b|saucepan|\bwok\b|casserole"),
    Kind(
        "cutlery", (499, 618, 813, 910), r"\bknife\b|\bfork\b|\bspoon\b|kitchen tools|utensil", r"lift|stand"
    ),
    Kind("bin", (412, 463), r"dustbin|\bbin\b|bucket|trash"),
    Kind("basket", (588, 790), r"basket", r"ball|net"),
    # ---- electronics
    Kind(
        "television",
        (664, 782, 851),
        r"\btv\b|television|\bscreen\b|monitor",
        r"cabinet|stand|remote|intercom",
    ),
    Kind("computer", (527,), r"computer|imac|workstation"),
    Kind("laptop", (620, 681), r"laptop|ibook|notebook"),
    Kind("telephone", (487, 528, 590, 707), r"phone", r"headphone|xylophone|speech"),
    Kind("remote control", (761,), r"remote"),
    Kind("loudspeaker", (482, 485, 632, 754, 848), r"speaker|radio|stereo|amplifier|hi-?fi"),
    Kind("camera", (732, 759), r"camera", r"surveillance"),
    Kind("printer", (713, 742), r"printer|copier"),
    Kind("fan", (545,), r"\bfan\b"),
    Kind("clock", (409, 530, 531, 704, 826, 892), r"\bclock\b|watch"),
    # ---- what else a house has
    Kind(
        "plant",
        (738, 985, 986),
        r"plant\b|ficus|yucca|cactus|bonsai|palm|flowers|tulips|orchid|\blily\b|bamboo|spathi",
    ),
    Kind("vase", (883,), r"\bvase\b|pottery|\burn\b"),
    Kind("piano", (579, 881), r"piano", r"bench"),
    Kind("guitar", (402, 546), r"guitar"),
    Kind("ball", (430, 522, 574, 722, 768, 805, 852, 890), r"\bball\b|basketball\b", r"net"),
    Kind("bag", (414, 636, 728, 748), r"backpack|handbag|suitcase|briefcase|\bbag\b", r"sleeping"),
    Kind("shoe", (502, 514, 630, 770, 774), r"shoes?\b|sneakers|bootie|slippers|moc?cas"),
    Kind("hat", (433, 515, 808), r"\bhat\b|\bcap\b"),
    Kind("umbrella", (879,), r"umbrella"),
    Kind("glasses", (836, 837), r"glasses$"),
    Kind("tool", (499, 587, 740, 784, 792), r"hammer|screwdriver|drill|shovel|pliers|\bsaw\b"),
    Kind("book", (917, 921), r"\bbook\b"),
    Kind("teddy bear", (850,), r"teddy|\bdoll\b", r"house"),
    Kind("bicycle", (444, 671), r"bicycle|\bbike\b"),
    Kind("motorcycle", (665, 670), r"motorbike|motorcycle|scooter|yamaha"),
    Kind(
        "car",
        (436, 468, 511, 609, 627, 656, 661, 751, 817),
        r"\bcar\b|\bsuv\b|\bford\b|renault|peugeot|chevrolet|seat leon",
    ),
    Kind("truck", (555, 569, 654, 675, 717, 734, 779, 864, 867, 874), r"\btruck\b|\bbus\b|\bvan\b"),
)
"""In this order everywhere; behind them OTHER."""
OTHER = len(KINDS)


@cache  # asked for every photo
def class_kinds() -> npt.NDArray[np.float32]:
    """(CLASSES, OTHER + 1): which kind each of ImageNet's classes is; a class of two kinds counts half for each."""
    table = np.zeros((CLASSES, OTHER + 1), np.float32)
    for place, kind in enumerate(KINDS):
        table[list(kind.classes), place] = 1
    table[table.sum(axis=1) == 0, OTHER] = 1
    table /= table.sum(axis=1, keepdims=True)
    table.flags.writeable = False
    return table


def kinds_of_name(name: str) -> npt.NDArray[np.float32]:
    """(OTHER + 1,), summing up to 1: the kinds that a product's name tells, alike; OTHER where it tells none."""
    lower = name.lower()
    found = np.array(
        [bool(re.search(kind.names, lower) and not re.search(kind.excluding, lower)) for kind in KINDS]
        + [False],
        np.float32,
    )
    if not found.any():
        found[OTHER] = 1
    return np.asarray(found / found.sum())
