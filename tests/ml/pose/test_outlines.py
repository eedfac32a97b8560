from __future__ import annotations

import cv2
import numpy as np

from ml.pose.outlines import outlined


def filled(rings: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Pixels whose middles the rings enclose by the even-odd rule, drawn at eight times the size."""
    large = np.zeros((8 * height, 8 * width), np.uint8)
    cv2.fillPoly(large, [np.rint(8 * ring).astype(np.int32) for ring in rings], 1)
    return large[4::8, 4::8].astype(bool)


def test_rings_enclose_the_pixels_and_not_the_holes() -> None:
    mask = np.zeros((120, 160), np.uint8)
    cv2.ellipse(mask, (70, 60), (50, 35), 20, 0, 360, 1, -1)
    cv2.circle(mask, (70, 60), 15, 0, -1)
    cv2.rectangle(mask, (130, 20), (150, 90), 1, -1)
    truth = mask.astype(bool)
    rings = outlined(truth)
    again = filled(rings, *mask.shape)
    assert len(rings) == 3
    assert (again & truth).sum() / (again | truth).sum() > 0.97
    assert not again[60, 70]
    assert sum(len(ring) for ring in rings) < 120


def test_a_rectangle_keeps_its_edges_up_to_the_border() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:40, :30] = True
    (ring,) = outlined(mask)
    np.testing.assert_allclose((ring.min(axis=0), ring.max(axis=0)), ((0, 10), (30, 40)), atol=0.26)


def test_grain_is_left_out_and_nothing_has_no_ring() -> None:
    mask = np.zeros((100, 100), bool)
    assert outlined(mask) == []
    mask[10:90, 10:90] = True
    mask[2, 2] = True
    assert len(outlined(mask)) == 1
