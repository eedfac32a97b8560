"""`python -m ml train`: our own network from rendered views and photos, in one command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from ml.embed.networks import LITE, ViewNet, ViewNetShape
from ml.embed.viewnet import networks_of
from ml.errors import ShapelensError
from ml.train import absent, finding, joining, kinds, verifying
from ml.train.absent import kept_photographs
from ml.train.joining import write_joined
from ml.train.loop import Data, Recipe, Step, Training
from ml.train.models import libraries_or_default, library_specs
from ml.train.pairs import ModelSpec, open_pairs, parametric_specs, render_pairs, stretched_specs
from ml.train.photos import PhotoSet, load_photos
from ml.train.plots import draw_history
from ml.train.pretrained import take_pretrained
from ml.train.scenes import load_colors
from ml.train.sightings import open_sightings, render_sightings
from ml.train.telling import progress_bar, told
from ml.weights import load_weights

__all__ = ["main"]

_IMAGENET = "imagenet"
_FROZEN = LITE.eighth[0]  # layers down to an eighth of the side, which take four fifths of a step to train
_TOLD_EVERY = 100  # steps between two lines of a log without a terminal


def main(argv: Sequence[str] | None = None) -> int:
    """0: trained to the end; 3: stopped after --minutes, run the same command again; 2: bad input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["finder"]:
        return finding.main(arguments[1:])
    if arguments[:1] == ["join"]:
        return joining.main(arguments[1:])
    if arguments[:1] == ["verifier"]:
        return verifying.main(arguments[1:])
    if arguments[:1] == ["absent"]:
        return absent.main(arguments[1:])
    if arguments[:1] == ["kinds"]:
        return kinds.main(arguments[1:])
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        _render(options)
        data = _data(options)
        stages: list[Training] = []
        is_done = True
        if options.start_from is None:
            stages.append(Training(_recipe(options), data, _folder(options, "first")))
            stages[0].resume()
            is_done = _run(stages[0], options.minutes, "first stage")
        if not stages or (is_done and data.furniture is not None):
            beginning = stages[0].averaged if stages else _beginning(options)
            recipe = _second_recipe(options) if stages else _onward_recipe(options)
            if beginning.shape.trunk == LITE.trunk:
                recipe = _pretrained_recipe(recipe, is_new=options.start_from == _IMAGENET)
            second = Training(recipe, data, _folder(options, "second"))
            if not second.resume():
                second.start_from(beginning)
            stages.append(second)
            is_done = _run(second, options.minutes, "second stage")
    except (ShapelensError, ValueError, FileNotFoundError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    history: list[Step] = []
    steps = 0
    for stage in stages:
        history += _moved(stage.history, steps)
        steps += stage.step
    draw_history(history, options.out / "loss.png")
    last = stages[-1]
    if not is_done:
        Console().print(f"stopped at step {last.step}; run the same command again to go on")
        return 3
    seconds = sum(stage.seconds for stage in stages)
    network = last.averaged
    if options.start_from not in {None, _IMAGENET} and options.keep > 0:
        network = last.between(beginning, options.keep)
    photographs = kept_photographs(options.backgrounds)
    facts = {"trainings": [{"steps": steps, "seed": last.recipe.seed}]}
    write_joined([network], data.pairs.plain, photographs, options.out / "viewnet.safetensors", facts)
    Console().print(f"{steps} steps in {seconds / 60:.0f} minutes: {options.out}/viewnet.safetensors")
    return 0


def _beginning(options: argparse.Namespace) -> ViewNet:
    """The network that --start-from names."""
    if options.start_from == _IMAGENET:
        torch.manual_seed(options.seed)
        network = ViewNet(LITE)
        take_pretrained(network)
        return network
    tensors, facts, _ = load_weights(options.start_from)
    members, number = networks_of(tensors, facts).nets, int(options.member)
    if not 0 <= number < len(members):
        raise ValueError(
            f"--member {number}: {options.start_from} has {len(members)} networks, counted from 0"
        )
    return members[number]


def _folder(options: argparse.Namespace, name: str) -> Path:
    folder: Path = options.out / name
    folder.mkdir(exist_ok=True)
    return folder


def _moved(history: Sequence[Step], steps: int) -> list[Step]:
    return [replace(step, number=step.number + steps) for step in history]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m ml train", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var/train"), help="checkpoints, pairs, weights")
    parser.add_argument("--libraries", type=Path, nargs="*", help="Sweet Home 3D .sh3f files")
    parser.add_argument("--furniture", type=Path, help="photos by category, names as in ml.train.photos")
    parser.add_argument("--caltech", type=Path, help="photos of many kinds of things, by category")
    parser.add_argument("--backgrounds", type=Path, required=True, help="photos of anything")
    parser.add_argument("--a-family", type=int, default=30, help="random models of each parametric family")
    parser.add_argument(
        "--render-seed", type=int, default=1, help="another one renders other views and parametric models"
    )
    parser.add_argument("--steps", type=int, default=12000, help="of the first stage, at most")
    parser.add_argument(
        "--limit-minutes", type=float, default=46.0, help="of the first stage's runs together"
    )
    parser.add_argument("--second-steps", type=int, default=12000, help="of the second, mostly on photos")
    parser.add_argument("--second-minutes", type=float, default=40.0, help="of the second's runs together")
    parser.add_argument(
        "--minutes", type=float, default=110.0, help="of this run's stage; run it again to go on"
    )
    parser.add_argument(
        "--start-from",
        metavar="NAME",
        help="go on from shipped weights (viewnet), or from what EfficientNet-Lite0 learned from photographs "
        f"({_IMAGENET}), with wrong answers of the same kind",
    )
    parser.add_argument(
        "--stretched", type=int, default=0, help="of every library's model, so many of other proportions"
    )
    parser.add_argument(
        "--interiors",
        type=int,
        default=0,
        help="rooms to furnish and ray-cast, as scenes of a continued training",
    )
    parser.add_argument("--member", type=int, default=0, help="which of their networks that is")
    parser.add_argument(
        "--keep", type=float, default=0.3, help="share of those weights in the mean with the trained ones"
    )
    parser.add_argument("--threads", type=int, help="of this training; by default one a core")
    parser.add_argument("--seed", type=int, default=7)
    return parser


