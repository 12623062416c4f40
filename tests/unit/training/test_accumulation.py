"""Steps in parts: gradients of one large batch, draws of noise."""

import copy

import pytest
import torch

from sparring.errors import GameError
from sparring.game import Move
from sparring.games.gan import GAN
from sparring.objectives import NonSaturating
from sparring.training.accumulation import BufferSnapshot
from sparring.training.trainer import train
from support.toys import GAMES, LinearCritic, Point, batches, learn
from support.trainer import Saddle


@pytest.mark.parametrize("name", ["non-saturating", "wgan", "relativistic"])
def test_k_accumulated_parts_equal_one_large_batch(name):
    whole = GAMES[name](Point(0.5, spread=0.0), LinearCritic((0.2, -0.1))).double()
    parts = copy.deepcopy(whole)
    big = [next(batches(n=12, seed=k))[0].double() for k in range(6)]
    small = [part for batch in big for part in batch.chunk(3)]
    one = list(train(whole, iter([(x,) for x in big]), 1, start=0))
    three = list(train(parts, iter([(x,) for x in small]), 1, start=0, grad_accum=3))
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-12)
    assert one[0].updates == three[0].updates
    assert one[0].images == three[0].images
    for key, value in one[0].scalars().items():
        assert three[0].scalars()[key] == pytest.approx(value, abs=1e-6)


def test_parts_draw_different_noise_that_together_is_the_whole_batch():
    drawn = []

    class Listener(Point):
        def forward(self, z):
            drawn.append(z.detach())
            return super().forward(z)

    def play(parts):
        drawn.clear()
        game = GAN(Listener(), LinearCritic((1.0, 1.0)), NonSaturating(), **learn)
        list(train(game, batches(n=8 // parts), 1, seed=3, grad_accum=parts))
        return torch.cat([torch.cat(drawn[turn * parts : (turn + 1) * parts]) for turn in range(2)])

    assert torch.equal(play(1), play(4))


def test_parts_that_disagree_are_refused():
    class Moody(Saddle):
        calls = 0

        def round(self, data, step):
            Moody.calls += 1
            yield Move("x" if Moody.calls % 2 else "y", value=(self.x.weight * self.y.weight).sum())

    with pytest.raises(GameError, match="different moves"):
        list(train(Moody(False), batches(), 1, grad_accum=2))


def test_running_statistics_move_once_by_the_mean_over_parts():
    class Normalised(LinearCritic):
        def __init__(self):
            super().__init__((0.2, -0.1))
            self.norm = torch.nn.BatchNorm1d(2, momentum=0.1)

        def forward(self, x):
            return super().forward(self.norm(x))

    x = torch.tensor([[1.0, 0.0], [3.0, 2.0], [10.0, 4.0], [14.0, 8.0]])
    critic = Normalised()
    buffers = BufferSnapshot(critic)
    critic(x[:2])
    buffers.next_part()
    assert torch.equal(critic.norm.running_mean, torch.zeros(2))
    critic(x[2:])
    buffers.settle()
    # means of the parts (2, 1) and (12, 6), variances (2, 2) and (8, 8): .1 (2 + 12) / 2, .9 + .1 (2 + 8) / 2
    assert torch.allclose(critic.norm.running_mean, torch.tensor([0.7, 0.35]))
    assert torch.allclose(critic.norm.running_var, torch.tensor([1.4, 1.4]))
