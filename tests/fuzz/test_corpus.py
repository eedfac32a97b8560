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
    outcomes = list(run_in_children(replay, files, workers=2, limits=ChildLimits(60, 3072)))
    assert len(outcomes) == len(files)
    bad = {
        str(one.job.relative_to(CORPUS)): str(one.error or one.made)
        for one in outcomes
        if one.error or one.made
    }
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
