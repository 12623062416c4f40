"""Historical averaging: means of all rounds, by player."""

import math

import pytest
import torch
from torch import nn

from sparring.game import Game, Move
from sparring.games.gan import GAN
from sparring.objectives import NonSaturating
from sparring.training.trainer import train
from sparring.wrappers.historical_averaging import HistoricalAveraging
from support.toys import LinearCritic, Point, batches, learn

# Historical averaging.


class Bilinear(Game):
    """min over a, max over b of a · b, played simultaneously."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.ones((), dtype=torch.float64)) for _ in "ab")

    def players(self):
        return {name: torch.optim.SGD([getattr(self, name)], lr=0.05) for name in "ab"}

    def round(self, data, step):
        yield Move("a", value=self.a * self.b), Move("b", value=-self.a * self.b)


def circled(weight, steps, rate=0.05):
    """Where the two players are after so many steps, by plain arithmetic."""
    a, b, mean_a, mean_b = 1.0, 1.0, 0.0, 0.0
    for count in range(1, steps + 1):
        mean_a, mean_b = mean_a + (a - mean_a) / count, mean_b + (b - mean_b) / count
        a, b = a - rate * (b + 2 * weight * (a - mean_a)), b - rate * (-a + 2 * weight * (b - mean_b))
    return a, b


@pytest.mark.parametrize(("weight", "distance"), [(0.0, 2533.0), (0.1, 0.0015), (0.5, 0.091), (1.0, 0.47)])
def test_held_by_their_past_two_circling_players_meet(weight, distance):
    assert math.hypot(*circled(weight, 6000)) == pytest.approx(distance, rel=0.05)
    game = Bilinear()
    wrapped = HistoricalAveraging(game, weight) if weight else game
    for _ in train(wrapped, iter([]), 150):
        pass
    assert (game.a.item(), game.b.item()) == pytest.approx(circled(weight, 150), rel=1e-9, abs=1e-12)


def test_constant_weights_cost_nothing():
    game = HistoricalAveraging(Bilinear(), 1.0)
    for step in range(3):
        ((a, b),) = game.round(iter([]), step)
        assert a.terms["history"].item() == b.terms["history"].item() == 0.0


def test_the_mean_is_that_of_all_rounds_and_every_player_pays_for_its_own():
    game = HistoricalAveraging(Bilinear(), 0.5)
    for step, value in enumerate((1.0, 4.0, 7.0)):
        game.a.data.fill_(value)
        ((a, b),) = game.round(iter([]), step)
    assert a.terms["history"].item() == pytest.approx(0.5 * (7 - 4) ** 2)
    assert b.terms["history"].item() == 0.0
    (gradient,) = torch.autograd.grad(a.terms["history"], game.a)
    assert gradient.item() == pytest.approx(0.5 * 2 * 3), "the mean is held fixed"
    assert game.rounds == 3


def test_a_network_is_held_by_all_its_weights():
    game = HistoricalAveraging(GAN(Point(), LinearCritic((0.0, 0.0)), NonSaturating(), **learn), 2.0)
    next(game.round(batches(), 0))
    with torch.no_grad():
        game.D.w += torch.tensor([1.0, 2.0])
        game.D.c += 3.0
    move = next(game.round(batches(), 1))
    assert move.terms["history"].item() == pytest.approx(2.0 * (1 + 4 + 9) / 4)
