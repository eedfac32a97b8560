from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ml import registry
from ml.detect import redrawing
from ml.errors import BadBox, GenerationCorrupt, GenerationMismatch, ViewsCorrupt
from ml.geometry.boxes import mask_box
from ml.geometry.crops import crop_photo
from ml.kinds.vocabulary import KINDS, OTHER
from ml.mesh.storage import load_mesh
from ml.pipelines import matching
from ml.pipelines.indexing import CalibrationSource, GenerationEntry, build_generation
from ml.pipelines.matching import Matcher
from ml.pipelines.searching import PhotoQuery, Searcher
from ml.render.raycast import RayScene
from ml.render.silhouette import silhouette
from ml.render.views import load_views
from ml.search.config import SearchConfig
from ml.search.generation import MASK_SIDE, open_generation
from ml.search.library import Library
from ml.search.ranking import LACKING
from ml.types import Box, Detection, Photo

QUICK = CalibrationSource(patches=400, absent_patches=200)


@pytest.fixture(scope="module")
def searcher(generation):
    return Searcher.open(generation)


def photo_of(directory, k, *, border=30):
    """View k of a model, unstretched, in a plain gray photo; its box."""
    import cv2

    views = load_views(directory)
    side, aspect = views.pixels.shape[1], float(views.aspects[k])
    width, height = round(side * min(1, 1 / aspect)), round(side * min(1, aspect))
    # the crop holds the tight box and a margin of 1/16 on each side
    outer = cv2.resize(
        views.pixels[k], (round(width * 9 / 8), round(height * 9 / 8)), interpolation=cv2.INTER_AREA
    )
    pixels = np.full((outer.shape[0] + 2 * border, outer.shape[1] + 2 * border, 3), 128, np.uint8)
    pixels[border : border + outer.shape[0], border : border + outer.shape[1]] = outer
    x0, y0 = border + width / 16, border + height / 16
    return Photo(pixels), Box(x0, y0, x0 + width, y0 + height)


def brute_force(searcher, vector, aspect, tau):
    """(rows, cosines) of all views that pass the filter, best first, without any of the search's code."""
    generation = open_generation(searcher.library.generations[0].folder)
    ratios = aspect / generation.aspects
    rows = np.flatnonzero((tau < ratios) & (ratios < 1 / tau))
    cosines = np.asarray(generation.vectors, np.float32)[rows] @ vector
    order = np.argsort(-cosines, kind="stable")
    return generation, rows[order], cosines[order]


@pytest.mark.parametrize(
    ("name", "symmetry"), [("chair", 12), ("table", 6), ("shelf", 6), ("sofa", 12), ("stool", 3)]
)
@pytest.mark.parametrize("k", [1, 16])
def test_a_view_finds_its_product_and_its_viewpoint(searcher, onboarded, entries, name, symmetry, k):
    photo, box = photo_of(onboarded[name], k)
    answer = searcher.search([PhotoQuery(photo, box)], tau=0.9)
    best = answer.matches[0]
    entry = entries[list(onboarded).index(name)]
    assert best.model_id == entry.model_id
    found = best.view_id - entry.first_view_id  # 12 azimuths at each elevation
    assert found // 12 == k // 12
    assert (found - k) % symmetry == 0
    assert best.score > 0.9
    assert answer.no_match is False


