"""`python -m ml adapt`: phi for a gallery, from composites of its own models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ml import registry
from ml.errors import ShapelensError
from ml.evaluation.cli import Bars

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 with what it brought, 1 with a sentence where it can't be done."""
    parser = argparse.ArgumentParser("python -m ml adapt", description=__doc__)
    add = parser.add_argument
    add("--gallery", type=Path, action="append", required=True, help="folder of meshes or .sh3f; repeatable")
    add("--out", type=Path, required=True, help="file for python -m ml evaluate --adapter linear:FILE")
    add("--embedder", default=registry.DEFAULT_EMBEDDER, metavar="NAME[:LAYER]")
    add(
        "--variant",
        choices=("auto", "affine", "relu"),
        default="auto",
        help="auto: relu for what is behind one",
    )
    add("--backgrounds", type=Path, help="folder of photos to put the models on; by default they are drawn")
    add("--exclude-category", action="append", default=[], metavar="C")
    add("--models", type=int, default=400, help="at most")
    add("--cache", type=Path, required=True, help="of python -m ml evaluate: models rendered once")
    add("--workers", type=int, default=2)
    add("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    try:
        return _run(arguments)
    except (ShapelensError, FileNotFoundError, ValueError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]", highlight=False)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    from ml.pipelines.adapting import adapt_models
    from ml.pipelines.galleries import onboard_sources

    bars = Bars(Console(stderr=True))
    with bars.progress:
        onboarded = onboard_sources(
            arguments.gallery,
            arguments.cache,
            exclude_categories=arguments.exclude_category,
            workers=arguments.workers,
            progress=bars,
        )
        report = adapt_models(
            onboarded.directories,
            arguments.out,
            embedder_name=arguments.embedder,
            is_rectified=None if arguments.variant == "auto" else arguments.variant == "relu",
            backgrounds=arguments.backgrounds,
            most=arguments.models,
            seed=arguments.seed,
            progress=bars,
        )
    Console().print(str(report), highlight=False)
    return 0
