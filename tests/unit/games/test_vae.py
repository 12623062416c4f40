"""VAE: terms by hand, warm-up of the prior, deviation by kind of data, draws and means."""

from __future__ import annotations

import math

import pytest
import torch

from sparring.games.common.posterior import mean_and_log_variance, reparameterise
from sparring.games.vae import VAE
from sparring.objectives.variational import gaussian
from sparring.recipes.autoencoders import vae
from support.autoencoders import ROWS, SHAPE, SMALL, Constant, images, learn, only_turn, reached


@pytest.mark.parametrize(("shape", "deviation"), [((2,), 0.1), ((1, 8, 8), 0.5)])
def test_a_vae_takes_the_deviation_of_its_kind_of_data(shape, deviation):
    x, made = torch.zeros(3, *shape), torch.ones(3, *shape)
    game = vae(shape, networks=SMALL)
    torch.testing.assert_close(game.likelihood(made, x), gaussian(deviation)(made, x))


# --- VAE


def test_the_terms_of_a_vae_by_hand():
    E, G = Constant(1.0, 2.0, 0.0, math.log(4.0)), Constant(0.0, 0.0)  # μ = (1, 2), σ² = (1, 4)
    game = VAE(E, G, gaussian(2.0), autoencoder=learn, beta=3.0)
    terms = only_turn(game, iter([(ROWS,)]))["AE"].terms
    assert terms["likeness"].item() == pytest.approx((1 + 9) / 8 + math.log(2 * math.pi) + 2 * math.log(2))
    assert terms["prior"].item() == pytest.approx(3 * 0.5 * (1 + 4 + 0 + (4 - 1 - math.log(4))))
    torch.testing.assert_close(game.elbo(ROWS).mean(), -terms["likeness"].detach() - terms["prior"].detach() / 3)


def test_the_prior_warms_up():
    game = VAE(Constant(1.0, 0.0), Constant(0.0), gaussian(1.0), autoencoder=learn, beta=2.0, warm_up=10)
    assert [game.weight(step) for step in (0, 5, 10, 99)] == [0.0, 1.0, 2.0, 2.0]


def test_likeness_reaches_both_halves_of_a_vae_through_the_draw_and_the_prior_the_encoder_alone():
    game = vae(SHAPE, networks=SMALL)
    terms = only_turn(game)["AE"].terms
    assert reached(terms["likeness"], game) == {"E", "G"}
    assert reached(terms["prior"], game) == {"E"}
    x = next(images())[0].requires_grad_()
    mean, log_variance = mean_and_log_variance(game.eval().E(x))
    gradients = torch.autograd.grad(game.G(reparameterise(mean, log_variance)).square().sum(), [mean, log_variance])
    assert all(gradient.any() for gradient in gradients), "the spread is learnt through the draw"


def test_codes_are_drawn_in_training_and_means_otherwise():
    game = vae(SHAPE, networks=SMALL).eval()
    x = next(images())[0]
    assert torch.equal(game.encode(x), game.E(x)[:, :3])
    assert not torch.equal(game.elbo(x), game.elbo(x))
    one, two = (only_turn(game, iter([(x,)]))["AE"].terms for _ in range(2))
    assert not torch.equal(one["likeness"], two["likeness"])
    assert torch.equal(one["prior"], two["prior"])