def test_the_neighbor_is_the_brute_forces(generation):
    searcher = Searcher.open(generation, config=SearchConfig(around=0, outline_weight=0, color_weight=0))
    rng = np.random.default_rng(0)
    for _ in range(30):
        photo = Photo(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
        x0, y0 = rng.uniform(5, 40, 2)
        box = Box(x0, y0, x0 + rng.uniform(20, 70), y0 + rng.uniform(20, 40))
        answer = searcher.search([PhotoQuery(photo, box)], tau=0.8)
        vector = registry.embedder("hog").embed([crop_photo(photo, box, 128)]).vectors[0]
        generation, rows, cosines = brute_force(searcher, vector, box.aspect, answer.tau_used)
        of_product: dict[int, list[int]] = {}
        for place, model in enumerate(generation.model_ids[rows]):
            of_product.setdefault(int(model), []).append(place)  # best first
        totals = {
            model: cosines[places[:3]].mean() - LACKING * (3 - len(places[:3]))
            for model, places in of_product.items()
        }
        expected = sorted(totals, key=totals.__getitem__, reverse=True)
        assert [match.model_id for match in answer.matches] == expected
        first = [of_product[model][0] for model in expected]
        assert [match.view_id for match in answer.matches] == generation.view_ids[rows[first]].tolist()
        assert [match.score for match in answer.matches] == pytest.approx(cosines[first], abs=1e-5)


def test_boxes_about_the_given_one_are_seen_with_it(generation, onboarded):
    """What is searched with is the mean of seven crops."""
    photo, box = photo_of(onboarded["chair"], 4)
    config = SearchConfig(around=0.1, outline_weight=0, color_weight=0, expansion_weight=0)
    searcher = Searcher.open(generation, config=config)
    answer = searcher.search([PhotoQuery(photo, box)], tau=0.5)
    x, y, w, h = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, box.width / 2, box.height / 2
    sizes = [(1, 1), (1.1, 1.1), (0.9, 0.9), (1.1, 1), (0.9, 1), (1, 1.1), (1, 0.9)]
    boxes = [Box(x - a * w, y - b * h, x + a * w, y + b * h) for a, b in sizes]
    vectors = registry.embedder("hog").embed([crop_photo(photo, one, 128) for one in boxes]).vectors
    mean = vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))
    opened, rows, cosines = brute_force(searcher, mean, box.aspect, answer.tau_used)
    scores = dict(zip(opened.view_ids[rows].tolist(), cosines.tolist(), strict=True))
    for match in answer.matches:
        assert match.score == pytest.approx(scores[match.view_id], abs=1e-5)
    alone = Searcher.open(generation, config=replace(config, around=0)).search(
        [PhotoQuery(photo, box)], tau=0.5
    )
    assert alone.matches[0].score > answer.matches[0].score, "the crop alone is the view itself"


