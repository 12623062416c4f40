"""The Dirac game: eigenvalues, steps and the spectral radius of a step."""

import math

import pytest
import torch

from sparring.game import LatentGame, Move
from sparring.games.gan import GAN
from sparring.objectives import (
    Minimax,
)
from sparring.objectives.penalties import r1
from sparring.theory import (
    alternating,
    dirac_eigenvalues,
    dirac_gradient_field,
    historical_averaging,
    penalised_slope,
    simultaneous,
    spectral_radius,
    trajectory,
)
from sparring.training.trainer import train


def test_damping_is_critical_at_twice_the_slope():
    assert dirac_eigenvalues(2.0, slope=1.0) == (-1, -1)
    assert max(z.real for z in dirac_eigenvalues(0.0)) == 0
    assert penalised_slope(2, 10) == pytest.approx(1.1)


class Model(torch.nn.Module):
    """G(z) = θ."""

    latent = 1

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, z):
        return self.value + 0 * z


class Slope(Model):
    """D(x) = ψx."""

    def forward(self, x):
        return (self.value * x)[:, 0]


class Dirac(LatentGame):
    """Both players at once, D under R1."""

    gamma = 0.0

    def round(self, data, step):
        x, *_ = next(data)
        fake = self.G(self.noise(len(x)))
        yield (
            Move("D", game=Minimax().critic(self.D(x), self.D(fake.detach())), slope=self.gamma / 2 * r1(self.D, x)),
            Move("G", game=Minimax().generator(self.D(fake))),
        )


def played(game, steps):
    origin = iter(lambda: (torch.zeros(1, 1, dtype=torch.float64),), None)
    for _ in train(game, origin, steps=steps):
        pass
    return [game.G.value.item(), game.D.value.item()]


def test_steps_are_those_of_the_games_that_train_images():
    learn = dict.fromkeys(("critic", "generator"), lambda network: torch.optim.SGD(network.parameters(), lr=0.2))
    assert played(GAN(Model(), Slope(), Minimax(), **learn), 25) == pytest.approx(
        trajectory(alternating(Minimax(), 0.2), (1.0, 1.0), 25)[-1].tolist(), abs=1e-9
    )
    for gamma in (0.0, 1.0):
        game = Dirac(Model(), Slope(), **learn)
        game.gamma = gamma
        expected = trajectory(simultaneous(Minimax(), 0.2, gamma), (1.0, 1.0), 25)[-1].tolist()
        assert played(game, 25) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 4.0])
def test_factors_of_a_step_come_from_the_eigenvalues(gamma):
    rate = 0.2
    largest = max(abs(1 + rate * value) for value in dirac_eigenvalues(gamma))
    assert spectral_radius(simultaneous(Minimax(), rate, gamma)) == pytest.approx(largest, abs=1e-6)
    # D first: ψ' = (1 − hγ)ψ − (h/2)θ, then θ' = θ + (h/2)ψ'.
    one = torch.tensor([[1, 0], [-rate / 2, 1 - rate * gamma]], dtype=torch.float64)
    two = torch.tensor([[1, rate / 2], [0, 1]], dtype=torch.float64)
    largest = torch.linalg.eigvals(two @ one).abs().max().item()
    assert spectral_radius(alternating(Minimax(), rate, gamma)) == pytest.approx(largest, abs=1e-6)


def test_jacobian_of_the_dirac_game():
    def field(state):
        return torch.cat(dirac_gradient_field(Minimax(), state, 3.0))

    jacobian = torch.autograd.functional.jacobian(field, torch.zeros(2, dtype=torch.float64))
    assert torch.allclose(jacobian, torch.tensor([[0, 0.5], [-0.5, -3]], dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize(("weight", "distance"), [(0.0, 2533), (0.1, 0.0015), (0.5, 0.091), (1.0, 0.47)])
def test_historical_averaging_breaks_the_spiral(weight, distance):
    way = historical_averaging(weight)
    assert len(way) == 6001
    assert way[0] == pytest.approx(math.sqrt(2))
    assert way[-1] == pytest.approx(distance, rel=0.05 if weight == 0.1 else 0.005)