def _recipe(options: argparse.Namespace) -> Recipe:
    return Recipe(
        shape=ViewNetShape(),
        steps=options.steps,
        limit_minutes=options.limit_minutes,
        seed=options.seed,
    )


def _second_recipe(options: argparse.Namespace) -> Recipe:
    """Fewer pairs and photos in every step, for what the first stage learns last: the categories of photos."""
    return Recipe(
        shape=ViewNetShape(),
        steps=options.second_steps,
        limit_minutes=options.second_minutes,
        pairs=64,
        photos=40,
        photo_period=1,
        kin_share=0.4,
        rate=1.2e-3,
        warmup=100,
        category_weight=1.0,
        absent=32,
        seed=options.seed + 1,
    )


def _onward_recipe(options: argparse.Namespace) -> Recipe:
    """For a network that knows its work: rooms among the scenes, and wrong answers of the same kind."""
    return Recipe(
        shape=ViewNetShape(),
        steps=options.second_steps,
        limit_minutes=options.second_minutes,
        kin_share=0.5,
        room_share=0.3 if options.interiors else 0.0,
        rate=1e-3,
        warmup=200,
        category_weight=0.5,
        absent=16,
        seed=options.seed + 1,
    )


def _pretrained_recipe(onward: Recipe, *, is_new: bool) -> Recipe:
    """For a trunk that knows photographs and has yet to learn that renders show the same. is_new: the layers after it
    know nothing."""
    rate = 2e-3 if is_new else onward.rate
    return replace(onward, shape=LITE, rate=rate, trunk_rate=0.25, frozen=_FROZEN, photo_period=1)


def _render(options: argparse.Namespace) -> None:
    """Pairs and rooms, once; later runs find them there."""
    folder = options.out / "pairs"
    is_rendered = (folder / "pairs.json").exists()
    if is_rendered and not options.interiors:
        return
    libraries = libraries_or_default(options.libraries)
    specs: list[ModelSpec] = []
    if libraries:
        specs, left_out = library_specs(libraries, options.out / "sources")
        (options.out / "held_out.tsv").write_text("\n".join(left_out) + "\n")
    stretched = stretched_specs(specs, options.stretched, options.render_seed)
    specs += parametric_specs(options.a_family, 10_000 * options.render_seed)
    with progress_bar() as bar:
        if not is_rendered:
            every = [*specs, *stretched]
            failures = render_pairs(every, folder, seed=options.render_seed, progress=told(bar))
            for name, reason in failures:
                Console().print(f"left out: {name}: {reason}")
        if options.interiors:
            colors = options.out / "colors.npy"
            load_colors(options.backgrounds, colors)
            render_sightings(
                specs,
                colors,
                options.out / "rooms",
                rooms=options.interiors,
                seed=options.render_seed,
                tell=told(bar),
            )


def _data(options: argparse.Namespace) -> Data:
    def photos(folder: Path | None, name: str, *, is_object: bool = True) -> PhotoSet | None:
        return load_photos(folder, options.out / f"{name}.npz", is_object=is_object) if folder else None

    backgrounds = photos(options.backgrounds, "backgrounds", is_object=False)
    furniture, caltech = photos(options.furniture, "furniture"), photos(options.caltech, "caltech")
    assert backgrounds is not None
    pixels = [backgrounds.pixels] + ([caltech.pixels[::3]] if caltech else [])
    return Data(
        open_pairs(options.out / "pairs"),
        furniture,
        caltech,
        torch.from_numpy(np.concatenate(pixels)),
        absent=len(backgrounds.pixels) // 2,
        sightings=open_sightings(options.out / "rooms") if options.interiors else None,
    )


def _run(training: Training, minutes: float, stage: str) -> bool:
    with progress_bar() as bar:
        task = bar.add_task(stage, total=training.recipe.steps, completed=training.step)

        def tell(step: Step) -> None:
            bar.update(
                task, completed=step.number, description=f"pairs {step.pairs:.2f} found {step.found:.0%}"
            )
            if not bar.console.is_terminal and step.number % _TOLD_EVERY == 0:
                bar.console.print(json.dumps(asdict(step)), soft_wrap=True)

        return training.run(minutes=minutes, save_every=5, tell=tell)
