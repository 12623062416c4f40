"""Instance noise: decay, draws, and the critic of two points."""

import math

import pytest
import torch
from torch import nn

from sparring.games.gan import GAN
from sparring.games.wgan import WGANGP
from sparring.objectives import NonSaturating
from sparring.wrappers.instance_noise import Haze, InstanceNoise
from support.spy import Spy
from support.toys import Point, batches, learn

# Instance noise.


def test_the_noise_fades_linearly_and_is_gone_after_its_steps():
    D = Spy()
    game = InstanceNoise(GAN(Point(spread=0.0), D, NonSaturating(), **learn), sigma=0.8, steps=100)
    for step, sigma in ((0, 0.8), (25, 0.6), (75, 0.2), (99, 0.008), (100, 0.0), (5000, 0.0)):
        D.seen.clear()
        for _ in game.round(iter([(torch.zeros(20_000, 2),)]), step):
            pass
        assert len(D.seen) == 3
        for x in D.seen:  # reals, fakes, and the fakes of G's move
            assert x.std().item() == pytest.approx(sigma, rel=0.02)
            assert abs(x.mean().item()) < 0.02


def test_every_forward_has_its_own_noise():
    D = Spy()
    for _ in InstanceNoise(GAN(Point(spread=0.0), D, NonSaturating(), **learn), 1.0).round(batches(0.0, n=4096), 0):
        pass
    real, fake, again = (x.flatten() for x in D.seen)
    for one, other in ((real, fake), (fake, again), (real, again)):
        assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1].item()) < 0.05


def test_gradients_pass_through_the_noise_and_evaluation_has_none():
    haze = Haze()
    haze.sigma = 0.5
    x = torch.randn(3, 2, requires_grad=True)
    haze(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(3, 2))
    assert haze.eval()(x) is x


@pytest.mark.parametrize(("theta", "sigma"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.7)])
def test_the_optimal_critic_of_two_points_has_the_slope_of_theory(theta, sigma):
    """T*(x) = (θ² − 2θx) / 2σ² for data at 0 and fakes at θ, seen through the shipped noise."""
    torch.manual_seed(0)
    haze = Haze()
    haze.sigma = sigma
    n = 8_000
    real = haze(torch.zeros(n, 1, dtype=torch.float64))
    fake = haze(torch.full((n, 1), theta, dtype=torch.float64))
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=30, line_search_fn="strong_wolfe")

    def loss():
        solver.zero_grad()
        value = NonSaturating().critic(weights[0] * real + weights[1], weights[0] * fake + weights[1])
        value.backward()
        return value

    solver.step(loss)
    assert weights[0].item() == pytest.approx(-theta / sigma**2, rel=0.08)
    assert weights[1].item() == pytest.approx(theta**2 / (2 * sigma**2), rel=0.12)


@pytest.mark.parametrize(
    ("sigma", "divergence"),
    [(0.1, 0.693146), (0.25, 0.632720), (0.5, 0.336831), (1.0, 0.111421), (2.0, 0.030311), (5.0, 0.004975)],
)
def test_the_noise_gives_two_points_a_divergence_with_a_slope(sigma, divergence):
    """JSD of N(0, σ²) and N(1, σ²): the optimal critic's value under the shipped objective, by quadrature."""
    x = torch.linspace(-12 * sigma, 1 + 12 * sigma, 400_001, dtype=torch.float64)
    optimal = (1 - 2 * x) / (2 * sigma**2)
    p, q = (torch.exp(-((x - mean) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi)) for mean in (0, 1))
    softplus = nn.functional.softplus
    loss = torch.trapezoid(p * softplus(-optimal) + q * softplus(optimal), x)
    assert (2 * math.log(2) - loss.item()) / 2 == pytest.approx(divergence, abs=1e-6)


def test_penalties_are_taken_at_noisy_points():
    D = Spy((3.0, 4.0))
    game = InstanceNoise(WGANGP(Point(spread=0.0), D, critic_steps=1, **learn), 1.0)
    move = next(game.round(iter([(torch.zeros(2000, 2),)]), 0))
    assert D.seen[-1].std().item() == pytest.approx(1.0, rel=0.05)
    assert move.terms["penalty"].item() == pytest.approx(160.0, rel=1e-5)
