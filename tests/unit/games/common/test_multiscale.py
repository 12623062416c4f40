"""Losses over several scales of a critic and over features of a fixed network."""

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.games.common.multiscale import Perception, halves, over_scales, unlikeness
from sparring.games.gaugan import GauGAN
from sparring.objectives import LeastSquares
from support.painters import LEARN, REGIONS, by_hand, flat, mapped, scales, small


def real_or_fake(real, fake):
    return lambda x: torch.where(x.mean((1, 2, 3), keepdim=True) < -0.5, real, fake).expand(-1, 1, 2, 2)


def test_the_hinge_is_averaged_over_scales_and_separates_real_from_fake():
    D = scales((flat(0.0), real_or_fake(0.25, -2.0)), (flat(0.0), real_or_fake(3.0, -0.5)))
    moves = dict(by_hand(D))
    assert moves["D"]["adversarial"] == pytest.approx(((0.75 + 0) + (0 + 0.5)) / 2)
    assert moves["G"]["adversarial"] == pytest.approx((2.0 + 0.5) / 2)
    least = dict(by_hand(D, objective=LeastSquares()))
    assert least["D"]["adversarial"] == pytest.approx((0.75**2 + 4 + 4 + 0.25) / 4)


def test_features_are_matched_at_every_scale_and_scores_are_left_out():
    D = scales((real_or_fake(1.0, 3.0), real_or_fake(50.0, -50.0)), (real_or_fake(0.5, 0.0), flat(0.0)))
    moves = dict(by_hand(D))
    assert moves["G"]["matching"] == pytest.approx(10 * (2.0 + 0.5) / 2)
    assert dict(by_hand(D, matching=3.0))["G"]["matching"] == pytest.approx(3 * 1.25)
    seen = [torch.ones(2, 3), torch.zeros(2, 5), torch.full((1,), 9.0)]
    known = [torch.zeros(2, 3), torch.full((2, 5), -2.0), torch.zeros(1)]
    assert unlikeness(seen, known).item() == pytest.approx(1 + 2), "a sum over maps, a mean within each"
    assert over_scales(unlikeness, [seen, known], [known, known]).item() == pytest.approx(1.5)


class Colours(nn.Module):
    """Feature maps of a perceptual network: an image, and its double through a layer that drops half."""

    def __init__(self):
        super().__init__()
        self.gain, self.drop = nn.Parameter(torch.tensor(2.0)), nn.Dropout(0.5)

    def forward(self, x):
        return [x, self.drop(self.gain * x)]


def test_the_perceptual_term_weighs_the_maps_of_a_fixed_network():
    V = Perception(Colours(), (0.25, 1.0), 10.0)
    V.network.eval()
    moves = dict(by_hand(scales((flat(0.0), flat(0.0))), perception=V))
    assert moves["G"]["perception"] == pytest.approx(10 * (0.25 * 1 + 1.0 * 2))
    torch.manual_seed(0)
    networks = [getattr(small(), name) for name in "GDE"]
    game = GauGAN(*networks, regions=REGIONS, perception=Perception(Colours(), (0.25, 1.0)), **LEARN)
    assert "perception" in check_game(game, mapped()).terms["G"]
    assert game.train().D.training
    assert not game.V.training
    assert not game.V.gain.requires_grad


def test_halves_are_cut_map_by_map():
    first, second = halves([[torch.arange(4), torch.arange(4) + 10], [torch.arange(4) + 20]])
    assert [[each.tolist() for each in scale] for scale in first] == [[[0, 1], [10, 11]], [[20, 21]]]
    assert [[each.tolist() for each in scale] for scale in second] == [[[2, 3], [12, 13]], [[22, 23]]]
