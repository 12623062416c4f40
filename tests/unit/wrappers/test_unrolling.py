"""Unrolling: derivatives through the critic's inner steps."""

import math

import pytest
import torch
from torch import nn

from sparring.game import Move
from sparring.games.gan import GAN, SharedFakesGAN
from sparring.games.relativistic import RelativisticGAN
from sparring.networks import MLPCritic, MLPGenerator, UnrolledToyCritic, UnrolledToyGenerator
from sparring.objectives import LeastSquares, Minimax, NonSaturating, RelativisticAverage, Wasserstein, logistic
from sparring.training.trainer import train, trainable_parameters, update
from sparring.wrappers.unrolling import Unrolling, adam, sgd
from support.toys import GAMES, LinearCritic, Point, batches, learn
from support.wrappers import generators_move

# Unrolling.


def by_hand(b, w, c, x, noise, steps, rate):
    """G's loss against a linear critic that has taken `steps` steps of descent on the least squares (0, 1, 1)."""
    fake = b + 0.1 * noise
    for _ in range(steps):
        real_gap, fake_gap = x @ w + c - 1, fake @ w + c
        slope_w = (real_gap[:, None] * x + fake_gap[:, None] * fake).mean(0)
        slope_c = (real_gap + fake_gap).mean()
        w, c = w - rate * slope_w, c - rate * slope_c
    return ((fake @ w + c - 1) ** 2).mean() / 2


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_unrolling_differentiates_through_the_critics_steps(steps):
    torch.manual_seed(0)
    game = Unrolling(GAN(Point(0.4), LinearCritic((0.5, -1.0)), LeastSquares(), **learn), steps, sgd(0.1)).double()
    x, z = torch.randn(2, 12, 2, dtype=torch.float64)
    loss = game.loss(x, game.G(z))
    b = game.G.b.detach().clone().requires_grad_()
    expected = by_hand(b, game.D.w.detach(), game.D.c.detach(), x, z, steps, 0.1)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    (found,), (wanted,) = torch.autograd.grad(loss, [game.G.b]), torch.autograd.grad(expected, [b])
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
    (direct,) = torch.autograd.grad(by_hand(b, game.D.w.detach(), game.D.c.detach(), x, z, 0, 0.1), [b])
    assert (found - direct).abs().max() > 1e-2, "looking ahead makes a difference"


def test_inner_adam_is_torchs_adam_from_zero_moments():
    torch.manual_seed(0)
    D, G = MLPCritic((2,), width=4, depth=1).double(), Point(0.4)
    game = Unrolling(GAN(G, D, NonSaturating(), **learn), 4, adam(0.01, (0.5, 0.9))).double()
    x, fake = torch.randn(2, 12, 2, dtype=torch.float64)
    loss = game.loss(x, fake)
    before = {name: value.clone() for name, value in D.state_dict().items()}
    optimiser = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.9))
    for _ in range(4):
        optimiser.zero_grad()
        NonSaturating().critic(D(x), D(fake)).backward()
        optimiser.step()
    assert loss.item() == pytest.approx(NonSaturating().generator(D(fake)).item(), rel=1e-9)
    assert not torch.equal(before["head.weight"], D.head.weight)


def test_inner_adam_has_finite_gradients_where_a_slope_is_zero():
    game = Unrolling(GAN(Point(0.4), MLPCritic((2,), width=4, depth=1), NonSaturating(), **learn), 3, adam(0.01))
    game.D.trunk[1][0].bias.data.fill_(-100.0)  # every unit is dead
    move = generators_move(game, batches())
    move.loss.backward(inputs=[game.G.b])
    assert game.G.b.grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name in GAMES if name != "wgan"])  # whose weights are clipped
def test_unrolling_by_no_step_is_the_plain_game_bit_for_bit(name):
    games = [GAMES[name](Point(), LinearCritic((0.1, 0.2))) for _ in range(2)]
    for game in (games[0], Unrolling(games[1], 0)):
        for _ in train(game, batches(), 5):
            pass
    for one, other in zip(*(game.state_dict().values() for game in games), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating(), Wasserstein(), RelativisticAverage(logistic)])
def test_steps_of_no_length_leave_the_plain_loss(objective):
    torch.manual_seed(0)
    game = Unrolling(GAN(Point(0.4), MLPCritic((2,), width=8), objective, **learn), 3, sgd(0.0)).double()
    x, z = torch.randn(2, 12, 2, dtype=torch.float64)
    fake = game.G(z)
    plain = objective.generator(game.D(fake), game.D(x))
    loss = game.loss(x, fake)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-12)
    torch.testing.assert_close(
        *(torch.autograd.grad(value, [game.G.b])[0] for value in (loss, plain)), rtol=1e-9, atol=1e-12
    )


def test_the_critic_takes_its_ordinary_step_and_nothing_of_it_moves_while_it_is_unrolled():
    torch.manual_seed(0)
    D = MLPCritic((2,), width=8, norm=nn.BatchNorm1d)
    game = Unrolling(SharedFakesGAN(Point(0.4), D, NonSaturating(), **learn), 3)
    players, moves = game.players(), game.round(batches(), 0)
    first = next(moves)
    assert first.player == "D"
    assert list(first.terms) == ["adversarial"]
    update(first, players)
    game.D.requires_grad_(True)
    before = {name: value.clone() for name, value in D.state_dict().items()}
    move = game.ahead(Move("G", adversarial=torch.zeros(())), next(batches())[0], 0)
    update(move, players)
    assert all(torch.equal(value, before[name]) for name, value in D.state_dict().items())
    assert all(parameter.grad is None for parameter in D.parameters())
    assert list(trainable_parameters(players["G"])) == [game.G.b]


def test_unrolling_a_relativistic_game_compares_with_reals():
    game = Unrolling(RelativisticGAN(Point(0.4), LinearCritic((1.0, 0.0)), RelativisticAverage(logistic), **learn), 0)
    x = torch.zeros(4, 2)
    loss = game.loss(x, torch.ones(4, 2))
    assert loss.item() == pytest.approx(2 * math.log1p(math.exp(-1)), rel=1e-6)


def test_unrolling_with_the_papers_toy_networks():
    torch.manual_seed(0)
    game = GAN(UnrolledToyGenerator(latent=4, width=16), UnrolledToyCritic(width=16), NonSaturating(), **learn)
    reports = list(train(Unrolling(game, 2, adam(1e-2)), batches(), 3))
    assert all(math.isfinite(value) for report in reports for value in report.scalars().values())
    assert MLPGenerator((2,), width=4)(torch.zeros(1, 2)).shape == (1, 2)
