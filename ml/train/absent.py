"""Photographs of anything but what catalogs have, as the trained networks see them; they ship with its weights.

`python -m ml train absent` describes them anew by weights that are there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from ml.embed.networks import ViewNets
from ml.embed.viewnet import ViewNetEmbedder, networks_of
from ml.errors import ShapelensError
from ml.geometry.boxes import stretched, with_neighbors
from ml.geometry.crops import crop_photo
from ml.search.backgrounds import photo_crops, read_pixels
from ml.search.config import SearchConfig
from ml.train.photos import photo_paths
from ml.types import Box, Photo
from ml.weights import read_weights, save_weights

__all__ = ["kept_photographs", "main", "seen_elsewhere", "shown_elsewhere"]

PATCHES_A_PHOTO = 8
_SEED = 9
_MIDDLE = 0.7  # of the sides: each photograph once whole, once its middle


def main(argv: Sequence[str] | None = None) -> int:
    """0; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m ml train absent", description=__doc__)
    parser.add_argument("weights", type=Path, help="viewnet.safetensors, as python -m ml train writes it")
    parser.add_argument("--backgrounds", type=Path, required=True, help="photos of anything, as in training")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args(argv)
    try:
        tensors, facts, _ = read_weights(options.weights, "give a file that python -m ml train has written")
        photos = kept_photographs(options.backgrounds)
        seen = seen_elsewhere(networks_of(tensors, facts), photos)
        save_weights(options.out, tensors | seen, facts)
    except (ShapelensError, FileNotFoundError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    Console().print(f"{len(photos)} photographs: {options.out}")
    return 0


def kept_photographs(folder: Path) -> list[Path]:
    """The half of the folder's photos that are no wrong answers in training. Raises BadSource."""
    paths = photo_paths(folder)
    return paths[len(paths) // 2 :]


def seen_elsewhere(networks: ViewNets, photos: Sequence[Path]) -> dict[str, Tensor]:
    """What `ml.protocols.KnowsAbsent` asks for, float32: absent (2 n, compact), the n photographs and their middles, each
    as a search describes a box; patches (PATCHES_A_PHOTO n, compact), as calibration describes them."""
    embedder = ViewNetEmbedder(networks, fingerprint="")
    side = embedder.info.input_size
    patches = list(photo_crops(photos, PATCHES_A_PHOTO, side, seed=_SEED))
    around = SearchConfig().around
    boxes = [
        embedder.embed([crop_photo(photo, one, side) for one in with_neighbors(box, around)]).vectors.mean(
            axis=0
        )
        for photo, box in shown_elsewhere(photos)
    ]
    absent = functional.normalize(torch.from_numpy(np.stack(boxes)), dim=1)
    return {"absent": absent, "patches": torch.from_numpy(embedder.embed(patches).vectors)}


def shown_elsewhere(photos: Sequence[Path]) -> Iterator[tuple[Photo, Box]]:
    """Of each photograph that can be read itself and its middle."""
    for path in photos:
        pixels = read_pixels(path)
        if pixels is not None:
            photo = Photo(pixels)
            yield photo, photo.full_box
            yield photo, stretched(photo.full_box, _MIDDLE, _MIDDLE)
