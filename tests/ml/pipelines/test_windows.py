"""Many boxes of one photo, embedded on all cores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ml import registry
from ml.errors import BadBox
from ml.geometry.crops import crop_photo
from ml.pipelines import windows
from ml.pipelines.windows import embed_boxes
from ml.types import Box, Photo


@pytest.fixture
def photo() -> Photo:
    return Photo(np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8))


@pytest.mark.parametrize("count", [0, 1, 23])
@pytest.mark.parametrize("threads", [1, 2])
def test_each_box_as_it_is_embedded_alone_in_its_order(
    photo: Photo, count: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "BATCH", 5)
    embedder = registry.embedder("viewnet")
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 60, (count, 2))
    boxes = [Box(*corner, *(corner + rng.uniform(20, 60, 2))) for corner in corners]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        vectors = embed_boxes(photo, boxes, embedder)
        assert torch.get_num_threads() == threads, "the process computes on as many as before"
    finally:
        torch.set_num_threads(before)
    assert vectors.shape == (count, embedder.info.dim)
    for vector, box in zip(vectors, boxes, strict=True):
        [alone] = embedder.embed([crop_photo(photo, box, embedder.info.input_size)]).vectors
        assert vector @ alone > 0.999


def test_a_box_outside_the_photo_says_so_and_the_threads_are_given_back(
    photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "BATCH", 2)
    before = torch.get_num_threads()
    boxes = [Box(0, 0, 50, 50)] * 5 + [Box(500, 500, 600, 600)]
    with pytest.raises(BadBox):
        embed_boxes(photo, boxes, registry.embedder("viewnet"))
    assert torch.get_num_threads() == before
