"""A photo's object held against views of onboarded models, read from their sheets."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ml.errors import ViewsCorrupt
from ml.geometry.crops import crop_photo
from ml.render.views import gray_sheet, sheet_tile
from ml.types import Box, FloatArray, Photo
from ml.verify.verifier import ViewVerifier, load_verifier

__all__ = ["ModelVerifier", "Wanted"]

log = logging.getLogger(__name__)

Wanted = tuple[Path, Sequence[int], int]
"""A model's directory, the views of it that are asked for, and how many it has."""


class ModelVerifier:
    """Made once a process, not shared between threads. Keeps the last models' sheets: 1 MB each of 108 views."""

    def __init__(self, kept: int = 64, network: ViewVerifier | None = None) -> None:
        self._kept = kept
        self._network = network or load_verifier()
        self._sheets: OrderedDict[Path, npt.NDArray[np.uint8]] = OrderedDict()

    def __call__(self, photo: Photo, box: Box, wanted: Sequence[Wanted]) -> list[FloatArray]:
        """For each model, log-odds of its views, (n,) float32, comparable within one box; none of a model whose views
        can't be read. Raises BadBox."""
        if not wanted:
            return []
        side = self._network.side
        self._read([directory for directory, _, _ in wanted])
        views = [self._views(*one) for one in wanted]
        together = np.concatenate([np.empty((0, side, side), np.uint8), *views])
        scores = self._network(crop_photo(photo, box, side), together)
        while len(self._sheets) > self._kept:
            self._sheets.popitem(last=False)
        return np.split(scores, np.cumsum([len(part) for part in views])[:-1])

    def _views(self, directory: Path, which: Sequence[int], count: int) -> npt.NDArray[np.uint8]:
        sheet, side = self._sheets.get(directory), self._network.side
        found = np.empty((0 if sheet is None else len(which), side, side), np.uint8)
        for view, k in zip(found, which, strict=False):
            assert sheet is not None
            view[:] = cv2.resize(sheet_tile(sheet, k, count), (side, side), interpolation=cv2.INTER_AREA)
        return found

    def _read(self, directories: Sequence[Path]) -> None:
        """Sheets that are not here yet, decoded by every core; those asked for now are dropped last."""
        missing = [directory for directory in dict.fromkeys(directories) if directory not in self._sheets]
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
            for directory, sheet in zip(missing, pool.map(_sheet, missing), strict=True):
                if sheet is not None:
                    self._sheets[directory] = sheet
        for directory in directories:
            if directory in self._sheets:
                self._sheets.move_to_end(directory)


def _sheet(directory: Path) -> npt.NDArray[np.uint8] | None:
    try:
        return gray_sheet(directory)
    except ViewsCorrupt as error:  # its product is ranked without a last look
        log.warning("no last look at %s: %s", directory, error)
        return None