def test_views_that_cover_the_photos_object_come_first(generation):
    """Noise is like nothing, so what the photo's pixels are taken for decides: here, one view's own mask. As if no
    color told the views apart."""
    opened = open_generation(generation)
    wanted = int(np.argmax(opened.model_ids == 30))
    masks = np.unpackbits(opened.masks, axis=1).astype(np.float64)
    share = masks[wanted].reshape(MASK_SIDE, MASK_SIDE).astype(np.float32)
    config = SearchConfig(around=0, outline_weight=0.9, views_mean=1, expansion_weight=0)
    library = Library.open([generation])
    assert library.is_colored
    library.is_colored = False
    searcher = Searcher(
        library,
        registry.embedder("hog"),
        registry.adapter("identity"),
        registry.detector(registry.DEFAULT_DETECTOR),
        config=config,
        cut=lambda photo, boxes, side: np.stack([share] * len(boxes)),
    )
    photo = Photo(np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    height = 80.0
    box = Box(10, 5, 10 + height / float(opened.aspects[wanted]), 5 + height)
    answer = searcher.search([PhotoQuery(photo, box)], tau=0.9)
    assert answer.matches[0].model_id == 30
    vector = registry.embedder("hog").embed([crop_photo(photo, box, 128)]).vectors[0]
    _, rows, cosines = brute_force(searcher, vector, box.aspect, 0.9)
    common = masks[rows] @ share.reshape(-1)
    covered = common / (share.sum() + 0.25 * (masks[rows].sum(axis=1) - common))
    totals = 0.1 * cosines + 0.9 * covered
    for match in answer.matches:
        best = totals[opened.model_ids[rows] == match.model_id].max()
        assert match.total == pytest.approx(best, abs=1e-5)


@pytest.fixture(scope="module")
def of_viewnet(entries, tmp_path_factory):
    out = tmp_path_factory.mktemp("viewnet") / "one"
    build_generation(entries, out, embedder_name="viewnet", calibration=QUICK)
    return out


@pytest.mark.parametrize(("model", "kind"), [(10, "chair"), (20, "table"), (40, "sofa")])
def test_products_of_the_photos_kind_come_first(of_viewnet, model, kind):
    """Noise is like nothing: what it is said to show decides, and each product's kind is told by its views alone."""
    photo = Photo(np.random.default_rng(3).integers(0, 256, (100, 140, 3), dtype=np.uint8))
    told = np.zeros(OTHER + 1, np.float32)
    told[[one.name for one in KINDS].index(kind)] = 1
    parts = [
        registry.embedder("viewnet"),
        registry.adapter("identity"),
        registry.detector(registry.DEFAULT_DETECTOR),
    ]
    library = Library.open([of_viewnet])

    def totals(kinds, weight=2.0):
        searcher = Searcher(library, *parts, config=SearchConfig(kind_weight=weight), kinds=kinds)
        answer = searcher.search([PhotoQuery(photo, Box(10, 10, 120, 90))], tau=0.3)
        return {match.model_id: match.total for match in answer.matches}, answer.best

    asked = []
    found, _ = totals(lambda photo, box: asked.append(box) or told)
    assert next(iter(found)) == model
    assert asked == [Box(10, 10, 120, 90)], "once, of the box itself"
    plain, evidence = totals(None)
    assert found[model] == pytest.approx(plain[model], abs=1e-5), "it costs those of another kind"
    assert sum(found[other] < plain[other] - 1e-3 for other in plain) >= len(plain) - 2
    # without a weight it still says whether there is anything of it
    unranked, of_kind = totals(lambda photo, box: told, 0.0)
    assert unranked == plain
    none = np.zeros(OTHER + 1, np.float32)
    none[OTHER] = 1
    _, of_none = totals(lambda photo, box: none)
    assert of_none == pytest.approx(evidence, abs=1e-5)
    assert of_kind > evidence + 0.05


def test_an_index_without_colors_has_no_outline_drawn(generation, onboarded):
    library = Library.open([generation])
    drawn = []

    def cut(photo, boxes, side):
        drawn.append(boxes)
        return np.ones((len(boxes), side, side), np.float32)

    parts = [
        registry.embedder("hog"),
        registry.adapter("identity"),
        registry.detector(registry.DEFAULT_DETECTOR),
    ]
    searcher = Searcher(library, *parts, cut=cut)
    photo, box = photo_of(onboarded["chair"], 3)
    assert searcher.search([PhotoQuery(photo, box)]).matches
    assert len(drawn) == 1
    library.has_colors = False
    assert Searcher(library, *parts, cut=cut).search([PhotoQuery(photo, box)]).matches
    assert len(drawn) == 1


def test_the_second_look_is_the_brute_forces(generation, monkeypatch):
    """With one product in three to help: each photo's vector and their best views' sum, searched anew."""
    monkeypatch.setattr(matching, "LEAST_OTHERS", 2)
    config = SearchConfig(around=0, expansion=2, expansion_weight=0.4)
    searcher = Searcher.open(generation, config=config)
    plain = Searcher.open(generation, config=replace(config, expansion_weight=0.0))
    rng = np.random.default_rng(1)
    is_changed = []
    for _ in range(20):
        photo = Photo(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
        box = Box(20, 10, 20 + rng.uniform(30, 70), 10 + rng.uniform(30, 70))
        query = [PhotoQuery(photo, box)]
        first, second = plain.search(query, tau=0.3), searcher.search(query, tau=0.3)
        vector = registry.embedder("hog").embed([crop_photo(photo, box, 128)]).vectors[0]
        opened, _, _ = brute_force(searcher, vector, box.aspect, 0.3)
        rows = [np.flatnonzero(opened.view_ids == match.view_id)[0] for match in first.matches[:2]]
        vectors = np.asarray(opened.vectors, np.float32)[rows]
        wider = vector + (vectors * (vectors @ vector)[:, None]).sum(axis=0)
        _, rows, cosines = brute_force(searcher, wider / np.linalg.norm(wider), box.aspect, 0.3)
        for match in second.matches:
            of_model = cosines[opened.model_ids[rows] == match.model_id][:3]
            again = of_model.mean() - LACKING * (3 - len(of_model))
            before = next(one.total for one in first.matches if one.model_id == match.model_id)
            assert match.total == pytest.approx(0.6 * before + 0.4 * again, abs=1e-5)
        is_changed.append([m.model_id for m in first.matches] != [m.model_id for m in second.matches])
    assert any(is_changed)


def test_one_row_a_product(searcher, onboarded):
    photo, box = photo_of(onboarded["chair"], 3)
    answer = searcher.search([PhotoQuery(photo, box)], tau=0.3)
    models = [match.model_id for match in answer.matches]
    assert len(models) == len(set(models)) == 5
    assert len(searcher.search([PhotoQuery(photo, box)], tau=0.3, top=2).matches) == 2


def test_withdrawn_products_are_never_returned(searcher, onboarded):
    photo, box = photo_of(onboarded["chair"], 3)
    for tau in (0.2, 0.9, 0.999999):
        answer = searcher.search([PhotoQuery(photo, box)], tau=tau, withdrawn=frozenset({10, 30}))
        assert answer.matches
        assert not {match.model_id for match in answer.matches} & {10, 30}


def test_with_everything_withdrawn_there_is_no_match(searcher, onboarded):
    photo, box = photo_of(onboarded["chair"], 3)
    answer = searcher.search([PhotoQuery(photo, box)], withdrawn=frozenset({10, 20, 30, 40, 50}))
    assert answer.matches == ()
    assert answer.no_match is True


def test_an_empty_slice_is_widened_and_says_so(searcher):
    photo = Photo(np.random.default_rng(0).integers(0, 256, (20, 900, 3), dtype=np.uint8))
    answer = searcher.search([PhotoQuery(photo, Box(5, 8, 895, 11))], tau=0.95)
    assert answer.widened is True
    assert answer.tau_used < 0.95
    assert answer.matches
    photo, box = Photo(np.zeros((90, 90, 3), np.uint8)), Box(10, 10, 80, 80)
    assert searcher.search([PhotoQuery(photo, box)], tau=0.9).widened is False


def test_background_is_no_match(searcher):
    photo = Photo(np.full((120, 120, 3), (200, 190, 180), np.uint8))
    answer = searcher.search([PhotoQuery(photo, Box(20, 20, 100, 100))])
    assert answer.no_match is True
    assert answer.matches[0].confidence == "weak"


def test_several_photos_add_up_and_each_keeps_its_own_view(searcher, onboarded, entries):
    first, second = photo_of(onboarded["stool"], 2), photo_of(onboarded["stool"], 17)
    answer = searcher.search([PhotoQuery(*first), PhotoQuery(*second)], tau=0.6)
    alone = [searcher.search([PhotoQuery(*one)], tau=0.6) for one in (first, second)]
    best = answer.matches[0]
    assert best.model_id == entries[4].model_id
    assert [view.view_id - entries[4].first_view_id for view in best.views] == [2, 17]
    assert best.total == pytest.approx(sum(one.matches[0].total for one in alone), abs=1e-5)


def test_photos_with_known_turns_agree_on_the_heading(searcher, onboarded, entries):
    pair = [photo_of(onboarded["sofa"], k) for k in (1, 4)]  # 12 views around: a quarter between the two
    turned = [PhotoQuery(*one, turn=turn) for one, turn in zip(pair, (0.0, np.pi / 2), strict=True)]
    answer = searcher.search(turned, tau=0.5)
    assert answer.matches[0].model_id == entries[3].model_id
    for match in answer.matches:
        if len(match.views) == 2:
            apart = np.degrees(match.views[1].view.azimuth - match.views[0].view.azimuth) % 360
            assert apart == pytest.approx(90, abs=30)
    blind = searcher.search([PhotoQuery(*one) for one in pair], tau=0.5)
    one_known = searcher.search([turned[0], PhotoQuery(*pair[1])], tau=0.5)
    assert [match.total for match in one_known.matches] == [match.total for match in blind.matches]


def test_a_cut_off_box_is_left_out_where_another_photo_remains(searcher, onboarded):
    whole = photo_of(onboarded["chair"], 2)
    cut = Photo(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8))
    query = [PhotoQuery(cut, cut.full_box), PhotoQuery(*whole)]
    answer = searcher.search(query)
    assert [info.is_used for info in answer.queries] == [False, True]
    assert {view.photo for view in answer.matches[0].views} == {1}
    alone = searcher.search(query[1:])
    assert [match.total for match in answer.matches] == [match.total for match in alone.matches]
    assert searcher.search(query[:1]).queries[0].is_used is True


def test_without_a_box_the_object_is_found(searcher, onboarded):
    photo, box = photo_of(onboarded["shelf"], 2, border=60)
    info = searcher.search([PhotoQuery(photo)]).queries[0]
    assert info.box_source == "found"
    assert info.box.as_tuple() == pytest.approx(box.as_tuple(), abs=6)
    plain = Photo(np.full((50, 60, 3), 90, np.uint8))
    info = searcher.search([PhotoQuery(plain)]).queries[0]
    assert (info.box_source, info.box) == ("whole", Box(0, 0, 60, 50))


@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_of_boxes_found_about_as_surely_that_is_taken_which_shows_a_product(generation, onboarded, weight):
    """A part of the chair's picture that no product looks like is a little surer than the chair."""
    photo, box = photo_of(onboarded["chair"], 14, border=60)
    corner = Box(0, 0, 55, 55 * box.aspect)

    class Unsure:
        def detect(self, _):
            return [Detection(corner, 0.6), Detection(box, 0.5), Detection(Box(0, 0, 20, 20), 0.1)]

    parts = [registry.embedder("hog"), registry.adapter("identity"), Unsure()]
    searcher = Searcher(Library.open([generation]), *parts, config=SearchConfig(found_weight=weight))
    answer = searcher.search([PhotoQuery(photo)])
    boxes = [found.box for found in answer.queries[0].detections]
    assert answer.queries[0].box == (box if weight else corner)
    assert boxes == [*([box, corner] if weight else [corner, box]), Box(0, 0, 20, 20)]
    if weight:
        given = searcher.search([PhotoQuery(photo, box)], tau=searcher.config.found_tau)
        assert [match.total for match in answer.matches] == [match.total for match in given.matches]


def test_a_box_that_was_searched_with_to_choose_it_is_not_searched_with_again(
    generation, onboarded, monkeypatch
):
    """With another photo beside it, which has its own box, both are ranked together, and neither is seen twice."""
    photo, box = photo_of(onboarded["chair"], 14, border=60)
    corner = Box(0, 0, 55, 55 * box.aspect)

    class Unsure:
        def detect(self, _):
            return [Detection(corner, 0.6), Detection(box, 0.5)]

    embedder, seen = registry.embedder("hog"), []

    class Counting:
        info = embedder.info

        def embed(self, crops):
            seen.append(len(crops))
            return embedder.embed(crops)

    searcher = Searcher(
        Library.open([generation]), Counting(), registry.adapter("identity"), Unsure(), config=SearchConfig()
    )
    score, scored = searcher.library.score_photos, []
    monkeypatch.setattr(
        searcher.library,
        "score_photos",
        lambda crops, *terms: scored.append(len(crops)) or score(crops, *terms),
    )
    alone = searcher.search([PhotoQuery(photo)])
    assert len(seen) == len(scored) == 2
    other = PhotoQuery(*photo_of(onboarded["chair"], 3))
    both = searcher.search([PhotoQuery(photo), other])
    assert len(seen) == 5
    assert scored[2:] == [1, 1, 2]
    assert both.queries[0].box == alone.queries[0].box == box
    assert both.matches[0].total > alone.matches[0].total


def test_a_shop_with_nothing_to_show_still_says_what_was_found(searcher, onboarded, monkeypatch):
    photo, box = photo_of(onboarded["chair"], 14, border=60)

    class Unsure:
        def detect(self, _):
            return [Detection(box, 0.6), Detection(Box(0, 0, 40, 40), 0.5)]

    monkeypatch.setattr(searcher, "_detector", Unsure())
    answer = searcher.search([PhotoQuery(photo)], withdrawn=frozenset(map(int, searcher.library.model_ids)))
    assert (answer.queries[0].box, answer.matches) == (box, ())


def test_the_edges_of_a_found_box_may_be_off_and_those_of_a_given_one_less(searcher, onboarded, monkeypatch):
    photo, box = photo_of(onboarded["sofa"], 14)
    taller = Box(box.x0, box.y0 - 0.2 * box.height, box.x1, box.y1)

    class Off:
        def detect(self, _):
            return [Detection(taller, 0.9)]

    monkeypatch.setattr(searcher, "_detector", Off())
    found = searcher.search([PhotoQuery(photo)], tau=0.95)
    given = searcher.search([PhotoQuery(photo, box)], tau=0.95)
    assert (found.tau_used, given.tau_used) == (searcher.config.found_tau, 0.95)
    row_of = {searcher.library.view_id(row): row for row in range(len(searcher.library))}
    aspects = open_generation(searcher.library.generations[0].folder).aspects
    for answer, searched in ((found, taller), (given, box)):
        rows = [row_of[match.view_id] for match in answer.matches]
        off = np.exp(-np.abs(np.log(aspects[rows] / searched.aspect)))
        assert off.min() >= answer.tau_used
    assert found.matches[0].model_id == given.matches[0].model_id
    wider = searcher.search([PhotoQuery(photo)], tau=0.5)
    assert wider.tau_used == 0.5, "what was asked for stays, where it lets more in"


@pytest.mark.parametrize(
    "box", [Box(10, 10, 10, 40), Box(50, 10, 20, 40), Box(200, 0, 300, 50), Box(float("nan"), 0, 10, 10)]
)
def test_a_box_without_area_in_the_photo_is_refused(searcher, box):
    with pytest.raises(BadBox, match="box"):
        searcher.search([PhotoQuery(Photo(np.zeros((100, 100, 3), np.uint8)), box)])


def test_a_box_beyond_the_photo_is_clipped(searcher):
    photo = Photo(np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8))
    info = searcher.search([PhotoQuery(photo, Box(-20, 10, 60, 130))]).queries[0]
    assert info.box == Box(0, 10, 60, 100)


