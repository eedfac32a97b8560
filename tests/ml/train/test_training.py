"""Pairs, composites, losses and the loop, on a handful of small models."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ml.embed.networks import ViewNet, ViewNets, ViewNetShape, ViewNetsShape
from ml.train.loop import Data, Recipe, Training
from ml.train.losses import Bank, alike, best_positives, info_nce
from ml.train.models import held_out
from ml.train.pairs import NO_PART, SIDE, PairSet, open_pairs, parametric_specs, render_pairs
from ml.train.photos import PhotoSet, fits_category, load_photos
from ml.train.relighting import Composer, Randomness
from ml.train.sightings import SIGHTING_SIDE, Sightings
from ml.train.whitening import whiten
from ml.types import ModelFile

SHAPE = ViewNetShape(widths=(8, 8, 8, 8), blocks=(0, 1, 1, 1), cell=8, dim=16)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    folder = tmp_path_factory.mktemp("pairs")
    specs = [spec for spec in parametric_specs(1, 5) if spec.family in {"chair", "mug", "table", "bed"}]
    assert render_pairs(specs, folder, seed=1, workers=1) == []
    return open_pairs(folder)


@pytest.fixture(scope="module")
def data(pairs: PairSet) -> Data:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 112, 112), dtype=np.uint8)
    furniture = PhotoSet(pixels, np.arange(12) % 2, ("bed", "chair"))
    caltech = PhotoSet(pixels[::-1].copy(), np.arange(12) % 3, ("ant", "bass", "crab"))
    return Data(pairs, furniture, caltech, torch.from_numpy(pixels), absent=12)


def test_queries_and_plain_views_of_a_pair_show_the_same_outline(pairs: PairSet) -> None:
    assert len(pairs.names) == 4
    alpha = pairs.queries[..., 4] != NO_PART
    plain = np.abs(pairs.plain.astype(int) - 128) > 6
    agreement = [(a & b).sum() / (a | b).sum() for a, b in zip(alpha, plain, strict=True)]
    wrong = [(a & b).sum() / (a | b).sum() for a, b in zip(alpha, np.roll(plain, 24, axis=0), strict=True)]
    assert np.median(agreement) > 0.6
    assert np.median(agreement) > 1.2 * np.median(wrong)


def test_normals_are_unit_and_face_the_camera(pairs: PairSet) -> None:
    seen = pairs.queries[..., 4] != NO_PART
    normals = np.asarray(pairs.queries[..., :3]).view(np.int8)[seen] / 127
    lengths = np.linalg.norm(normals, axis=1)
    assert np.quantile(np.abs(lengths - 1), 0.99) < 0.02  # a bent normal at an outline may be shorter
    assert lengths.max() < 1.02
    assert (normals[:, 2] < 0.4).all()  # z is forward: off-axis rays let a few lean away


def test_without_randomness_a_composite_is_the_object_on_its_background(pairs: PairSet) -> None:
    backgrounds = torch.full((2, 112, 112), 200, dtype=torch.uint8)
    still = Randomness(
        plain_background=0, clutter=0, occluder=0, shrink=0, shift=0, blur=0, coarse=0, noise=0
    )
    rows = np.arange(0, 96, 8)
    composer = Composer(backgrounds, 3, still)
    queries = torch.from_numpy(pairs.queries[rows])

    picture = composer.compose(queries, torch.from_numpy(pairs.up[rows]))

    assert picture.shape == (12, 1, SIDE, SIDE)
    assert float(picture.min()) >= 0
    assert float(picture.max()) <= 1
    corners = picture[:, 0, :2, :2].flatten(1)
    is_empty = (queries[:, :8, :8, 4] == NO_PART).flatten(1).all(1)
    assert bool(is_empty.any())
    spread = corners[is_empty].max(1).values - corners[is_empty].min(1).values
    assert float(spread.max()) < 0.05  # the even background shows through


def test_composites_are_the_same_for_the_same_seed(pairs: PairSet, data: Data) -> None:
    queries, up = torch.tensor(pairs.queries[:8]), torch.tensor(pairs.up[:8])
    first = Composer(data.backgrounds, 3).compose(queries, up)
    assert torch.equal(first, Composer(data.backgrounds, 3).compose(queries, up))
    assert not torch.equal(first, Composer(data.backgrounds, 4).compose(queries, up))


def test_info_nce_is_least_for_the_right_pairs_and_leaves_out_the_ignored() -> None:
    right = 20 * torch.eye(4)
    none = torch.zeros(4, 4, dtype=torch.bool)
    loss, found = info_nce(right, none)
    assert float(loss) < 1e-6
    assert float(found) == 1
    shifted, missed = info_nce(right.roll(1, 0), none)
    assert float(shifted) > 10
    assert float(missed) == 0
    forgiven, _ = info_nce(right.roll(1, 0), right.roll(1, 0) > 0)
    assert float(forgiven) < 2


def test_patches_of_nothing_are_wrong_for_the_renders_alone() -> None:
    right, none = 20 * torch.eye(4), torch.zeros(4, 4, dtype=torch.bool)
    near = torch.full((4, 3), 20.0)
    loss, found = info_nce(right, none, below=near)
    assert float(loss) == pytest.approx(np.log(4) / 2, abs=1e-3)  # one right of four equal ones, one way
    assert float(found) == 1
    far, _ = info_nce(right, none, below=near - 40)
    assert float(far) < 1e-6


def test_alike_views_of_one_model_are_not_wrong_but_those_of_another_are() -> None:
    picture = torch.randint(0, 255, (1, 24, 24), dtype=torch.uint8)
    plain = torch.cat([picture, picture, picture, 255 - picture])
    same = alike(plain, torch.tensor([0, 0, 1, 0]))
    assert same.tolist() == [[False, True, False, False], [True, False, False, False]] + 2 * [[False] * 4]


def test_best_positives_are_each_held_against_all_that_is_wrong() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.1, 0.5], [0.1, 0.1, 0.3, 0.5]])).requires_grad_()
    positive = torch.tensor([[True, True, True, False], [False, False, False, False]])
    by_hand = (np.log(1 + 0.5 / 0.2) + np.log(1 + 0.5 / 0.3)) / 2  # a row with nothing right says nothing
    loss = best_positives(logits, positive, count=2)
    assert float(loss.detach()) == pytest.approx(by_hand, abs=1e-6)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = logits.grad
    assert gradient is not None
    assert (gradient[0, :2] < 0).all()
    assert gradient[0, 2] == 0  # the third best
    assert gradient[0, 3] > 0
    assert float(best_positives(logits, positive, count=9).detach()) == pytest.approx(
        (2 * by_hand + np.log(1 + 0.5 / 0.1)) / 3, abs=1e-6
    )
    assert float(best_positives(logits[1:], positive[1:], count=2).detach()) == 0


def test_bank_forgets_the_oldest() -> None:
    bank = Bank(4, 2)
    bank.add(torch.ones(3, 2), torch.tensor([1, 2, 3]))
    bank.add(2 * torch.ones(2, 2), torch.tensor([4, 5]))
    assert bank.model.tolist() == [5, 2, 3, 4]
    assert bank.vectors[:, 0].tolist() == [2, 1, 1, 2]


def test_training_learns_stops_and_goes_on_where_it_stopped(data: Data, tmp_path: Path) -> None:
    recipe = Recipe(
        shape=SHAPE, steps=120, pairs=8, views_a_model=2, photos=4, bank=16, absent=3, warmup=5, seed=2
    )
    data = replace(data, pairs=_bare(data.pairs))
    straight = Training(recipe, data, tmp_path)
    assert straight.run(minutes=5, save_every=99, tell=lambda _: None)
    early = np.mean([step.pairs for step in straight.history[:8]])
    late = np.mean([step.pairs for step in straight.history[-8:]])
    assert late < 0.8 * early

    again = Training(recipe, data, tmp_path)
    assert again.resume()
    assert again.step == 120
    assert len(again.history) == 120
    for name, value in again.averaged.state_dict().items():
        assert torch.equal(value, straight.averaged.state_dict()[name])
    with pytest.raises(ValueError, match="another recipe"):
        Training(replace(recipe, seed=3), data, tmp_path).resume()


def test_rooms_take_their_share_of_a_batch_beside_views_of_the_models_they_show(
    data: Data, tmp_path: Path
) -> None:
    """Sighting k shows the model of spec k; its views are even grays of 10 k and 10 k + 100. The last one's was left out."""
    gray = np.arange(5, dtype=np.uint8)[:, None, None]
    views = [np.broadcast_to(10 * gray + more, (5, SIDE, SIDE)).copy() for more in (0, 100)]
    pictures = np.broadcast_to(gray, (5, SIGHTING_SIDE, SIGHTING_SIDE)).copy()
    specs = np.array([0, 1, 2, 3, 99], np.int32)
    seen = replace(data, sightings=Sightings(pictures, views[0], views[1], specs))
    recipe = Recipe(shape=SHAPE, pairs=6, views_a_model=1, room_share=0.5, photos=4, bank=16)
    training = Training(recipe, seen, tmp_path)
    models = set()
    for number in range(12):
        batch = training._batch(np.random.default_rng(number), Composer(data.backgrounds, number))
        assert batch.pictures.shape[0] == 12 + len(batch.labels)
        of_rooms = batch.gallery[3:].flatten(1)[:, 0]
        offset = 0 if batch.kind == "plain" else 100
        assert of_rooms.tolist() == (10 * batch.model[3:] + offset).tolist()
        models |= set(batch.model[3:].tolist())
    assert models == {0, 1, 2, 3}


