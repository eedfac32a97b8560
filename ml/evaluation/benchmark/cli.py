"""Arguments of `python -m ml bench`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from ml import registry
from ml.evaluation.benchmark.lines import Section, machine, table, write

__all__ = ["main"]

SECTIONS = ("windows", "search", "render", "embed", "import", "memory")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=SECTIONS, help="a section; several times; all by default"
    )
    parser.add_argument(
        "--views", type=int, action="append", help="of the search; several times; 100,000 by default"
    )
    parser.add_argument("--dim", type=int, default=128, help="of drawn vectors; 128 are viewnet's")
    parser.add_argument("--postgres", metavar="ADDRESS", help="of a server with pgvector, to be measured too")
    parser.add_argument("--generation", type=Path, help="the vectors of an index, instead of drawn ones")
    parser.add_argument("--gallery", type=Path, metavar="SRC", help="models to render, instead of drawn ones")
    parser.add_argument("--embedder", default=registry.DEFAULT_EMBEDDER)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/bench"), help="folder of bench.json and bench.png"
    )
    arguments = parser.parse_args(argv)
    console = Console(width=130)
    facts = machine()
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)
    sections = []
    for section in _sections(arguments, console):
        console.print(table(section))
        sections.append(section)
    if sections:
        write(sections, facts, arguments.out)
        console.print(f"{arguments.out}/bench.json and bench.png have it all")
    return 0


def _sections(arguments: argparse.Namespace, console: Console) -> Iterator[Section]:
    """Each as it is measured."""
    from ml.evaluation.benchmark import search, stages

    wanted = arguments.only or SECTIONS
    sizes = arguments.views or ([20_000] if arguments.quick else [100_000])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "windows" in wanted:
            views, windows = (5_000, 100) if arguments.quick else (85_000, stages.WINDOWS)
            drawn = search.draw_vectors(views, arguments.dim, folder)
            yield stages.windows_section(drawn, arguments.embedder, windows=windows)
        if "search" in wanted:
            if arguments.generation:
                yield search.search_section(search.vectors_of(arguments.generation), arguments.postgres)
            else:
                for size in sizes:
                    drawn = search.draw_vectors(size, arguments.dim, folder)
                    yield search.search_section(drawn, arguments.postgres)
        if "render" in wanted:
            yield stages.rendering_section(products=1 if arguments.quick else 4, gallery=arguments.gallery)
        if "embed" in wanted:
            yield stages.embedding_section(arguments.embedder, crops=32 if arguments.quick else 128)
        if "import" in wanted:
            yield stages.import_section(sizes=(2, 4) if arguments.quick else (5, 20, 60))
        if "memory" in wanted:
            console.print(search.memory_section(sizes[0], arguments.dim, folder), highlight=False)
