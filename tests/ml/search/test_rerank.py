from __future__ import annotations

import numpy as np
import pytest

from ml.search.colors import COLOR_SCALE, NAMES
from ml.search.config import SearchConfig
from ml.search.generation import MASK_SIDE, pack_masks
from ml.search.rerank import (
    Looks,
    Stored,
    blend,
    cell_masks,
    cell_scores,
    outline_scores,
    quantize_cells,
    reranked,
)


def unit_cells(rng, *shape):
    cells = rng.standard_normal(shape)
    return (cells / np.linalg.norm(cells, axis=-3, keepdims=True)).astype(np.float32)


def test_the_same_cells_score_one_and_others_less():
    rng = np.random.default_rng(0)
    stored = unit_cells(rng, 5, 32, 6, 6)
    scores = cell_scores(stored[3], quantize_cells(stored), np.ones((5, 6, 6)))
    assert scores[3] == pytest.approx(1.0, abs=0.02)
    assert (np.delete(scores, 3) < 0.3).all()


@pytest.mark.parametrize(("down", "right"), [(1, 0), (-1, 0), (0, 1), (1, -1)])
def test_a_shift_by_one_cell_is_found(down, right):
    rng = np.random.default_rng(1)
    stored = unit_cells(rng, 1, 32, 6, 6)
    mask = np.zeros((1, 6, 6), np.float32)
    mask[:, 1:5, 1:5] = 1
    photo = np.roll(stored[0], (down, right), axis=(1, 2))
    assert cell_scores(photo, quantize_cells(stored), mask, shift=1)[0] == pytest.approx(1.0, abs=0.02)
    assert cell_scores(photo, quantize_cells(stored), mask, shift=0)[0] < 0.4


def test_only_the_objects_cells_count():
    rng = np.random.default_rng(2)
    stored = unit_cells(rng, 1, 16, 4, 4)
    photo = unit_cells(rng, 16, 4, 4)
    photo[:, 1:3, 1:3] = stored[0, :, 1:3, 1:3]
    mask = np.zeros((1, 4, 4), np.float32)
    mask[:, 1:3, 1:3] = 1
    assert cell_scores(photo, quantize_cells(stored), mask)[0] == pytest.approx(1.0, abs=0.02)


def test_masks_survive_packing_and_pool_to_the_cells():
    masks = np.zeros((2, 96, 96), bool)
    masks[0, :48] = True
    masks[1, 24:72, 24:72] = True
    pooled = cell_masks(pack_masks(masks), 4, 4)
    assert pooled[0].tolist() == [[1] * 4, [1] * 4, [0] * 4, [0] * 4]
    assert pooled[1].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_blending_reorders_the_shortlist_and_lifts_nothing_else_over_it():
    scores = np.array([0.9, 0.8, 0.7, 0.1], np.float32)
    mixed = blend(scores, np.array([0, 1]), np.array([0.2, 0.8], np.float32), 0.5)
    assert mixed == pytest.approx([0.55, 0.8, 0.45, 0.15])
    assert blend(scores, np.array([], np.int64), np.array([], np.float32), 0.5) is scores


def packed(*slices):
    masks = np.zeros((len(slices), MASK_SIDE, MASK_SIDE), bool)
    for mask, part in zip(masks, slices, strict=True):
        mask[part] = True
    return pack_masks(masks)


def test_an_outline_that_is_covered_scores_one_and_what_is_hidden_costs_less_than_what_is_missing():
    share = np.zeros((MASK_SIDE, MASK_SIDE), np.float32)
    share[8:24] = 1
    same, larger, smaller, none = outline_scores(
        share, packed(slice(8, 24), slice(0, 32), slice(8, 16), slice(0, 8))
    )
    assert same == 1
    assert larger == pytest.approx(16 / (16 + 0.25 * 16))
    assert smaller == pytest.approx(8 / 16)
    assert none == 0


def test_nothing_told_of_the_photo_is_no_error():
    assert outline_scores(np.zeros((MASK_SIDE, MASK_SIDE)), packed(slice(0, 8))).tolist() == [0]


def test_colors_decide_where_they_tell_and_outlines_where_they_do_not():
    scores = np.array([0.5, 0.4, 0.3], np.float32)
    share = np.zeros((MASK_SIDE, MASK_SIDE), np.float32)
    share[:16] = 1
    masks = packed(slice(16, 32), slice(0, 16))
    red, blue = np.eye(len(NAMES), dtype=np.float32)[[NAMES.index("red"), NAMES.index("blue")]]
    colored = Stored(None, masks, np.stack([red, blue]).astype(np.uint8) * COLOR_SCALE)

    def found(looks, stored=colored, *, is_colored=True):
        config = SearchConfig(outline_weight=0.5, color_weight=0.5)
        return reranked(scores, np.array([0, 1]), looks, stored, config, is_colored=is_colored)

    assert found(Looks(None, share, red)) == pytest.approx([0.75, 0.2, 0.15])
    assert found(Looks(None, share, blue)) == pytest.approx([0.25, 0.7, 0.15])
    assert found(Looks(None, share, red), is_colored=False) == pytest.approx([0.25, 0.7, 0.15])
    assert found(Looks(None)) is scores  # nothing is known of the photo's object
    assert found(Looks(None, share, red), Stored(None, masks)) is scores  # built before colors were kept