def test_models_that_differ_by_proportions_stand_side_by_side_among_their_kind(
    data: Data, tmp_path: Path
) -> None:
    names, origin = ("chair",) * 4, np.array([0, 1, 0, 1], np.int32)
    kin = replace(data, pairs=replace(data.pairs, names=names, origin=origin))
    recipe = Recipe(shape=SHAPE, pairs=4, views_a_model=2, kin_share=1.0, photos=4, bank=16)
    training = Training(recipe, kin, tmp_path)
    training.step = 1  # a step of several views a model
    drawn = set()
    for number in range(20):
        models = data.pairs.model[training._rows(np.random.default_rng(number))]
        drawn.add(tuple(sorted(set(models.tolist()))))
    assert drawn == {(0, 2), (1, 3)}


def test_between_start_and_end_lies_their_mean_with_statistics_of_its_own(data: Data, tmp_path: Path) -> None:
    recipe = Recipe(shape=SHAPE, steps=6, pairs=4, views_a_model=2, photos=4, bank=16, warmup=2, seed=2)
    training = Training(recipe, data, tmp_path)
    start = copy.deepcopy(training.averaged)
    assert training.run(minutes=5, save_every=99, tell=lambda _: None)

    made = training.between(start, 0.25, batches=3)

    before, after, mean = start.state_dict(), training.averaged.state_dict(), made.state_dict()
    for name, value in mean.items():
        if "running" in name:
            assert torch.isfinite(value).all()
        elif value.dtype.is_floating_point:
            assert torch.allclose(value, 0.25 * before[name] + 0.75 * after[name], atol=1e-6), name
    assert not torch.equal(mean["trunk.2.running_mean"], after["trunk.2.running_mean"])
    assert not made.training
    end = training.between(start, 0.0, batches=3).state_dict()
    assert torch.equal(end["to_vector.weight"], after["to_vector.weight"])


