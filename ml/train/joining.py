"""Networks that were trained apart, joined into the one file a search reads: `python -m ml train join`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from ml.embed.networks import ViewNet, ViewNets
from ml.embed.viewnet import networks_of
from ml.errors import BadSource, ShapelensError
from ml.train.absent import kept_photographs, seen_elsewhere
from ml.train.pairs import open_pairs
from ml.train.whitening import whiten
from ml.weights import read_weights, save_weights

__all__ = ["main", "members_of", "write_joined"]


def main(argv: Sequence[str] | None = None) -> int:
    """0; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m ml train join", description=__doc__)
    parser.add_argument(
        "weights",
        nargs="+",
        help="viewnet.safetensors of the trainings, in order; FILE#0 is a file's first network",
    )
    parser.add_argument("--trained", type=Path, required=True, help="--out of python -m ml train: its pairs")
    parser.add_argument("--backgrounds", type=Path, required=True, help="photos of anything, as in training")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args(argv)
    try:
        nets, facts = members_of(options.weights)
        plain = open_pairs(options.trained / "pairs").plain
        write_joined(nets, plain, kept_photographs(options.backgrounds), options.out, facts)
    except (ShapelensError, FileNotFoundError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    Console().print(f"{len(nets)} networks: {options.out}")
    return 0


def members_of(files: Sequence[str]) -> tuple[list[ViewNet], dict[str, Any]]:
    """All networks of the files, or with FILE#NUMBER one of them, and what is known of their trainings.

    Raises WeightsMissing, BadSource for networks of different shapes and for a number a file does not have.
    """
    nets: list[ViewNet] = []
    trainings: list[dict[str, Any]] = []
    for text in files:
        name, _, number = text.partition("#")
        tensors, facts, _ = read_weights(Path(name), "give files that python -m ml train has written")
        found = networks_of(tensors, facts).nets
        if number and number not in map(str, range(len(found))):
            raise BadSource(f"{text}: the file has {len(found)} networks, counted from 0")
        taken = slice(int(number), int(number) + 1) if number else slice(None)
        nets += found[taken]
        trainings += facts["trainings"][taken]
    if len({(net.shape.side, net.shape.rows, net.shape.dim) for net in nets}) > 1:
        raise BadSource(
            "the networks' crops, cells or vectors have different sizes; join those of the same ones"
        )
    return nets, {"trainings": trainings}


def write_joined(
    members: Sequence[ViewNet],
    plain: npt.NDArray[np.uint8],
    photos: Sequence[Path],
    path: Path,
    facts: dict[str, Any],
) -> None:
    """Whiten the networks by plain renders (n, side, side), see photographs of anything but products by them, and write
    all that a search needs. facts: {"trainings": one a member}."""
    joined = ViewNets(members)
    whiten(joined, plain)
    shapes = {"shapes": [asdict(member.shape) for member in members], "joined": asdict(joined.shape)}
    save_weights(path, joined.state_dict() | seen_elsewhere(joined, photos), shapes | facts)
