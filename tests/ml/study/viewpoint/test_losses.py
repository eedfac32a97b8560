"""The five formulations against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ml.study.viewpoint.losses import (
    bins_of,
    classification_losses,
    decode_bins,
    decode_cosines,
    geometry_losses,
    joint_losses,
    phases_of,
    regression_losses,
)

DEGREE = math.pi / 180


def test_two_components_are_cosine_and_sine() -> None:
    # at 90 degrees the target is (0, 1); off by 0.5 and by 3: Huber gives 0.5 * 0.25 and 3 - 0.5
    loss = regression_losses(torch.tensor([[0.5, 4.0]]), torch.tensor([[90 * DEGREE]]))
    assert loss.item() == pytest.approx(0.125 + 2.5, abs=1e-5)


def test_three_components_are_cosines_sixty_degrees_apart() -> None:
    # at 0 the targets are (0.5, 1, 0.5); all zero is off by those: 0.125 + 0.5 + 0.125
    loss = regression_losses(torch.zeros(1, 3), torch.zeros(1, 1))
    assert loss.item() == pytest.approx(0.75, abs=1e-6)


def test_direct_classification_is_the_right_bins_surprise() -> None:
    # four bins, the logarithms of 1, 2, 3, 4 tenths; 95 degrees is nearest to the second bin, 90
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    loss = classification_losses(logits, torch.tensor([[95 * DEGREE]]))
    assert loss.item() == pytest.approx(-math.log(0.2), abs=1e-6)


def test_geometry_aware_classification_charges_neighbors_less() -> None:
    # a uniform output says log 1/360 everywhere; the weights sum to 1 + 2 (r + ... + r^179) + r^180, r = e^(-1/3)
    r = math.exp(-1 / 3)
    weights = 1 + 2 * sum(r**k for k in range(1, 180)) + r**180
    loss = geometry_losses(torch.zeros(1, 360), torch.tensor([[10 * DEGREE]]))
    assert loss.item() == pytest.approx(weights * math.log(360), rel=1e-5)


def test_geometry_aware_distance_goes_the_short_way_round() -> None:
    sharp = torch.full((2, 360), -20.0)
    sharp[0, 359], sharp[1, 2] = 20.0, 20.0
    near, far = geometry_losses(sharp, torch.tensor([[0.0], [0.0]]))
    assert near < far  # 1 degree away, not 359


def test_joint_classification_has_one_background() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.25]]).log().repeat(3, 1)
    azimuths = torch.tensor([[180 * DEGREE]] * 3)
    is_object, is_round = torch.tensor([True, False, True]), torch.tensor([False, False, True])
    losses = joint_losses(logits, azimuths, is_object, is_round)
    expected = [-math.log(0.3), -math.log(0.25), -math.log(0.75)]
    assert losses.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss", [regression_losses, classification_losses])
def test_any_of_a_symmetric_objects_azimuths_is_right(loss) -> None:
    output = torch.tensor([[-1.0, 0.0, -1.0, 0.5]])[:, : 2 if loss is regression_losses else 4]
    both = torch.tensor([[0.0, math.pi]])
    each = [loss(output, both[:, k : k + 1]).item() for k in (0, 1)]
    assert loss(output, both).item() == pytest.approx(min(each))
    assert each[0] != pytest.approx(each[1]) or loss is classification_losses


@pytest.mark.parametrize("components", [2, 3])
@pytest.mark.parametrize("degrees", [0, 44, 90, 181, 300])
def test_what_is_encoded_is_decoded(components: int, degrees: float) -> None:
    output = torch.cos(torch.tensor([[degrees * DEGREE]]) + phases_of(components))
    assert decode_cosines(0.3 * output).item() == pytest.approx(degrees * DEGREE, abs=1e-5)


def test_bins_are_centered_and_the_last_half_joins_the_first() -> None:
    angles = torch.tensor([0.0, 7.4, 7.6, 352.4, 352.6]) * DEGREE
    assert bins_of(angles, 24).tolist() == [0, 0, 1, 23, 0]


def test_likely_neighbors_move_the_estimate() -> None:
    probabilities = torch.zeros(2, 24)
    probabilities[0, 0], probabilities[0, 23] = 0.5, 0.5
    probabilities[1, 6] = 1.0
    found = decode_bins(probabilities) / DEGREE
    assert found.tolist() == pytest.approx([352.5, 90.0], abs=1e-3)