def test_stages_are_told_in_order_and_timed(searcher, onboarded):
    told = []
    answer = searcher.search([PhotoQuery(*photo_of(onboarded["sofa"], 1))], on_stage=told.append)
    assert told == ["looking", "matching", "fitting"]
    assert {"looking", "embed", "matching", "search", "fitting"} <= set(answer.seconds)


def test_a_last_look_orders_the_first_products_and_takes_their_views(generation, onboarded, entries):
    """Only the best `verified` are looked at, each by its best views; what it says is weighed against the ranking."""
    photo, box = photo_of(onboarded["chair"], 4)
    plain = Searcher.open(generation).search([PhotoQuery(photo, box)], tau=0.3)
    assert len(plain.matches) == 5
    asked = []

    def verify(seen, at, wanted):
        assert (seen, at) == (photo, box)
        asked.extend(wanted)
        return [
            np.arange(len(which), dtype=np.float32) + 50 * place + 10
            for place, (_, which, _) in enumerate(wanted)
        ]

    directories = dict(zip([entry.model_id for entry in entries], onboarded.values(), strict=True))
    config = SearchConfig(verified=3, verified_views=2, verify_weight=0.5, shape_verify_weight=0.5)
    searcher = Searcher.open(generation, config=config)
    searcher._match = Matcher(searcher.library, config, verify)
    answer = searcher.search(
        [PhotoQuery(photo, box)], tau=0.3, model_directory=directories.__getitem__, pose_top=0
    )
    before = [match.model_id for match in plain.matches]
    assert [match.model_id for match in answer.matches] == [*before[:3][::-1], *before[3:]]
    assert [directory for directory, _, _ in asked] == [directories[model] for model in before[:3]]
    for match in answer.matches[:3]:
        _, which, count = asked[before.index(match.model_id)]
        assert count == 24
        entry = entries[[one.model_id for one in entries].index(match.model_id)]
        assert match.view_id - entry.first_view_id == which[-1]  # the one it finds likeliest
    assert answer.matches[0].total > answer.matches[1].total

    # what it recognizes nothing in it has no say about
    def unsure(seen, at, wanted):
        return [
            np.full(len(which), 4.0 - place, np.float32) for place, (_, which, _) in enumerate(wanted[::-1])
        ]

    searcher._match = Matcher(searcher.library, config, unsure)
    answer = searcher.search(
        [PhotoQuery(photo, box)], tau=0.3, model_directory=directories.__getitem__, pose_top=0
    )
    assert [match.model_id for match in answer.matches] == before

    searcher._match = Matcher(searcher.library, config, verify)

    def gone(model):
        if model != before[2]:
            raise ViewsCorrupt("the views can't be read; import the model again")
        return directories[model]

    # one alone is no order, and what can't be looked at stays where it was
    answer = searcher.search([PhotoQuery(photo, box)], tau=0.3, model_directory=gone, pose_top=0)
    assert [match.model_id for match in answer.matches] == before


