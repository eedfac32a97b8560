"""A photo's object held against views of onboarded models, read from their sheets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ml.geometry.crops import crop_photo
from ml.render.views import gray_sheet, sheet_tile
from ml.types import Box, FloatArray, Photo
from ml.verify.verifying import ViewVerifier, load_verifier

__all__ = ["ModelVerifier"]

Wanted = tuple[Path, Sequence[int], int]
"""A model's directory, the views of it that are asked for, and how many it has."""


class ModelVerifier:
    """Made once a process, not shared between threads. Keeps the last models' sheets: 1 MB each of 108 views."""

    def __init__(self, kept: int = 64, network: ViewVerifier | None = None) -> None:
        self._kept = kept
        self._network = network or load_verifier()
        self._sheets: OrderedDict[Path, npt.NDArray[np.uint8]] = OrderedDict()

    def __call__(self, photo: Photo, box: Box, wanted: Sequence[Wanted]) -> list[FloatArray]:
        """For each model, log-odds of its views, (n,) float32; comparable within one box. Raises BadBox, ViewsCorrupt."""
        side = self._network.side
        self._read([directory for directory, _, _ in wanted])
        views = [
            cv2.resize(
                sheet_tile(self._sheets[directory], k, count), (side, side), interpolation=cv2.INTER_AREA
            )
            for directory, which, count in wanted
            for k in which
        ]
        if not views:
            return [np.empty(0, np.float32) for _ in wanted]
        scores = self._network(crop_photo(photo, box, side), np.stack(views).astype(np.uint8))
        while len(self._sheets) > self._kept:
            self._sheets.popitem(last=False)
        return np.split(scores, np.cumsum([len(which) for _, which, _ in wanted])[:-1])

    def _read(self, directories: Sequence[Path]) -> None:
        """Sheets that are not here yet, decoded by every core; those asked for now are dropped last."""
        missing = [directory for directory in dict.fromkeys(directories) if directory not in self._sheets]
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
            self._sheets.update(zip(missing, pool.map(gray_sheet, missing), strict=True))
        for directory in directories:
            self._sheets.move_to_end(directory)
