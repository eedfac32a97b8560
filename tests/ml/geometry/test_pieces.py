from __future__ import annotations

import numpy as np

from ml.geometry.pieces import large_pieces


def test_specks_go_and_large_pieces_stay() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:25, 5:25] = True
    mask[30:36, 30:40] = True  # 60 of 400 pixels
    expected = mask.copy()
    mask[2, 50] = mask[38:40, 55:58] = True
    np.testing.assert_array_equal(large_pieces(mask), expected)


def test_a_corner_joins_and_nothing_stays_nothing() -> None:
    mask = np.zeros((30, 30), bool)
    np.testing.assert_array_equal(large_pieces(mask), mask)
    mask[:20, :20] = mask[20, 20] = True
    np.testing.assert_array_equal(large_pieces(mask), mask)