class _KnowsTheBox:
    """A last look that gives the first product asked about so many log-odds in each box, elsewhere few."""

    def __init__(self, odds):
        self.odds, self.boxes = odds, []

    def __call__(self, photo, box, wanted):
        self.boxes.append(box)
        said = self.odds.get(box, -3.0)
        return [
            np.full(len(which), -5.0 if place else said, np.float32)
            for place, (_, which, _) in enumerate(wanted)
        ]


def _drawing(generation, entries, onboarded, verify, found, **config):
    """A searcher whose detector finds those boxes, and a search with one box by it."""
    parts = [registry.embedder("hog"), registry.adapter("identity")]
    detector = SimpleNamespace(detect=lambda _: [Detection(box, 0.9) for box in found])
    searcher = Searcher(
        Library.open([generation]), *parts, detector, config=SearchConfig(**config), verify=verify
    )
    directories = dict(zip([entry.model_id for entry in entries], onboarded.values(), strict=True))

    def search(*queries):
        return searcher.search(queries, tau=0.3, model_directory=directories.__getitem__, pose_top=0)

    return search


def test_a_box_in_which_nothing_is_recognized_is_drawn_anew(generation, entries, onboarded, monkeypatch):
    """Tried are the box drawn to the thing's edges and the one a detector finds there, until one shows a product; what
    is searched with then is what a search by that box alone finds."""
    photo, box = photo_of(onboarded["chair"], 4)
    given = Box(box.x0 - 6, box.y0 - 5, box.x1 + 7, box.y1 + 4)
    near = Box(box.x0 + 0.1 * box.width, box.y0, box.x1, box.y1)
    monkeypatch.setattr(redrawing, "tightened", lambda _, boxes: [box for _ in boxes])

    verify = _KnowsTheBox({box: 20.0})
    answer = _drawing(generation, entries, onboarded, verify, [near])(PhotoQuery(photo, given))
    assert verify.boxes == [given, box], "recognized in the second, so the third isn't tried"
    assert (answer.queries[0].box, answer.queries[0].box_source) == (box, "shopper")
    assert answer.matches[0].recognized == 20.0
    alone = _drawing(generation, entries, onboarded, verify, [])(PhotoQuery(photo, box))
    assert [match.total for match in answer.matches] == [match.total for match in alone.matches]
    assert answer.best == alone.best

    verify = _KnowsTheBox({near: 20.0})
    answer = _drawing(generation, entries, onboarded, verify, [near])(PhotoQuery(photo, given))
    assert verify.boxes == [given, box, near]
    assert answer.queries[0].box == near


