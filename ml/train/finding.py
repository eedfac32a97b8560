"""Training of what finds objects in a photo and of what cuts one out: `python -m ml train finder`."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from ml.detect.networks import ObjectNet, ObjectNetShape, decoded, load_network
from ml.embed.devices import computes_in_bfloat16
from ml.errors import ShapelensError
from ml.train.checkpoints import read_checkpoint, write_checkpoint
from ml.train.interiors import Interiors, open_interiors, render_interiors
from ml.train.models import libraries_or_default, library_specs
from ml.train.pairs import open_pairs, parametric_specs
from ml.train.scenes import Scene, SceneComposer, load_colors, load_cutouts
from ml.train.telling import progress_bar, told
from ml.weights import save_weights

__all__ = ["finder_loss", "main", "mask_loss", "targets"]

FINDER_SIDE, MASK_SIDE = 160, 128  # pixels of the pictures they are trained on
_CORE = 0.3  # of a box's sides: cells in there answer for it
_A_FAMILY, _FAMILY_SEED = 20, 50_000  # random models of each parametric family in the rooms
_MANY = 1000  # steps between checkpoints


@dataclass(frozen=True, slots=True)
class FinderRecipe:
    """Everything that decides the weights, beside the data. what: boxes or mask; start_from: shipped weights' name."""

    what: str
    steps: int
    batch: int
    rate: float
    seed: int
    start_from: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """What each of the m = h * w cells of each picture should say.

    is_object  (n, m) float32
    boxes      (n, m, 4) float32 in pixels, of the object the cell answers for
    """

    is_object: Tensor
    boxes: Tensor


