"""`python -m ml memory`: how much memory a network takes, and the largest batch that fits."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml.errors import NetworkNotTraceable, ShapelensError
from ml.memory.arena import arena_plan
from ml.memory.budget import plan_batch_size, planned_bytes
from ml.memory.drawing import draw_lifetimes
from ml.memory.graph import MIB, Mode, Role
from ml.memory.networks import build, classification_networks
from ml.memory.running import compare_runs
from ml.memory.summary import Summary, read_memory, summarize
from ml.memory.thesis import Table, tables
from ml.memory.working import watch_worker

__all__ = ["main"]

_NEAR = 1.02  # an arena within 2% of the lower bound counts as reaching it


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 2 with a sentence on standard error."""
    parser = _parser()
    options = parser.parse_args(argv)
    if [options.network is not None, options.thesis, options.all, options.worker is not None].count(
        True
    ) != 1:
        parser.error("name a network, or ask for --thesis, --all or --worker")
    if options.worker is not None and options.budget is None:
        parser.error("--worker needs a --budget to keep to")
    try:
        if options.thesis:
            _print_thesis(options)
        elif options.all:
            _print_all(options)
        elif options.worker is not None:
            _print_row(asdict(watch_worker(options.worker, int(options.budget * MIB))), options)
        else:
            _print_network(options)
    except ShapelensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml memory", description=__doc__)
    parser.add_argument("network", nargs="?", help="viewnet or a torchvision classification model")
    parser.add_argument("--batch", type=_positive, default=1, help="examples at once (1)")
    parser.add_argument("--size", type=_positive, help="side of the input in pixels (the network's own)")
    parser.add_argument("--train", action="store_true", help="forward and backward pass, not forward alone")
    parser.add_argument(
        "--in-place",
        action="store_true",
        help="let element-wise operations overwrite what nobody reads again",
    )
    parser.add_argument("--json", action="store_true", help="one JSON value on standard output")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the lifetimes in the arena")
    parser.add_argument("--run", action="store_true", help="run it on this machine, plainly and in its arena")
    parser.add_argument("--budget", type=float, metavar="MIB", help="the largest batch that fits")
    parser.add_argument(
        "--worker", metavar="EMBEDDER", help="embed rendered views in a worker within --budget, and watch it"
    )
    parser.add_argument(
        "--thesis", action="store_true", help="Tables 3.1 to 3.4 again, beside the thesis' figures"
    )
    parser.add_argument("--all", action="store_true", help="arena against bound for every torchvision model")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _print_network(options: argparse.Namespace) -> None:
    mode = Mode.TRAINING if options.train else Mode.INFERENCE
    row: dict[str, Any] = _summary(options, options.network, options.batch, mode).as_row()
    if options.budget is not None:
        network = build(options.network, options.size)
        fits = plan_batch_size(network.module.eval(), network.input_shape, int(options.budget * MIB))
        needed = planned_bytes(network.module, network.input_shape, fits)
        row |= {"budget": options.budget, "largest_batch": fits, "largest_batch_needs": needed / MIB}
    if options.run:
        compared = compare_runs(build(options.network, options.size, has_data=True), options.batch)
        row |= {f"run_{key}": value for key, value in asdict(compared).items()}
    if options.plot is not None:
        _plot(options, mode)
        row["plot"] = str(options.plot)
    _print_row(row, options)


def _print_row(row: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        _say(json.dumps(_rounded(row)))
        return
    width = max(map(len, row))
    for key, value in row.items():
        _say(f"{key:<{width}}  {value:.2f}" if isinstance(value, float) else f"{key:<{width}}  {value}")


def _summary(options: argparse.Namespace, name: str, batch: int, mode: Mode) -> Summary:
    return summarize(name, batch, options.size, mode, is_in_place=options.in_place)


def _plot(options: argparse.Namespace, mode: Mode) -> None:
    memory, side = read_memory(
        options.network, options.batch, options.size, mode, is_in_place=options.in_place
    )
    storages = memory.of(Role.OUTPUT) if mode is Mode.INFERENCE else memory.storages
    title = f"{options.network}, {mode}, batch {options.batch}, {side} px"
    draw_lifetimes(storages, arena_plan(storages), title, options.plot)


def _print_thesis(options: argparse.Namespace) -> None:
    known: dict[tuple[str, int, Mode], Summary] = {}

    def summary(name: str, batch: int, mode: Mode) -> Summary:
        key = (name, batch, mode)
        if key not in known:
            is_in_place = options.in_place or mode is Mode.TRAINING  # as Torch7's ReLU(true)
            known[key] = summarize(name, batch, options.size, mode, is_in_place=is_in_place)
        return known[key]

    made = []
    for table in tables(summary):
        made.append(asdict(table))
        if not options.json:
            _say_table(table)
    if options.json:
        _say(json.dumps(made))


def _print_all(options: argparse.Namespace) -> None:
    mode = Mode.TRAINING if options.train else Mode.INFERENCE
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for name in classification_networks():
        try:
            one = _summary(options, name, options.batch, mode)
        except NetworkNotTraceable as error:
            refused[name] = str(error)
            continue
        need = one.together or one.outputs
        ratio = need.arena / need.lower_bound
        rows.append({"network": name, **asdict(need), "ratio": ratio})
        if not options.json:
            line = (name, *(f"{value:.2f}" for value in asdict(need).values()), f"{ratio:.4f}")
            if len(rows) == 1:
                _say(_line(("network", *asdict(need), "arena/bound")))
            _say(_line(line))
            sys.stdout.flush()
    far = [row["network"] for row in rows if row["ratio"] > _NEAR]
    if options.json:
        found = {"networks": [_rounded(row) for row in rows], "above_2_percent": far, "refused": refused}
        _say(json.dumps(found))
        return
    share = 100 * (len(rows) - len(far)) / max(len(rows), 1)
    _say(f"within 2% of the lower bound: {len(rows) - len(far)} of {len(rows)} ({share:.1f}%)")
    _say(f"the rest: {', '.join(far) or 'none'}")
    for name, reason in refused.items():
        _say(f"left out: {name}: {reason}")


def _say_table(table: Table) -> None:
    """As Markdown, in MiB."""
    _say(f"{table.title} (MiB)\n")
    _say(f"| {' | '.join(table.header)} |")
    _say(f"|{' --- |' * len(table.header)}")
    for row in table.rows:
        _say(f"| {' | '.join(row)} |")
    _say("")
    sys.stdout.flush()


def _line(cells: Iterable[str]) -> str:
    first, *rest = cells
    return f"{first:<20}" + "".join(f"{cell:>13}" for cell in rest)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Figures to a thousandth of a MiB, differences as they are."""
    keep = ("run_largest_difference", "ratio")
    return {
        key: round(value, 3) if isinstance(value, float) and key not in keep else value
        for key, value in row.items()
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
