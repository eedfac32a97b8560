"""`make fuzz`: thousands of damaged files a parser, each parser in a child of its own.

What crashes, hangs, overeats or raises what nobody foresaw is kept under corpus/, which the tests replay.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import resource
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

__all__ = ["CORPUS", "fuzz", "inputs", "main"]

CORPUS = Path(__file__).parent / "corpus"
HANG_SECONDS = 30.0
MEMORY_MB = 3072
_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
_TOKENS = [
    b"nan",
    b"-inf",
    b"1e999",
    b"-1",
    b"0",
    b"99999999999999999999",
    b"\0",
    b"\n",
    b"%s",
    b"../",
    b"<!ENTITY a 'b'>",
]

Edit = tuple[str, float, bytes]


def damaged(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The file after each edit: what to do, where (a share of its length), with what."""
    made = bytearray(data)
    for what, share, piece in edits:
        at = int(share * len(made))
        if what == "replace":
            made[at : at + len(piece)] = piece
        elif what == "insert":
            made[at:at] = piece
        elif what == "delete":
            del made[at : at + 4 * len(piece)]
        elif what == "repeat":
            made[at:at] = made[at : at + 64] * 4
        elif what == "truncate":
            del made[max(at, 1) :]
        elif made:
            made[min(at, len(made) - 1)] ^= 1 << (len(piece) % 8)
    return bytes(made)


def inputs(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    pieces = st.one_of(
        st.binary(min_size=1, max_size=8),
        st.sampled_from(_TOKENS),
        st.sampled_from([n.to_bytes(4, order) for n in _NUMBERS for order in ("little", "big")]),
    )
    kinds = st.sampled_from(["replace", "insert", "delete", "repeat", "truncate", "flip"])
    edit = st.tuples(kinds, st.floats(0, 1, exclude_max=True), pieces)
    # headers lie at the front, directories at the end: half of the edits go there
    near = st.tuples(kinds, st.one_of(st.floats(0, 0.05), st.floats(0.9, 0.999)), pieces)
    edits = st.lists(st.one_of(edit, near), min_size=1, max_size=6)
    return st.builds(damaged, st.sampled_from(seeds), edits)


def keep(name: str, data: bytes) -> Path:
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def limit_memory() -> None:
    limit = MEMORY_MB << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _child(name: str, count: int, first_seed: int, current: str, told: multiprocessing.Queue[str]) -> None:
    """Parse `count` inputs; the one being parsed lies in the file `current`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    import django

    django.setup()
    target = TARGETS[name]
    limit_memory()
    warnings.simplefilter("ignore")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    os.dup2(devnull, 1)
    known: set[str] = set()

    @seed(first_seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target.seeds()))
    def parse(data: bytes) -> None:
        Path(current).write_bytes(data)
        try:
            target.parse(data)
        except target.refusals:
            pass
        except Exception as error:  # noqa: BLE001  (whatever it is, it is a finding)
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if kind not in known:
                known.add(kind)
                told.put(f"{keep(name, data).name} {kind}: {str(error)[:120]}")
        with contextlib.suppress(OSError):
            os.utime(current)

    parse()


def fuzz(name: str, count: int, first_seed: int, scratch: Path) -> list[str]:
    """Findings of one parser; a child that dies is replaced and goes on with other inputs."""
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[str] = context.Queue()
    found: list[str] = []
    current = scratch / name
    deaths = 0
    while deaths < 5:
        current.write_bytes(b"")
        child = context.Process(target=_child, args=(name, count, first_seed + deaths, str(current), told))
        child.start()
        reason = ""
        while child.is_alive():
            child.join(1.0)
            if current.read_bytes() and time.time() - current.stat().st_mtime > HANG_SECONDS:
                reason = f"hangs for {HANG_SECONDS:.0f} s"
                child.kill()
        while not told.empty():
            found.append(told.get())
        if child.exitcode == 0:
            return found
        deaths += 1
        ended = reason or f"ends its process with {child.exitcode}"
        data = current.read_bytes()
        found.append(f"{keep(name, data).name} {ended}" if data else f"before the first input: {ended}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--inputs", type=int, help="a parser; 10,000 by default, of STEP 200")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"there is no parser {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    total = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.targets or TARGETS:
            started = time.monotonic()
            count = arguments.inputs or TARGETS[name].inputs
            found = fuzz(name, count, arguments.seed, Path(scratch))
            total += len(found)
            print(
                f"{name:8} {count:6} inputs, {time.monotonic() - started:6.0f} s, {len(found)} findings",
                flush=True,
            )
            for line in found:
                print(f"    {line}", flush=True)
    return 1 if total else 0