def main(argv: Sequence[str] | None = None) -> int:
    """0; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m ml train finder", description=__doc__)
    parser.add_argument("--trained", type=Path, required=True, help="--out of python -m ml train: its pairs")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and weights")
    parser.add_argument("--backgrounds", type=Path, required=True, help="photos of anything")
    parser.add_argument("--furniture", type=Path, help="photos with an even background, to cut from")
    parser.add_argument(
        "--interiors", type=int, default=0, help="rooms to furnish and ray-cast; 4096: 0.6 GB"
    )
    parser.add_argument(
        "--libraries", type=Path, nargs="*", help="Sweet Home 3D .sh3f files to furnish them from"
    )
    parser.add_argument("--start-from", metavar="NAME", help="go on from shipped weights: finder or mask")
    parser.add_argument("--what", choices=("boxes", "mask"), required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        _train(options)
    except (ShapelensError, ValueError, FileNotFoundError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    return 0


def _train(options: argparse.Namespace) -> None:
    recipe = FinderRecipe(
        options.what, options.steps, options.batch, options.rate, options.seed, options.start_from
    )
    folder = options.out / options.what
    folder.mkdir(parents=True, exist_ok=True)
    is_mask = options.what == "mask"
    shape = ObjectNetShape(stride=2, decoder=32, outputs=1) if is_mask else ObjectNetShape()
    torch.manual_seed(options.seed)
    network = ObjectNet(shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if options.start_from:
        network.load_state_dict(load_network(options.start_from).state_dict())
    averaged = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.997),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, total_steps=options.steps, pct_start=0.05
    )
    states = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}
    first, seconds = read_checkpoint(folder, states, recipe) or (0, 0.0)
    composer = SceneComposer(
        open_pairs(options.trained / "pairs"),
        load_cutouts(options.furniture, options.out / "cutouts.npz") if options.furniture else None,
        load_colors(options.backgrounds, options.out / "backgrounds.npy"),
        options.seed + first,
        _interiors(options),
    )
    is_halved = computes_in_bfloat16()
    start, mean = time.perf_counter() - seconds, math.nan
    network.train()
    for step in range(first, options.steps):
        scene = composer.scenes(options.batch, MASK_SIDE if is_mask else FINDER_SIDE, is_close=is_mask)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_halved):
            answer = network(scene.pictures.contiguous(memory_format=torch.channels_last))
        answer = answer.float()
        loss = mask_loss(answer, scene) if is_mask else finder_loss(answer, scene, shape.stride)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(network)
        now = loss.item()
        mean = now if math.isnan(mean) else 0.98 * mean + 0.02 * now
        if (step + 1) % 50 == 0:
            Console().print(f"{options.what} {step + 1}: {mean:.4f}, {time.perf_counter() - start:.0f} s")
        if (step + 1) % _MANY == 0 or step + 1 == options.steps:
            write_checkpoint(folder, states, recipe, step + 1, time.perf_counter() - start)
            facts = {"shape": asdict(shape), "steps": step + 1, "seed": options.seed}
            save_weights(options.out / f"{options.what}.safetensors", averaged.module.state_dict(), facts)


def _interiors(options: argparse.Namespace) -> Interiors | None:
    """Furnished with what viewnet may be trained on: the library kept back is not in them."""
    if not options.interiors:
        return None
    libraries = libraries_or_default(options.libraries)
    specs = library_specs(libraries, options.out / "sources")[0] if libraries else []
    specs += parametric_specs(_A_FAMILY, _FAMILY_SEED)
    with progress_bar() as bar:
        render_interiors(
            specs,
            load_colors(options.backgrounds, options.out / "backgrounds.npy"),
            options.out / "rooms",
            count=options.interiors,
            seed=options.seed,
            tell=told(bar),
        )
    return open_interiors(options.out / "rooms")


def targets(scene: Scene, stride: int) -> Target:
    """A cell answers for the object in the core of whose box its center lies: of several, the smallest one."""
    n, _, height, width = scene.pictures.shape
    rows, columns = torch.arange(height // stride), torch.arange(width // stride)
    y = ((rows + 0.5) * stride).repeat_interleave(len(columns))
    x = ((columns + 0.5) * stride).repeat(len(rows))
    is_object = torch.zeros(n, len(x))
    boxes = torch.zeros(n, len(x), 4)
    areas = torch.full((n, len(x)), math.inf)
    for place in range(scene.boxes.shape[1]):
        box = scene.boxes[:, place]
        x0, y0, x1, y1 = (edge[:, None] for edge in box.unbind(dim=1))
        # at least one cell's reach, or a small thing would have none
        reach_x = (_CORE / 2 * (x1 - x0)).clamp(min=stride / 2)
        reach_y = (_CORE / 2 * (y1 - y0)).clamp(min=stride / 2)
        area = (x1 - x0) * (y1 - y0)
        inside = ((x - (x0 + x1) / 2).abs() <= reach_x) & ((y - (y0 + y1) / 2).abs() <= reach_y)
        chosen = inside & scene.is_there[:, place : place + 1] & (area < areas)
        is_object[chosen] = 1.0
        boxes = torch.where(chosen[..., None], box[:, None], boxes)
        areas = torch.where(chosen, area, areas)
    return Target(is_object, boxes)


def finder_loss(answer: Tensor, scene: Scene, stride: int) -> Tensor:
    """Focal loss of "an object's middle is here" (Lin et al., Focal loss, 2017) and, there, the generalized
    IoU loss of its box (Rezatofighi et al., 2019), as anchor-free detectors are trained (Tian et al., FCOS)."""
    wanted = targets(scene, stride)
    found, boxes = decoded(answer, stride)
    focal = sigmoid_focal_loss(found, wanted.is_object, alpha=0.5, gamma=2.0, reduction="sum")
    chosen = wanted.is_object > 0
    count = chosen.sum().clamp(min=1)
    overlap = generalized_box_iou_loss(boxes[chosen], wanted.boxes[chosen], reduction="sum")
    total: Tensor = (focal + overlap) / count
    return total


def mask_loss(answer: Tensor, scene: Scene) -> Tensor:
    """Cross entropy and 1 - Dice of the first object's mask."""
    wanted = functional.avg_pool2d(scene.masks[:, :1], scene.masks.shape[-1] // answer.shape[-1])
    entropy = functional.binary_cross_entropy_with_logits(answer, wanted)
    share = answer.sigmoid()
    both = (share * wanted).sum(dim=(1, 2, 3))
    dice = (2 * both + 1) / (share.sum(dim=(1, 2, 3)) + wanted.sum(dim=(1, 2, 3)) + 1)
    return entropy + 0.5 * (1 - dice.mean())