def test_of_several_photos_each_box_is_drawn_anew_by_itself(generation, entries, onboarded, monkeypatch):
    photo, box = photo_of(onboarded["chair"], 4)
    given = Box(box.x0 - 6, box.y0 - 5, box.x1 + 7, box.y1 + 4)
    monkeypatch.setattr(redrawing, "tightened", lambda _, boxes: [box for _ in boxes])
    verify = _KnowsTheBox({box: 20.0})
    search = _drawing(generation, entries, onboarded, verify, [])

    answer = search(PhotoQuery(photo, given), PhotoQuery(photo, photo.full_box), PhotoQuery(photo, box))

    assert [info.box for info in answer.queries] == [box, photo.full_box, box]
    assert verify.boxes[:3] == [given, box, box], "each alone, and the whole photo not at all"
    exact = search(PhotoQuery(photo, box), PhotoQuery(photo, photo.full_box), PhotoQuery(photo, box))
    assert [match.total for match in answer.matches] == [match.total for match in exact.matches]


def test_a_box_in_which_something_is_recognized_or_that_is_as_good_stays(
    generation, entries, onboarded, monkeypatch
):
    photo, box = photo_of(onboarded["chair"], 4)
    given = Box(box.x0 - 6, box.y0 - 5, box.x1 + 7, box.y1 + 4)
    monkeypatch.setattr(redrawing, "tightened", lambda _, boxes: [box for _ in boxes])
    query = PhotoQuery(photo, given)

    verify = _KnowsTheBox({given: 12.5, box: 20.0})
    assert _drawing(generation, entries, onboarded, verify, [])(query).queries[0].box == given
    assert verify.boxes == [given]
    verify = _KnowsTheBox({box: 20.0})
    off = _drawing(generation, entries, onboarded, verify, [], recognized=0.0)
    assert off(query).queries[0].box == given
    verify = _KnowsTheBox({box: 20.0})
    asked_more = _drawing(generation, entries, onboarded, verify, [], redrawn_margin=5.0)
    assert asked_more(query).queries[0].box == given
    assert verify.boxes == [given, box]
    verify = _KnowsTheBox({})
    whole = _drawing(generation, entries, onboarded, verify, [box])(PhotoQuery(photo, photo.full_box))
    assert whole.queries[0].box == photo.full_box
    assert verify.boxes == [photo.full_box]
    # a found box has its edges drawn already
    verify = _KnowsTheBox({box: 20.0})
    assert (
        _drawing(generation, entries, onboarded, verify, [given])(PhotoQuery(photo)).queries[0].box == given
    )


