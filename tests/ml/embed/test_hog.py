from __future__ import annotations

import numpy as np
import pytest

from ml.embed.hog import HogEmbedder
from ml.types import Crop


def crop_of(pixels):
    """(128, 128) or (128, 128, 3) in [0, 1] -> Crop."""
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return Crop(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32), np.eye(3), 1.0)


@pytest.fixture(scope="module")
def hog():
    return HogEmbedder()


def stripes(angle, period=16.0):
    y, x = np.mgrid[0:128, 0:128]
    return 0.5 + 0.4 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)


def test_rows_have_length_one_and_the_stated_width(hog):
    rng = np.random.default_rng(0)
    features = hog.embed([crop_of(rng.random((128, 128, 3))) for _ in range(40)])
    assert features.vectors.shape == (40, hog.info.dim)
    assert features.vectors.dtype == np.float32
    assert np.linalg.norm(features.vectors, axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert features.cells is None
    assert hog.info.cells is None


def test_no_crop_gives_no_row(hog):
    assert hog.embed([]).vectors.shape == (0, hog.info.dim)


def test_a_plain_crop_still_has_length_one(hog):
    vectors = hog.embed([crop_of(np.full((128, 128), 0.5)), crop_of(np.zeros((128, 128)))]).vectors
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize("bin_", range(9))
def test_a_gradients_orientation_falls_into_its_bin(hog, bin_):
    # bins are centered at multiples of 20 degrees, modulo 180
    vector = hog.embed([crop_of(stripes(np.pi * bin_ / 9))]).vectors[0]
    assert vector.reshape(9, 64).sum(axis=1).argmax() == bin_


def test_only_gray_counts_and_contrast_hardly_does(hog):
    rng = np.random.default_rng(1)
    import cv2

    scene = cv2.GaussianBlur(rng.random((128, 128)), (0, 0), 4)
    scene = (scene - scene.min()) / np.ptp(scene)
    full, faint = hog.embed([crop_of(scene), crop_of(0.3 + 0.4 * scene)]).vectors
    other = hog.embed([crop_of(scene[::-1])]).vectors[0]
    assert full @ faint > 0.95
    assert full @ other < 0.9


def test_the_batch_does_not_matter(hog):
    rng = np.random.default_rng(2)
    crops = [crop_of(rng.random((128, 128))) for _ in range(35)]
    together = hog.embed(crops).vectors
    alone = np.concatenate([hog.embed([crop]).vectors for crop in crops])
    assert together == pytest.approx(alone, abs=1e-5)


def test_a_crop_of_another_size_is_refused(hog):
    with pytest.raises(ValueError, match="128"):
        hog.embed([Crop(np.zeros((3, 64, 64), np.float32), np.eye(3), 1.0)])
