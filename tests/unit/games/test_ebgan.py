"""EBGAN: moves, pulling-away, the settings of the paper."""

import math

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.games.ebgan import EBGAN
from sparring.networks.autoencoder import Autoencoder, MLPAutoencoder
from sparring.objectives.energy import pulling_away, reconstruction_error
from sparring.recipes.ebgan import ebgan
from sparring.recipes.options import Adam, Networks
from sparring.rng import turn_rng
from sparring.training.trainer import train, trainable_parameters, update
from support.toys import Point, batches, learn


class Linear(nn.Module):
    """Enc(x) = a x, Dec(s) = b s, so that E(x) = |ab - 1| ‖x‖."""

    def __init__(self, a=2.0, b=2.0):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(b))

    def features(self, x):
        return self.a * x

    def forward(self, x):
        return -reconstruction_error(self.b * self.features(x), x)


# The game


def moves_of(game, x, seed=3):
    turns, found = game.round(iter([(x,)]), 0), []
    for turn in range(2):
        with turn_rng(seed, 0, turn):
            found.append(next(turns))
    with turn_rng(seed, 0, 0):
        first = game.fakes(len(x))
    with turn_rng(seed, 0, 1):
        second = game.G(game.noise(len(x)))
    return *found, first, second


def test_the_moves_are_the_papers():
    game = EBGAN(Point(1.0, spread=0.5), Linear(), margin=7.0, pulling_away=0.1, **learn)
    x = torch.randn(16, 2)
    critic, generator, first, second = moves_of(game, x)
    norm = 3 * x.norm(dim=1).mean() + torch.relu(7 - 3 * first.norm(dim=1)).mean()  # |ab - 1| = 3
    assert critic.loss.item() == pytest.approx(norm.item(), rel=1e-5)
    assert generator.terms["energy"].item() == pytest.approx(3 * second.norm(dim=1).mean().item(), rel=1e-5)
    assert generator.terms["pulling_away"].item() == pytest.approx(0.1 * pulling_away(second).item(), rel=1e-5)


def test_the_generator_feels_its_sample_as_input_and_as_target():
    """E(G) = |ab - 1| ‖G‖ = 3 ‖G‖: a detached target would give ab = 4 times the direction, a detached input -1."""
    game = EBGAN(Point(1.0, spread=0.0), Linear(), margin=1.0, pulling_away=0.0, **learn)
    *_, generator = game.round(batches(), 0)
    generator.loss.backward(inputs=trainable_parameters(game.players()["G"]))
    assert game.G.b.grad.tolist() == pytest.approx([3 / math.sqrt(2)] * 2, rel=1e-5)


def test_pulling_away_belongs_to_the_generator_alone_and_pulls():
    game = EBGAN(Point(1.0, spread=0.5), Linear(), margin=1.0, **learn)
    critic, generator = game.round(batches(), 0)
    assert set(critic.terms) == {"margin"}
    assert set(generator.terms) == {"energy", "pulling_away"}
    (slope,) = torch.autograd.grad(generator.terms["pulling_away"], game.G.b, retain_graph=True)
    assert (slope > 0).all(), "towards 0, where the noise points in all directions"


def test_without_a_weight_there_is_no_such_term():
    game = EBGAN(Point(), Linear(), margin=1.0, pulling_away=0.0, **learn)
    assert [set(move.terms) for move in game.round(batches(), 0)] == [{"margin"}, {"energy"}]


def test_the_game_conforms_and_the_critic_learns_to_separate():
    torch.manual_seed(0)
    game = EBGAN(Point(-1.0), MLPAutoencoder((2,), 64, 2), margin=0.5, **learn)
    seen = check_game(game, batches(1.0))
    assert seen.turns == (("D",), ("G",))
    players = game.players()
    for _ in range(100):
        update(next(game.round(batches(1.0), 0)), players)
    real, fake = game.energy(torch.full((1, 2), 1.0)).item(), game.energy(torch.full((1, 2), -1.0)).item()
    assert real < 0.2 < 0.4 < fake


def test_the_generator_converges_to_the_data():
    torch.manual_seed(0)
    game = EBGAN(Point(0.0), MLPAutoencoder((2,), 64, 2), margin=0.5, **learn)
    for _ in train(game, batches(1.0), 200):
        pass
    assert (game.G.b > 0.5).all()


@pytest.mark.parametrize("shape", [(2,), (1, 16, 16), (3, 32, 32)])
def test_the_recipe_keeps_the_rules(shape):
    torch.manual_seed(0)
    game = ebgan(shape, networks=Networks(latent=6, width=8))
    seen = check_game(game, iter(lambda: (torch.randn(4, *shape).clamp(-1, 1),), None))
    assert seen.terms == {"D": ("margin",), "G": ("energy", "pulling_away")}
    assert game.sample(3).shape == (3, *shape)


def test_the_settings_are_the_papers_and_margins_grow_with_the_images():
    def margin(*shape, **settings):
        return ebgan(shape, networks=Networks("mlp", width=8), **settings).margin

    assert margin(1, 28, 28) == pytest.approx(10)
    assert margin(3, 64, 64) == pytest.approx(39.59, abs=0.01)
    assert margin(1, 28, 28, margin=3.0) == 3.0
    game = ebgan((1, 16, 16), networks=Networks(width=8))
    assert game.pulling_away == 0.1
    assert isinstance(game.D, Autoencoder)
    assert {group["lr"] for player in game.players().values() for group in player.param_groups} == {Adam().lr}