def test_a_run_ends_with_its_minutes_and_the_whole_with_its_limit(data: Data, tmp_path: Path) -> None:
    recipe = Recipe(shape=SHAPE, steps=10_000, pairs=4, photos=4, bank=16, limit_minutes=60)
    training = Training(recipe, data, tmp_path)
    assert not training.run(minutes=0, save_every=99, tell=lambda _: None)
    assert training.step == 1
    training.seconds = 3600.0
    assert training.run(minutes=5, save_every=99, tell=lambda _: None)
    assert training.step == 1


def test_network_gives_unit_vectors_and_unit_cells() -> None:
    vectors, cells, pooled = ViewNet(SHAPE).eval()(torch.rand(3, 1, 96, 96))
    assert vectors.shape == (3, 16)
    assert cells.shape == (3, 8, 6, 6)
    assert pooled.shape == (3, 8)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(cells.norm(dim=1), torch.ones(3, 6, 6), atol=1e-5)


def test_networks_side_by_side_give_one_vector_and_one_map_of_cells() -> None:
    torch.manual_seed(0)
    members = [ViewNet(SHAPE), ViewNet(SHAPE)]
    joined = ViewNets(members, ViewNetsShape(2, 16, 8, compact=12, cell=5)).eval()
    crops = torch.rand(3, 1, 96, 96)
    with torch.inference_mode():
        vectors, cells = joined(crops)
        raw, finer = joined.seen(crops)
        of_second, _, _ = members[1](crops)
        map_of_second = members[1].trunk[:-1]((crops - 0.5) * 4)  # before its last block, at 12 x 12
    assert (vectors.shape, cells.shape) == ((3, 12), (3, 5, 6, 6))
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(cells.norm(dim=1), torch.ones(3, 6, 6), atol=1e-5)
    assert torch.allclose(raw[1], of_second, atol=1e-6)
    averaged = map_of_second.unflatten(3, (6, 2)).unflatten(2, (6, 2)).mean(dim=(3, 5))
    assert torch.allclose(finer[1], torch.nn.functional.normalize(averaged, dim=1), atol=1e-6)


