"""`python -m ml COMMAND`: adapt, evaluate, find, bench, train, study, memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]

# Command -> where its main(argv) is, and what it does; loaded only when it is asked for.
COMMANDS = {
    "adapt": ("ml.adapt.cli", "fit descriptors of photos to those of a gallery's renders"),
    "evaluate": ("ml.evaluation.cli", "score the matching on galleries and queries"),
    "find": ("ml.evaluation.finding", "look for one product in photos"),
    "bench": ("ml.evaluation.benchmark", "each stage against alternatives, as ratios in one run"),
    "train": ("ml.train.cli", "train the network"),
    "study": ("ml.study.cli", "studies as tables and plots"),
    "memory": ("ml.memory.cli", "plan the memory a catalog needs"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command; 2 for an unknown one."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else "--help"
    if name not in COMMANDS:
        listing = "\n".join(f"  {command:<10}{text}" for command, (_, text) in COMMANDS.items())
        is_asked = name in {"-h", "--help"}
        stream = sys.stdout if is_asked else sys.stderr
        unknown = "" if is_asked else f"there is no command {name!r}\n"
        print(f"{unknown}usage: python -m ml COMMAND ...\n{listing}", file=stream)
        return 0 if is_asked else 2
    status: int = import_module(COMMANDS[name][0]).main(arguments[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