def test_the_last_look_is_left_out_by_the_index_and_without_models(generation, onboarded, entries):
    photo, box = photo_of(onboarded["chair"], 4)
    directories = dict(zip([entry.model_id for entry in entries], onboarded.values(), strict=True))
    looked = Searcher.open(generation).search(
        [PhotoQuery(photo, box)], tau=0.3, model_directory=directories.__getitem__, pose_top=0
    )
    assert looked.seconds["verify"] > 0
    assert looked.matches[0].model_id == entries[0].model_id
    assert "verify" not in Searcher.open(generation).search([PhotoQuery(photo, box)], tau=0.3).seconds


def test_poses_are_fitted_for_the_first_products_only(generation, onboarded):
    asked = []

    def fit(photo, box, directory, view):
        asked.append((directory, view))

    searcher = Searcher.open(generation, fit_pose=fit)
    query = [PhotoQuery(*photo_of(onboarded["sofa"], 1))]
    directories = dict(zip((10, 20, 30, 40, 50), onboarded.values(), strict=True))
    answer = searcher.search(query, tau=0.05, model_directory=directories.__getitem__, pose_top=2)
    assert asked == [(directories[match.model_id], match.view) for match in answer.matches[:2]]
    assert len(answer.matches) == 5


def test_the_best_product_is_laid_over_the_photo(searcher, onboarded):
    photo, box = photo_of(onboarded["chair"], 14)
    answer = searcher.search(
        [PhotoQuery(photo, box)], model_directory=lambda _: onboarded["chair"], pose_top=1
    )
    pose = answer.matches[0].pose
    scene = RayScene(load_mesh(onboarded["chair"] / "mesh.npz"))
    outline = mask_box(silhouette(scene, pose.camera))
    assert outline.as_tuple() == pytest.approx(box.as_tuple(), abs=2)


