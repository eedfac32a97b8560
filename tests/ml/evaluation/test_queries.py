from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.errors import BadSource
from ml.evaluation.queries import GalleryItem, read_queries, relevant_ids
from ml.types import Box


def write(path: Path, *lines) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_every_form_of_a_line(tmp_path):
    path = write(
        tmp_path / "q.jsonl",
        {"photo": "a.jpg", "box": "full", "relevant": ["7"], "product": "p", "category": "c"},
        "",
        {"photo": "b.jpg", "box": [1, 2, 3, 4], "relevant_regex": "chair|stool"},
        {
            "photo": ["c.jpg", "d.jpg"],
            "box": [[0, 0, 5, 5], None],
            "relevant": ["x"],
            "true_box": [0, 0, 9, 9],
        },
        {"photo": ["e.jpg", "f.jpg"], "box": None, "relevant": ["x"], "azimuth_deg": 30},
    )
    first, second, third, fourth = read_queries(path)
    assert first.photos == (tmp_path / "a.jpg",)
    assert (first.boxes, first.relevant, first.product, first.category) == (("full",), {"7"}, "p", "c")
    assert (second.boxes, second.relevant_regex) == ((Box(1, 2, 3, 4),), "chair|stool")
    assert third.boxes == (Box(0, 0, 5, 5), None)
    assert third.true_boxes == (Box(0, 0, 9, 9), Box(0, 0, 9, 9))
    assert fourth.boxes == (None, None)
    assert fourth.azimuth_deg == 30


@pytest.mark.parametrize(
    "line",
    [
        "{",
        {"box": "full", "relevant": []},
        {"photo": "a.jpg"},
        {"photo": "a.jpg", "relevant_regex": "("},
        {"photo": "a.jpg", "relevant": [], "box": [1, 2, 3]},
        {"photo": ["a.jpg", "b.jpg"], "relevant": [], "box": [[1, 2, 3, 4]]},
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path, line):
    good = {"photo": "a.jpg", "box": "full", "relevant": []}
    with pytest.raises(BadSource, match="line 2"):
        read_queries(write(tmp_path / "q.jsonl", good, line))


def test_a_missing_or_empty_file_is_refused(tmp_path):
    with pytest.raises(BadSource, match="can't be read"):
        read_queries(tmp_path / "none.jsonl")
    with pytest.raises(BadSource, match="no query"):
        read_queries(write(tmp_path / "q.jsonl", ""))


def test_relevance_by_id_and_by_name_in_lower_case(tmp_path):
    gallery = (GalleryItem("1", "Office Chair"), GalleryItem("2", "Bedside table"), GalleryItem("3", "Bed"))
    path = write(
        tmp_path / "q.jsonl",
        {"photo": "a", "relevant": ["2", "9"]},
        {"photo": "a", "relevant_regex": r"\bbed\b|chair"},
    )
    by_id, by_name = read_queries(path)
    assert relevant_ids(by_id, gallery) == {1}
    assert relevant_ids(by_name, gallery) == {0, 2}
