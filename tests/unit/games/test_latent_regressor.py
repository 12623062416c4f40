"""The latent regressor and encoders fitted to a fixed generator."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.game import Game, adam
from sparring.games.latent_regressor import FittedEncoder, LatentRegressor, code_error
from sparring.objectives import NonSaturating
from sparring.recipes.autoencoders import latent_regressor
from sparring.recipes.options import Networks
from sparring.training.trainer import train
from support.autoencoders import ROWS, SHAPE, SMALL, Constant, images, learn, reached

# --- latent regressors


def test_what_a_code_misses_is_a_mean_square():
    assert code_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])).item() == 2.5


@pytest.mark.parametrize("joint", [0.0, 0.25])
def test_each_move_of_a_latent_regressor_reaches_its_player(joint):
    game = latent_regressor(SHAPE, networks=SMALL, joint=joint)
    seen = {}
    for move in game.round(images(), 0):
        seen[move.player] = {name: reached(term, game) for name, term in move.terms.items()}
    assert list(seen) == ["D", "G", "E"]
    assert seen["D"] == {"adversarial": {"D"}}
    assert seen["G"] == {"adversarial": {"G", "D"}} | ({"code": {"G", "E"}} if joint else {})
    assert seen["E"] == {"code": {"E"}}, "neither G nor D learns in the encoder's move"


def test_the_terms_of_a_latent_regressor_by_hand():
    E, G, D = Constant(1.0, 0.0), Constant(0.0, 0.0), Constant(0.0)
    game = LatentRegressor(E, G, D, NonSaturating(), encoder=learn, joint=0.5, critic=learn, generator=learn)
    game.noise = lambda n: torch.full((n, 2), 3.0, dtype=torch.float64)
    moves = {move.player: move.terms for move in game.round(iter([(ROWS,)]), 0)}
    assert moves["E"]["code"].item() == pytest.approx((4 + 9) / 2)
    assert moves["G"]["code"].item() == pytest.approx((4 + 9) / 4)
    assert moves["G"]["adversarial"].item() == pytest.approx(math.log(2))


def test_a_fitted_encoder_leaves_its_game_alone():
    torch.manual_seed(0)
    inner = latent_regressor((2,), networks=SMALL)
    with torch.no_grad():
        inner.G(torch.randn(64, 3))  # statistics that are not the first ones
    before = {name: value.clone() for name, value in inner.state_dict().items()}
    game = FittedEncoder(inner, nn.Linear(2, 3), encoder=learn)
    check_game(game, images(shape=(2,)))
    first = {name: value.clone() for name, value in game.E.state_dict().items()}
    for _ in train(game, images(shape=(2,)), 3):
        assert not inner.training
    assert all(torch.equal(value, before[name]) for name, value in inner.state_dict().items())
    assert all(not torch.equal(value, first[name]) for name, value in game.E.state_dict().items())
    assert game.sampling_networks() == ("E",)
    noise = game.noise(2)
    assert torch.equal(game.sample(2, noise=noise), inner.sample(2, noise=noise))
    assert (game.eval().E.training, game.train().E.training, inner.training) == (False, True, False)


def test_an_encoder_fitted_to_a_linear_generator_becomes_its_inverse():
    torch.manual_seed(0)
    inner = latent_regressor((2,), networks=Networks(latent=2, width=4))
    inner.G = nn.Linear(2, 2)
    inner.G.latent = 2
    with torch.no_grad():
        inner.G.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, -0.5]]))
        inner.G.bias.copy_(torch.tensor([1.0, 0.0]))
    game = FittedEncoder(inner, nn.Linear(2, 2), encoder=partial(adam, lr=0.05))
    for _ in train(game, images(64, (2,)), 400):
        pass
    torch.testing.assert_close(game.E.weight.detach(), torch.tensor([[0.5, 0.0], [0.0, -2.0]]), atol=0.02, rtol=0)
    torch.testing.assert_close(game.E.bias.detach(), torch.tensor([-0.5, 0.0]), atol=0.02, rtol=0)


def test_what_cannot_sample_has_no_encoder():
    class Mute(Game):
        players = round = None

    with pytest.raises(TypeError, match="cannot sample"):
        FittedEncoder(Mute(), nn.Linear(2, 2), encoder=learn)