def test_a_model_that_is_gone_costs_its_pose_and_not_the_answer(searcher, onboarded, tmp_path):
    query = [PhotoQuery(*photo_of(onboarded["chair"], 14))]
    answer = searcher.search(query, model_directory=lambda _: tmp_path / "gone")
    assert answer.matches
    assert all(match.pose is None for match in answer.matches)


def test_an_appended_generation_is_searched_too_and_replaces_its_models(entries, onboarded, tmp_path):
    main, more = tmp_path / "main", tmp_path / "more"
    build_generation(entries[:3], main, embedder_name="hog", calibration=QUICK)
    # the table is rendered as what was the chair, and the sofa is new
    replaced = GenerationEntry(entries[1].model_id, onboarded["chair"], 50_000)
    build_generation([replaced, entries[3]], more, embedder_name="hog", calibration=QUICK)
    searcher = Searcher.open(main, appended=[more])
    sofa = searcher.search([PhotoQuery(*photo_of(onboarded["sofa"], 4))], tau=0.8).matches[0]
    assert (sofa.model_id, sofa.view_id) == (40, entries[3].first_view_id + 4)
    chair = searcher.search([PhotoQuery(*photo_of(onboarded["chair"], 4))], tau=0.8).matches[:2]
    assert {match.model_id for match in chair} == {10, 20}
    assert {match.view_id for match in chair} == {entries[0].first_view_id + 4, 50_004}
    table = searcher.search([PhotoQuery(*photo_of(onboarded["table"], 4))], tau=0.5)
    assert all(match.score < 0.99 for match in table.matches)


def test_opening_with_another_embedder_is_refused(generation, monkeypatch):
    monkeypatch.setattr(registry.embedder("hog"), "info", type("Info", (), {"fingerprint": "hog-new"})())
    with pytest.raises(
        GenerationMismatch, match=r"embedder hog-.*, this is hog-new; run manage.py build_index"
    ):
        Searcher.open(generation)


def test_opening_a_damaged_generation_is_refused(generation, tmp_path):
    copied = shutil.copytree(generation, tmp_path / "copy")
    (copied / "vectors.npy").write_bytes(b"")
    with pytest.raises(GenerationCorrupt, match=r"vectors.npy has 0 bytes"):
        Searcher.open(copied)
