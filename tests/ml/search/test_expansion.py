from __future__ import annotations

import numpy as np
import pytest

from ml.search.expansion import expanded


def test_views_are_added_by_their_cosine_and_none_against_it():
    query = np.array([1, 0, 0, 0], np.float32)
    views = np.array([[0.6, 0.8, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 0]], np.float32)
    by_hand = np.array([1 + 0.6 * 0.6, 0.6 * 0.8, 0, 0])
    assert expanded(query, views) == pytest.approx(by_hand / np.linalg.norm(by_hand), abs=1e-6)
    assert expanded(query, views).dtype == np.float32