def test_whitening_evens_out_the_directions_renders_share() -> None:
    torch.manual_seed(0)
    networks = ViewNets([ViewNet(SHAPE), ViewNet(SHAPE)], ViewNetsShape(2, 16, 8, compact=20, cell=8))
    rng = np.random.default_rng(0)
    pictures = (rng.random((200, 1, 1)) * rng.integers(0, 255, (200, 96, 96))).astype(np.uint8)
    whiten(networks, pictures)
    with torch.inference_mode():
        gray = torch.from_numpy(pictures).float()[:, None] / 255
        (raw, finer), (vectors, cells) = networks.seen(gray), networks(gray)
    rows = finer[:, ::4].movedim(2, -1).flatten(1, 3)  # the pictures whose cells are looked at
    for whitening, before, power in ((networks.vector, raw, 0.4), (networks.cells, rows, 0.3)):
        for part, center, turn in zip(before, whitening.centers, whitening.turns, strict=True):
            turned = (part - center) @ turn
            assert torch.allclose(turned.mean(dim=0), torch.zeros(turned.shape[1]), atol=1e-3)
            covariance = torch.cov(turned.T)
            spread, was = covariance.diagonal(), torch.linalg.eigvalsh(torch.cov(part.T)).flip(0)
            assert torch.allclose(covariance, torch.diag(spread), atol=0.01 * float(spread.max()))
            wanted = float(was[2] / was[0]) ** (1 - 2 * power)
            assert float(spread[2] / spread[0]) == pytest.approx(wanted, rel=0.05)
        together = torch.cov(whitening.apart(before).T)
        kept = torch.cov(((whitening.apart(before) - whitening.center) @ whitening.turn).T)
        strongest = torch.linalg.eigvalsh(together).flip(0)[: len(kept)]
        assert torch.allclose(kept.diagonal(), strongest, atol=0.02 * float(strongest[0]))
    for whitening, before, found in (
        (networks.vector, raw, vectors),
        (networks.cells, finer.movedim(2, -1), cells.movedim(1, -1)),
    ):
        turned = (whitening.apart(before) - whitening.center) @ whitening.turn
        assert torch.allclose(found, torch.nn.functional.normalize(turned, dim=-1), atol=1e-5)


def test_photos_named_by_queries_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "chair").mkdir()
    for name in ("1.png", "2.png", "3.png"):
        cv2.imwrite(str(tmp_path / "chair" / name), np.full((40, 40), 100 + int(name[0]), np.uint8))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"photo": "chair/2.png", "box": "full"}) + "\n")

    photos = load_photos(tmp_path, tmp_path / "cache.npz")

    assert photos.pixels[:, 50, 50].tolist() == [101, 103]
    assert photos.labels == ("chair",)


def test_names_fit_photo_categories() -> None:
    fits = fits_category(["Office chair", "Bed 2", "Embedded lamp"], ["bed", "chair", "unheard of"])
    assert fits.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_held_out_by_mesh_and_by_names_of_more_than_a_word() -> None:
    models = [
        ("KatorLegaz", ModelFile(key="a", path=Path("a"), name="Club armchair 2"), "h1"),
        ("KatorLegaz", ModelFile(key="b", path=Path("b"), name="Chair"), "h2"),
        ("Other", ModelFile(key="c", path=Path("c"), name="Club Armchair"), "h3"),
    ]
    hashes, families = held_out(models)
    assert hashes == {"h1", "h2"}
    assert families == {"club armchair"}


def _bare(pairs: PairSet) -> PairSet:
    """Every third pair shows the model with nothing in or on it: what so small a network learns in so few steps."""
    names = ("queries", "plain", "coarse", "model", "azimuth", "up")
    return replace(pairs, **{name: getattr(pairs, name)[::3] for name in names})
