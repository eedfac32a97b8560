"""The benchmark's alternatives answer the same question as ours; how fast is for the benchmark to say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ml.evaluation.benchmark import main
from ml.evaluation.benchmark.search import REPEATS, Vectors, draw_vectors, search_section
from ml.evaluation.benchmark.servers import milvus_search, pgvector_searches
from tests.servers import postgres

__all__ = ["postgres"]

VIEWS = 2_160


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    return draw_vectors(VIEWS, 32, tmp_path_factory.mktemp("drawn"))


def test_drawn_views_are_of_length_one_in_the_order_of_their_aspects(vectors: Vectors) -> None:
    assert np.linalg.norm(vectors.halves.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)
    assert (np.diff(vectors.log_aspects) >= 0).all()
    rows = vectors.rows(0)
    ratios = np.exp(vectors.log_aspects) / vectors.query_aspects[0]
    inside = (ratios > 0.9) & (ratios < 1 / 0.9)
    assert np.flatnonzero(inside).tolist() == list(range(rows.start, rows.stop))


def test_every_alternative_finds_what_the_exact_scan_finds(vectors: Vectors) -> None:
    section = search_section(vectors)
    recalls = {
        line.what: float(found[1])
        for line in section.lines
        if (found := re.search(r"recall@10 (\S+)", line.note))
    }
    assert any("IVF" in name for name in recalls)
    assert any("milvus" in name for name in recalls)
    assert min(recalls.values()) >= 0.98, recalls
    assert section.ratio(section.ours) == 1
    assert all(line.seconds > 0 for line in section.lines)
    assert any("pgvector" in name for name in section.missing)


def test_milvus_keeps_to_the_rows_it_is_given(vectors: Vectors) -> None:
    with milvus_search(np.array(vectors.halves, np.float32)) as search:
        for at in range(3):
            rows = vectors.rows(at)
            found = search(vectors.queries[at], rows)
            assert len(found)
            assert (found >= rows.start).all()
            assert (found < rows.stop).all()


@pytest.mark.skipif(
    not list(Path("/usr/share/postgresql").glob("*/extension/vector.control")),
    reason="the PostgreSQL here, if any, has no pgvector",
)
def test_pgvector_finds_the_exact_neighbors(vectors: Vectors, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue("postgres").url
    rows = np.array(vectors.halves, np.float32)
    for name, search in pgvector_searches(rows, address, 10):
        for at in range(REPEATS):
            within = vectors.rows(at)
            scores = rows[within] @ vectors.queries[at]
            best = set((within.start + np.argsort(-scores)[:10]).tolist())
            assert len(best & set(search(vectors.queries[at], within).tolist())) >= 0.9 * len(best), name


def test_the_command_writes_what_it_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "embed", "--quick", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "bench.json").read_text())
    lines = content["sections"][0]["lines"]
    assert [line["what"] for line in lines if line["is_ours"]] == ["ours: viewnet_lite, batches of 64"]
    assert content["machine"]["cores"] >= 1
    assert (tmp_path / "bench.png").stat().st_size > 1000
    assert "ResNet-18" in capsys.readouterr().out
