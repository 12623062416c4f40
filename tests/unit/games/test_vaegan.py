"""VAE-GAN: terms by hand, the gradients of each player, gates and their margin."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sparring.games.common.posterior import mean_and_log_variance, reparameterise
from sparring.games.vaegan import VAEGAN, unlikeness
from sparring.objectives.variational import kl_to_prior
from sparring.recipes.autoencoders import vae_gan
from sparring.recipes.options import Networks
from sparring.rng import fixed_seed
from sparring.training.trainer import trainable_parameters
from support.autoencoders import ROWS, SHAPE, SMALL, Constant, images, learn, only_turn, reached

# --- VAE-GAN


def test_the_terms_of_a_vae_gan_by_hand():
    E, G, D = Constant(1.0, 0.0, 0.0, 0.0), Constant(0.5, 0.5), Constant(2.0, features=(1.0, 2.0))
    game = VAEGAN(E, G, D, encoder=learn, generator=learn, critic=learn, gamma=0.25)
    moves = only_turn(game, iter([(ROWS,)]))
    likeness = 0.5 * ((4 - 1) ** 2 + (8 - 2) ** 2)  # features: the sum of a row, and twice that
    sp = lambda t: math.log1p(math.exp(t))  # noqa: E731
    assert {name: term.item() for name, term in moves["E"].terms.items()} == pytest.approx(
        {"prior": 0.5, "likeness": likeness}
    )
    assert {name: term.item() for name, term in moves["G"].terms.items()} == pytest.approx(
        {"likeness": 0.25 * likeness, "fool": 2 * sp(-2)}
    )
    assert {name: term.item() for name, term in moves["D"].terms.items()} == pytest.approx(
        {"real": sp(-2), "fake": 2 * sp(2)}
    )
    game.judge_reconstructions = False
    moves = only_turn(game, iter([(ROWS,)]))
    assert moves["D"].terms["fake"].item() == pytest.approx(sp(2))
    assert moves["G"].terms["fool"].item() == pytest.approx(sp(-2))


@pytest.mark.parametrize("shown", [True, False])
def test_a_critic_of_a_vae_gan_is_shown_reconstructions_or_not(shown):
    game = vae_gan(SHAPE, networks=SMALL, judge_reconstructions=shown)
    moves = only_turn(game)
    for term in (moves["D"].terms["fake"], moves["G"].terms["fool"]):
        assert reached(term, game) == {"G", "D"} | ({"E"} if shown else set())


def test_unlikeness_is_a_sum_over_features_and_a_mean_over_samples():
    assert unlikeness(torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 1.0]])).item() == 2.5


def test_every_player_of_a_vae_gan_gets_the_gradient_of_its_own_terms():
    """Once more by hand, in separate passes: no verdict for E, no likeness for D."""
    torch.manual_seed(0)
    game = vae_gan(SHAPE, networks=Networks("mlp", 3, 4))
    (x,) = next(images())
    with fixed_seed(1):
        moves = only_turn(game, iter([(x,)]))
    with fixed_seed(1):
        mean, log_variance = mean_and_log_variance(game.E(x))
        again, imagined = game.G(reparameterise(mean, log_variance)), game.G(game.noise(len(x)))
    like = (game.D.features(again) - game.D.features(x)).square().sum(1).mean() / 2
    sigma = torch.nn.functional.logsigmoid
    wanted = {
        "E": like + kl_to_prior(mean, log_variance).mean(),
        "G": game.gamma * like - sigma(game.D(again)).mean() - sigma(game.D(imagined)).mean(),
        "D": -sigma(game.D(x)).mean()
        - sigma(-game.D(again.detach())).mean()
        - sigma(-game.D(imagined.detach())).mean(),
    }
    players = game.players()
    for name, loss in wanted.items():
        mine = trainable_parameters(players[name])
        assert len(mine) == len([*game.get_submodule(name).parameters()])
        one, two = (torch.autograd.grad(each, mine, retain_graph=True) for each in (moves[name].loss, loss))
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_generator_of_a_vae_gan_follows_the_critic():
    """A critic that likes large pixels pulls them up; likeness is switched off."""
    G, D = nn.Linear(2, 2, dtype=torch.float64), nn.Linear(2, 1, bias=False, dtype=torch.float64)
    G.latent = 2
    with torch.no_grad():
        D.weight.fill_(1.0)
    D.features = lambda x: x
    critic = nn.Sequential(D, nn.Flatten(0))
    critic.features = D.features
    game = VAEGAN(Constant(1.0, 0.0, 0.0, 0.0), G, critic, encoder=learn, generator=learn, critic=learn, gamma=0.0)
    game.noise = lambda n: torch.randn(n, 2, dtype=torch.float64)
    (pull,) = torch.autograd.grad(only_turn(game, iter([(ROWS,)]))["G"].loss, [G.bias])
    assert (pull < 0).all()


def test_the_gates_of_a_vae_gan_use_the_mean_cost_of_reals_and_of_all_fakes():
    game, seen = vae_gan((2,), networks=SMALL, equilibrium=0.68), []
    game.waiting = lambda real, fake: seen.append((real, fake)) or set()
    ((_, _, critic),) = game.round(images(shape=(2,)), 0)
    ((real, fake),) = seen
    torch.testing.assert_close((real, fake), (critic.terms["real"], critic.terms["fake"] / 2))


def test_a_gate_of_a_vae_gan_is_open_up_to_its_margin():
    game = vae_gan((2,), networks=SMALL, equilibrium=0.5, margin=0.25)
    assert [game.waiting(torch.tensor(cost), torch.tensor(0.5)) for cost in (0.25, 0.75)] == [set(), set()]


@pytest.mark.parametrize(
    ("real", "fake", "waits"),
    [(0.68, 0.68, ""), (0.2, 0.68, "D"), (0.68, 0.2, "D"), (0.68, 1.2, "G"), (1.2, 0.68, "G"), (0.2, 1.2, "")],
)
def test_the_gates_of_a_vae_gan(real, fake, waits):
    game = vae_gan((2,), networks=SMALL, equilibrium=0.68)
    assert game.waiting(torch.tensor(real), torch.tensor(fake)) == set(waits)
    game.waiting = lambda *costs: set(waits)
    assert set(only_turn(game, images(shape=(2,)))) == set("EGD") - set(waits)
    assert vae_gan((2,), networks=SMALL).waiting(torch.tensor(0.0), torch.tensor(9.0)) == set()


def test_gamma_weighs_a_mean_over_features():
    game = vae_gan(SHAPE, networks=SMALL, likeness=3.0)
    assert game.gamma == pytest.approx(3.0 / game.D.features(torch.zeros(2, *SHAPE)).shape[1])
