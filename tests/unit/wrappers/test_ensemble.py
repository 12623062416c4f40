"""Ensembles of games: equal shares of samples, independent members, averages."""

import pytest
import torch

from sparring.abilities import SupportsSampling
from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Game
from sparring.games.common.mixture import split_choice
from sparring.games.gan import GAN
from sparring.inference.sampling import interpolate_seeds, sample_seeds
from sparring.networks import MLPGenerator
from sparring.objectives import NonSaturating
from sparring.rng import fixed_seed, turn_rng
from sparring.training.ema import EMA
from sparring.training.trainer import train
from sparring.wrappers.ensemble import Ensemble
from sparring.wrappers.packing import Packing
from support.toys import LinearCritic, Point, batches, learn

# Ensembles.


def ensemble(members=3, start=lambda k: float(k)):
    count = iter(range(members))
    return Ensemble(
        lambda: GAN(Point(start(next(count)), spread=0.0), LinearCritic((0.1, 0.2)), NonSaturating(), **learn), members
    )


def test_an_ensemble_samples_each_member_equally_often():
    game = ensemble()
    with turn_rng(0, 0, 0):
        x = game.sample(9000)
    counts = torch.bincount(x[:, 0].long(), minlength=3) / 9000
    assert (counts - 1 / 3).abs().max() < 0.02


def test_a_seed_is_one_sample_of_one_member_in_any_batch():
    game = Ensemble(lambda: GAN(Point(0.0, 1.0), LinearCritic(), NonSaturating(), **learn), 3)
    with torch.no_grad():
        for k, member in enumerate(game.members):
            member.G.b.fill_(10.0 * k)
    assert isinstance(game, SupportsSampling)
    alone = torch.cat([sample_seeds(game, [seed]) for seed in range(6)])
    assert torch.equal(sample_seeds(game, range(6)), alone)
    with fixed_seed(4):
        (k,), z = split_choice(game.noise(1), 3)
    torch.testing.assert_close(alone[4:5], 10.0 * k + z)
    assert interpolate_seeds(game, [1, 2, 3], frames=5).shape == (5, 2)
    members = (sample_seeds(game, range(40), truncation=0.01)[:, 0] / 10).round()
    assert torch.equal(members, (sample_seeds(game, range(40), truncation=0.02)[:, 0] / 10).round())
    assert set(members.tolist()) == {0.0, 1.0, 2.0}, "truncation keeps the mixture"


def test_members_never_meet():
    """The first of two members trains as it would alone, on its own batches and noise."""
    game = ensemble(2)
    alone = GAN(Point(0.0, spread=0.0), LinearCritic((0.1, 0.2)), NonSaturating(), **learn)
    data = [batch for batch, _ in zip(batches(), range(8), strict=False)]
    for _ in train(game, iter(data), 4):
        pass
    for _ in train(alone, iter(data[::2]), 4):
        pass
    assert torch.equal(game.members[0].G.b, alone.G.b)
    assert torch.equal(game.members[0].D.w, alone.D.w)
    assert not torch.equal(game.members[1].D.w, alone.D.w)


def test_members_start_differently():
    torch.manual_seed(0)
    game = Ensemble(lambda: GAN(MLPGenerator((2,), width=4), LinearCritic(), NonSaturating(), **learn), 2)
    one, other = game.members
    assert not torch.equal(one.G.body[0][0].weight, other.G.body[0][0].weight)


def test_ensembles_hold_wrapped_games_average_and_keep_pace():
    def make():
        falling = {"schedule": lambda step: 0.5**step, **learn}
        return Packing(GAN(Point(), LinearCritic((0.1,) * 4), NonSaturating(), **falling))

    game = Ensemble(make, 2)
    check_game(game, batches())
    assert game.lr_scale(2) == 0.25
    assert game.sampling_networks() == ("members.0.game.G", "members.1.game.G")
    assert game.critic_networks() == ("members.0.game.D", "members.1.game.D")
    average = EMA(game, 0.0)
    for _ in train(game, batches(), 2, ema=average):
        pass
    assert torch.equal(sample_seeds(game, [3, 5]), sample_seeds(average.game, [3, 5]))


def test_an_ensemble_of_games_that_cannot_sample_is_refused():
    class Silent(Game):
        def players(self):
            return {}

        def round(self, data, step):
            yield from ()

    with pytest.raises(GameError, match="cannot sample"):
        Ensemble(Silent, 2)
