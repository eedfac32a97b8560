"""What photo and product are both told by."""

from __future__ import annotations

import numpy as np
import pytest
from torchvision.models import EfficientNet_B0_Weights

from ml.kinds.vocabulary import KINDS, OTHER, class_kinds, kinds_of_name

PLACES = {kind.name: place for place, kind in enumerate(KINDS)}


def told(name: str) -> set[str]:
    return {KINDS[place].name if place < OTHER else "other" for place in np.flatnonzero(kinds_of_name(name))}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("Winchester armchair", {"chair", "sofa"}),
        ("Bedside table", {"table", "cabinet"}),
        ("Table lamp 7", {"lamp"}),
        ("Pool table", {"billiard table"}),
        ("Coffee table", {"table"}),
        ("Coffee machine", {"coffee maker"}),
        ("Television cabinet", {"cabinet"}),
        ("Upper shelves cabinet", {"cabinet"}),
        ("office chair 12", {"chair"}),
        ("Wheelchair", {"other"}),
        ("Xylophone", {"other"}),
        ("Tisch", {"other"}),
    ],
)
def test_a_name_tells_its_kinds_alike(name: str, kinds: set[str]) -> None:
    assert told(name) == kinds
    found = kinds_of_name(name)
    assert found.sum() == pytest.approx(1)
    assert found[found > 0].tolist() == pytest.approx([1 / len(kinds)] * len(kinds))


def test_every_class_is_of_some_kind() -> None:
    table = class_kinds()
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-6)
    assert table[831, PLACES["sofa"]] == 1  # studio couch
    assert table[0, OTHER] == 1  # tench
    assert (table.sum(axis=0) > 0).all(), "a kind that no class shows would never be told of a photo"


def test_classes_are_those_that_their_names_say() -> None:
    """Against torchvision's list of ImageNet's names, in the same order."""
    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    table = class_kinds()
    for words, kind in {
        "bookcase": "bookcase", "desk": "desk", "dining table": "table", "rocking chair": "chair",
        "four-poster": "bed", "studio couch": "sofa", "wardrobe": "cabinet", "table lamp": "lamp",
        "refrigerator": "refrigerator", "washbasin": "washbasin", "toilet seat": "toilet", "vase": "vase",
        "grand piano": "piano", "wall clock": "clock", "park bench": "bench", "television": "television",
    }.items():  # fmt: skip
        assert table[names.index(words), PLACES[kind]] == 1, words
