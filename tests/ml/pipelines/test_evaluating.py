"""`python -m ml evaluate` from files to scores, with nothing replaced."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import trimesh

from ml.__main__ import main
from ml.errors import BadMesh
from ml.geometry.boxes import expand
from ml.geometry.cameras import cropped
from ml.pipelines.onboarding import OnboardResult
from ml.render.raycast import RayScene
from ml.render.shading import shade_hits
from ml.render.views import ViewGrid, render_views
from ml.types import Box

NAMES = ("chair", "table", "shelf")


def as_trimesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def photograph(mesh, path, *, azimuth_index):
    """A picture from a viewpoint the index does not have; the object's box in it."""
    grid = ViewGrid(azimuths=31, elevations_deg=(10.0,))
    views = render_views(mesh, grid, 96)
    camera, aspect = views.cameras[azimuth_index], float(views.aspects[azimuth_index])
    box = Box(0.0, 0.0, 96 * min(1, 1 / aspect), 96 * min(1, aspect))
    outer = expand(box, 0.25)
    width, height = round(2 * outer.width), round(2 * outer.height)
    crop = cropped(camera, outer, width, height)
    scene = RayScene(mesh)
    cv2.imwrite(str(path), shade_hits(scene.hits(crop), crop)[:, :, ::-1])
    cv2.imwrite(str(path.with_suffix(".mask.png")), scene.mask(crop).astype(np.uint8) * 255)
    inset_x, inset_y = 2 * 0.25 * box.width, 2 * 0.25 * box.height
    return [inset_x, inset_y, inset_x + 2 * box.width, inset_y + 2 * box.height]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, meshes):
    root = tmp_path_factory.mktemp("evaluate")
    (root / "models" / "seats").mkdir(parents=True)
    as_trimesh(meshes["chair"]).export(root / "models" / "seats" / "chair.ply")
    as_trimesh(meshes["table"]).export(root / "models" / "table.ply")
    as_trimesh(meshes["shelf"]).export(root / "models" / "shelf.ply")
    (root / "models" / "broken.ply").write_text("ply\nnothing of the kind")
    (root / "models.csv").write_text(
        "model,product,category\nseats/chair,chair_A,seat\ntable,table_B,top\nshelf,shelf_C,board\n"
    )
    boxes = {
        name: photograph(meshes[name], root / f"{name}.png", azimuth_index=3 + at)
        for at, name in enumerate(NAMES)
    }
    lines = [
        {
            "photo": "chair.png",
            "box": boxes["chair"],
            "relevant": ["seats/chair"],
            "product": "chair_A",
            "category": "seat",
            "azimuth_deg": 360 * 3 / 31,
            "mask": "chair.mask.png",
        },
        {"photo": "table.png", "box": boxes["table"], "relevant_regex": "table", "category": "top"},
        # the detector has to find it; the true box is nowhere near, so it can't count
        {
            "photo": "shelf.png",
            "box": None,
            "relevant": ["shelf"],
            "true_box": [0, 0, 4, 4],
            "category": "board",
        },
        {
            "photo": ["chair.png", "chair.png"],
            "box": boxes["chair"],
            "relevant": ["seats/chair"],
            "category": "seat",
        },
        {"photo": "missing.png", "box": "full", "relevant": ["shelf"], "category": "board"},
    ]
    (root / "queries.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return root


def run(root, *options):
    arguments = ["evaluate", "--gallery", str(root / "models"), "--queries", str(root / "queries.jsonl")]
    arguments += ["--embedder", "hog", "--json", str(root / "out.json"), "--cache", str(root / "cache")]
    assert main([*arguments, "--tau", "0.5", *options]) == 0
    return json.loads((root / "out.json").read_text())


@pytest.fixture(scope="module")
def scores(workplace):
    return run(workplace, "--report", str(workplace / "report.html"))


def test_right_products_come_first_and_misses_count(scores):
    hits = [query["ranked"][0]["right"] if query["ranked"] else None for query in scores["per_query"]]
    assert hits[:2] == [True, True]
    assert hits[3] is True
    # three of five: the detected box misses the true one, the missing photo scores nothing
    assert scores["n"] == 5
    assert scores["top1"] == scores["top5"] == scores["top10"] == pytest.approx(0.6)
    assert scores["precision5"] == pytest.approx(3 * 0.2 / 5)
    assert scores["mrr"] == pytest.approx(0.6)
    assert scores["per_query"][2]["box_found"] is False
    assert "missing.png" in scores["per_query"][4]["photo"]
    assert scores["per_query"][4]["error"]


def test_every_query_lists_what_the_contract_asks_for(scores):
    query = scores["per_query"][0]
    assert set(query) >= {"photo", "box", "ranked", "silhouette_iou"}
    assert set(query["ranked"][0]) >= {
        "id",
        "name",
        "score",
        "calibrated",
        "azimuth_deg",
        "elevation_deg",
        "box",
    }
    assert query["ranked"][0]["id"] == "seats/chair"
    assert len(query["ranked"]) == 3
    assert scores["seconds"] > 0
    low, high = scores["intervals"]["top1"]
    assert low <= scores["top1"] <= high


def test_the_viewpoint_is_the_nearest_of_the_grid(scores):
    # photographed from 3 / 31 of the way around, the grid has steps of ten degrees
    found = scores["per_query"][0]["ranked"][0]["azimuth_deg"]
    assert found == pytest.approx(360 * 3 / 31, abs=10)
    error = scores["per_query"][0]["azimuth_error_deg"]  # of the pose, which is finer than the grid
    assert 0 <= error < 10
    assert scores["azimuth"]["n"] == 1  # the other queries don't tell theirs
    assert scores["azimuth"]["within_15"] == 1
    assert scores["azimuth"]["median_deg"] == pytest.approx(error, abs=0.01)


def test_the_object_cut_out_is_held_against_its_mask(scores, workplace):
    overlap = scores["per_query"][0]["mask_iou"]
    assert 0.8 < overlap <= 1
    assert scores["masks"]["n"] == 1  # the other queries don't tell theirs
    assert scores["masks"]["mean_iou"] == scores["masks"]["median_iou"] == overlap
    assert scores["per_query"][1]["mask_iou"] is None


@pytest.mark.parametrize("mask", ["missing.png", "table.png"], ids=["not there", "of another size"])
def test_a_mask_that_is_none_of_the_photo_is_named(workplace, capsys, mask):
    line = json.loads((workplace / "queries.jsonl").read_text().splitlines()[0])
    queries = workplace / "mask.jsonl"
    queries.write_text(json.dumps(line | {"mask": mask}))
    arguments = ["evaluate", "--gallery", str(workplace / "models"), "--queries", str(queries)]
    arguments += ["--embedder", "hog", "--cache", str(workplace / "cache"), "--tau", "0.5"]
    assert main(arguments) == 1
    assert mask in capsys.readouterr().err.replace("\n", "")


def test_edges_are_off_as_a_hands_are_and_alike_in_every_run(workplace, scores, capsys):
    given = [query["box"] for query in scores["per_query"]]
    off = [[query["box"] for query in run(workplace, "--edges-off", "0.1", "--recognized", "0")["per_query"]]]
    off.append(
        [query["box"] for query in run(workplace, "--edges-off", "0.1", "--recognized", "0")["per_query"]]
    )
    assert off[0] == off[1]
    for place in (0, 1, 3):
        before, after = np.array(given[place]), np.array(off[0][place])
        width, height = before[2] - before[0], before[3] - before[1]
        shares = np.abs(after - before) / [width, height, width, height]
        assert 0.01 < shares.max() <= 0.1 + 1e-6
    assert off[0][0] != off[0][1]
    assert off[0][2] == given[2], "what has to be found has no hand's edges"
    with pytest.raises(SystemExit):
        run(workplace, "--edges-off", "0.5")
    assert "less than 0.5" in capsys.readouterr().err


def test_coarser_levels_come_from_models_csv(scores):
    assert scores["levels"]["product"]["n"] == 1
    assert scores["levels"]["product"]["micro"]["top1"] == 1
    assert scores["levels"]["category"]["by_category"]["seat"] == {
        "n": 2, "top1": 1, "top5": 1, "top10": 1, "precision5": 0.2, "mrr": 1
    }  # fmt: skip
    assert scores["levels"]["exact"]["macro"]["top1"] == pytest.approx(2 / 3)


def test_a_broken_model_is_named_and_the_rest_searched(scores):
    assert scores["gallery"]["models"] == 3
    assert [failure["id"] for failure in scores["gallery"]["failures"]] == ["broken"]


def test_the_page_shows_each_query_and_frames_right_hits(workplace, scores):
    page = (workplace / "report.html").read_text()
    assert page.count("<div class=row>") == 5
    assert page.count("<figure class='right'>") == 4
    assert "chair.png" in page


def test_a_second_run_takes_everything_from_the_cache(workplace, scores, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("nothing should be built again")

    def only_the_broken_one(jobs, **options):
        assert [job.model.key for job in jobs] == ["broken"]  # may have been mended since
        yield OnboardResult(jobs[0], error=BadMesh("still broken"))

    monkeypatch.setattr("ml.pipelines.galleries.onboard_many", only_the_broken_one)
    monkeypatch.setattr("ml.pipelines.galleries.build_generation", refuse)
    assert run(workplace)["per_query"] == scores["per_query"]


def test_an_excluded_category_is_not_indexed(workplace):
    out = run(workplace, "--exclude-category", "Seat", "--exclude-category", "top")
    assert out["gallery"]["models"] == 1
    assert {hit["id"] for query in out["per_query"] for hit in query["ranked"]} == {"shelf"}


def test_a_gallery_that_is_not_there_is_a_sentence_and_status_one(tmp_path, workplace, capsys):
    assert (
        main(["evaluate", "--gallery", str(tmp_path / "none"), "--queries", str(workplace / "queries.jsonl")])
        == 1
    )
    assert "none" in capsys.readouterr().err


def test_an_unknown_command_lists_those_there_are(capsys):
    assert main(["serve"]) == 2
    assert "evaluate" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert np.char.count(capsys.readouterr().out, "bench") == 1
