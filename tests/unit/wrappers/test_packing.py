"""Packing: samples side by side, penalties over packs, relativistic pairs."""

import math

import pytest
import torch

from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Move
from sparring.games.gan import GAN
from sparring.games.relativistic import RelativisticGAN
from sparring.games.wgan import WGANGP
from sparring.inference.sampling import interpolate_seeds, sample_seeds
from sparring.networks import MLPGenerator
from sparring.objectives import LeastSquares, NonSaturating, Relativistic, logistic
from sparring.recipes import recipe
from sparring.recipes.options import Networks
from sparring.rng import fixed_seed, turn_rng
from sparring.training.trainer import train
from sparring.wrappers.packing import PackedGenerator, Packing, pack, packed
from support.spy import Spy
from support.toys import GAMES, LinearCritic, Point, batches, learn

# Packing.


def test_packs_hold_successive_samples_side_by_side():
    x = torch.arange(48.0).reshape(4, 3, 2, 2)
    packs = pack(x, 2)
    assert packs.shape == (2, 6, 2, 2)
    assert torch.equal(packs[1], torch.cat([x[2], x[3]]))
    with pytest.raises(GameError, match="multiple of 3"):
        pack(x, 3)


def test_a_packed_generator_makes_packs_of_its_samples():
    G = MLPGenerator((2,), latent=3, width=8)
    packed_G, z = PackedGenerator(G, 4), torch.randn(5, 12)
    assert packed_G.latent == 12
    out = packed_G(z)
    assert out.shape == (5, 8)
    torch.testing.assert_close(out[2, 4:6], G(z[2, 6:9][None])[0])


@pytest.mark.parametrize("name", [name for name in GAMES if name != "wgan-gp"])
def test_a_pack_is_all_real_or_all_fake(name):
    D = Spy((0.1,) * 6)
    game = Packing(GAMES[name](Point(-3.0), D), 3)
    for _ in game.round(batches(3.0, n=12), 0):
        pass
    assert {x.shape for x in D.seen} == {(4, 6)}, "as many packs as a third of the batch"
    assert all(len({bool(value) for value in (x > 0).flatten().tolist()}) == 1 for x in D.seen)


def test_the_norm_of_a_penalty_runs_over_the_whole_pack():
    """A linear critic of norm 5 on each of two members has norm √50 on the pack: 10 (√50 − 1)²."""
    D = LinearCritic((3.0, 4.0, 3.0, 4.0))
    move = next(Packing(WGANGP(Point(), D, penalty=10.0, **learn)).round(batches(), 0))
    assert move.terms["penalty"].item() == pytest.approx(10 * (math.sqrt(50) - 1) ** 2, rel=1e-5)
    assert move.terms["wasserstein"].item() == pytest.approx(-14 * 3.0, abs=1.0)


def test_packed_losses_are_those_of_packs_by_hand():
    D = LinearCritic((1.0, -2.0, 0.5, 3.0))
    game = Packing(GAN(Point(0.3), D, LeastSquares(-1.0, 2.0, 0.5), **learn))
    x, *_ = next(batches())
    with turn_rng(7, 0, 0):
        move = next(game.round(iter([(x, torch.zeros(16))]), 0))
    with turn_rng(7, 0, 0):
        fake = 0.3 + 0.1 * game.unwrapped.noise(8)
    expected = ((D(x.reshape(8, 4)) - 2) ** 2).mean() / 2 + ((D(fake) + 1) ** 2).mean() / 2
    assert move.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_relativistic_pairs_are_packs():
    D = Spy((0.1,) * 4)
    game = Packing(RelativisticGAN(Point(-3.0), D, Relativistic(logistic), **learn))
    assert all(isinstance(move, Move) for move in game.round(batches(), 0))
    assert all(x.shape == (8, 4) for x in D.seen)


def test_packs_of_one_are_the_plain_game():
    games = [GAN(Point(), LinearCritic((0.1, 0.2)), NonSaturating(), **learn) for _ in range(2)]
    games[1] = Packing(games[1], 1)
    for game in games:
        for _ in train(game, batches(), 5):
            pass
    assert torch.equal(games[0].G.b, games[1].unwrapped.G.single.b)
    assert torch.equal(games[0].D.w, games[1].D.w)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(GameError, match="16 cannot be cut into packs of 3"):
        next(Packing(GAN(Point(), LinearCritic((0.0,) * 6), NonSaturating(), **learn), 3).round(batches(), 0))


@pytest.mark.parametrize("name", ["nsgan", "wgan-gp", "rasgan"])
@pytest.mark.parametrize("shape", [(2,), (1, 16, 16)])
def test_any_recipe_is_packed_by_building_it_twice(name, shape):
    torch.manual_seed(0)
    small = Networks(latent=6, width=8)
    game = packed(lambda shape: recipe(name)(shape, networks=small), shape, 3)
    data = iter(lambda: (torch.randn(6, *shape).clamp(-1, 1),), None)
    check_game(game, data)
    assert game.D.shape == (3 * shape[0], *shape[1:])
    assert game.noise(4).shape == (4, 6)
    assert game.sample(4).shape == (4, *shape)
    with fixed_seed(3):
        z = game.noise(1)
    assert torch.allclose(sample_seeds(game, [3]), game.unwrapped.G.single.eval()(z), atol=1e-6)
    assert interpolate_seeds(game, [1, 2], frames=3).shape == (3, *shape)
