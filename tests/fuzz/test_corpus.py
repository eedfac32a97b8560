"""Whatever `make fuzz` ever found is refused with a sentence, or read, in bounded time and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.pipelines.children import ChildLimits, run_in_children
from tests.fuzz.fuzzing import CORPUS, inputs
from tests.fuzz.targets import TARGETS


def replay(path: Path) -> str:
    """'' where the parser did what it may; else what it raised."""
    target = TARGETS[path.parent.name]
    try:
        target.parse(path.read_bytes())
    except target.refusals:
        return ""
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return ""


def test_what_was_found_once_is_not_found_again() -> None:
    files = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
    by_itself = [path for path in files if TARGETS[path.parent.name].has_child]
    others = [path for path in files if path not in by_itself]
    outcomes = list(run_in_children(replay, others, workers=2, limits=ChildLimits(60, 3072)))
    assert len(outcomes) == len(others)
    said = {one.job: str(one.error or one.made) for one in outcomes} | {p: replay(p) for p in by_itself}
    bad = {str(path.relative_to(CORPUS)): what for path, what in said.items() if what}
    assert not bad


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_parser_reads_what_it_begins_with(name: str) -> None:
    """Else the fuzzer would only ever see the first refusal."""
    target = TARGETS[name]
    seeds = target.seeds()
    assert seeds
    read = 0
    for data in seeds:
        try:
            target.parse(data)
            read += 1
        except target.refusals:
            pass
    assert read
    inputs(seeds).validate()
