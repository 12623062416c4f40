"""Steps in parts: gradients of one large batch, draws of noise."""

import copy

import pytest
import torch

from sparring.errors import GameError
from sparring.game import Move
from sparring.games.gan import GAN
from sparring.objectives import NonSaturating
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
