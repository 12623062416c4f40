"""RealnessGAN: moves, anchors of a round, settings, and two clusters."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from sparring import recipes
from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.realness import RealnessGAN
from sparring.layers.simple import GaussianHead
from sparring.networks import MLPCritic, MLPGenerator
from sparring.objectives.realness import (
    Anchors,
    Away,
    DrawnAnchors,
    Paired,
    Realness,
    divergence,
    skew_normal,
)
from sparring.recipes.options import AdamOverrides
from sparring.recipes.realness import realness
from sparring.rng import turn_rng
from sparring.training.trainer import train, update
from support.realness import A0, A1, GOALS, fixed
from support.toys import Point, batches, learn

# The game


class Outcomes(nn.Module):
    """D(x) = x @ W + c, logits of N outcomes; remembers what it saw."""

    def __init__(self, outcomes=4):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2, outcomes))
        self.c = nn.Parameter(torch.zeros(outcomes))
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return x @ self.w + self.c


def game_of(goal="paired", D=None, anchors=None, **settings):
    objective = Realness(anchors or fixed(), GOALS[goal])
    return RealnessGAN(Point(), D or Outcomes(), objective, **{"generator_steps": 2, **learn, **settings})


@pytest.mark.parametrize("goal", GOALS)
def test_the_game_keeps_the_rules(goal):
    seen = check_game(game_of(goal, anchors=DrawnAnchors(4)), batches())
    assert seen.turns == (("D",), ("G",), ("G",))
    assert seen.owners == {"G.b": ("G",), "D.w": ("D",), "D.c": ("D",)}
    assert check_game(game_of(goal, critic_steps=3, generator_steps=1), batches()).turns == (("D",),) * 3 + (("G",),)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("centre", [3.0, -3.0])
def test_a_linear_critic_pulls_the_generator_towards_the_data(goal, centre):
    game = game_of(goal)
    for _ in train(game, batches(centre), 25):
        pass
    assert (game.G.b * centre > 0.3 * abs(centre)).all(), "G moved away from the data, or not at all"


def test_the_moves_are_the_losses_on_these_samples():
    torch.manual_seed(0)
    D = Outcomes()
    nn.init.normal_(D.w)
    game = game_of(D=D, generator_steps=1)
    x, y = next(batches(seed=1))[0], next(batches(seed=2))[0]
    moves = game.round(iter([(x,), (y,)]), 0)
    with turn_rng(7, 0, 0):
        critic = next(moves)
    with turn_rng(7, 0, 1):
        generator = next(moves)
    with turn_rng(7, 0, 0):
        first = game.G(game.noise(16))
    with turn_rng(7, 0, 1):
        second = game.G(game.noise(16))
    w = D.w
    expected = divergence(A1, x @ w) + divergence(A0, first @ w)
    assert critic.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    expected = divergence((y @ w).softmax(1), second @ w) - divergence(A0, second @ w)
    assert generator.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_every_move_has_new_noise_and_the_paired_generator_new_reals():
    game, drawn = game_of(), []

    def counted():
        for x in batches():
            drawn.append(x[0])
            yield x

    for _ in train(game, counted(), 1):
        pass
    assert len(drawn) == 3
    real, fake, first_real, first_fake, second_real, second_fake = game.D.seen
    assert all(torch.equal(x, y) for x, y in zip(drawn, (real, first_real, second_real), strict=True))
    assert not torch.equal(fake, first_fake)
    assert not torch.equal(first_fake - first_fake.mean(), second_fake - second_fake.mean())


@pytest.mark.parametrize("goal", ["away", "anchored"])
def test_goals_without_a_partner_draw_no_real_batch(goal):
    game = game_of(goal)
    for _ in game.round(iter([next(batches())]), 0):
        pass
    assert len(game.D.seen) == 4


def test_one_round_has_one_pair_of_anchors_and_the_next_another():
    given, heard = [], []

    def spy(device="cpu"):
        given.append(DrawnAnchors(4)(device))
        return given[-1]

    class Heard(Realness):
        def critic(self, real, fake, anchors):
            heard.append(anchors)
            return super().critic(real, fake, anchors)

        def generator(self, fake, anchors, real=None):
            heard.append(anchors)
            return super().generator(fake, anchors, real)

    for _ in train(RealnessGAN(Point(), Outcomes(), Heard(spy), generator_steps=2, **learn), batches(), 2):
        pass
    assert len(given) == 2
    assert not torch.equal(given[0].real, given[1].real)
    assert [anchors is given[i // 3] for i, anchors in enumerate(heard)] == [True] * 6


def test_the_generators_moves_leave_the_critic_as_it_is():
    game = game_of(anchors=DrawnAnchors(4))
    players = game.players()
    for move in game.round(batches(), 0):
        before = game.D.w.clone()
        update(move, players)
        assert torch.equal(before, game.D.w) == (move.player == "G")
        assert all(parameter.grad is None for parameter in game.parameters())


# The recipe


@pytest.mark.parametrize(
    ("shape", "goal"), [((2,), "paired"), ((2,), "away"), ((1, 16, 16), "paired"), ((3, 8, 8), "anchored")]
)
def test_the_recipe_keeps_the_rules(shape, goal):
    torch.manual_seed(0)
    game = realness(shape, goal=goal, latent=6, width=8, generator_steps=2)
    data = iter(lambda: (torch.randn(4, *shape).clamp(-1, 1),), None)
    assert check_game(game, data).turns == (("D",), ("G",), ("G",))
    assert game.sample(3).shape == (3, *shape)
    assert type(game.objective.goal) is type(GOALS[goal])


def settings_of(game):
    return [(group["lr"], group["betas"]) for player in game.players().values() for group in player.param_groups]


def test_points_are_trained_with_the_authors_settings():
    torch.manual_seed(0)
    game = realness((2,))
    assert settings_of(game) == [(1e-4, (0.8, 0.999))] * 2
    assert (game.critic_steps, game.generator_steps, game.G.latent) == (1, 3, 128)
    assert game.objective == Realness(DrawnAnchors(5), Paired())
    assert game.D(torch.zeros(1, 2)).shape == (1, 5)
    gains = game.G.body[0][1].weight
    assert 0.01 < gains.std() < 0.03, "batch norm's gains are N(1, .02²)"
    weight = game.D.head.weight
    assert 0.9 < weight.abs().max() * math.sqrt(200) <= 1.0, "torch's own uniform weights"
    assert not any(isinstance(module, GaussianHead) for module in game.D.modules()), "the toy's answers are not drawn"
    assert torch.equal(game.D(torch.ones(1, 2)), game.D(torch.ones(1, 2)))


def test_images_are_trained_with_the_authors_settings():
    torch.manual_seed(0)
    game = realness((3, 32, 32), width=8)
    assert settings_of(game) == [(2e-4, (0.5, 0.999))] * 2
    assert (game.critic_steps, game.generator_steps, game.G.latent) == (1, 1, 128)
    assert game.objective == Realness(DrawnAnchors(51), Paired())
    x = torch.randn(2, 3, 32, 32)
    assert game.D(x).shape == (2, 51)
    assert not torch.equal(game.D.eval()(x), game.D(x)), "D's answers are drawn, in evaluation too"
    layers = [module for module in game.D.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 4
    assert all(is_parametrized(layer, "weight") for layer in layers), "every layer has spectral norm"
    assert all(layer.bias is None for layer in layers if isinstance(layer, nn.Conv2d))
    assert not any("BatchNorm" in type(module).__name__ for module in game.D.modules())
    assert any("BatchNorm" in type(module).__name__ for module in game.G.modules())


def test_settings_reach_the_game():
    game = realness(
        (2,),
        width=4,
        outcomes=20,
        skew=0.5,
        goal="away",
        critic=AdamOverrides(lr=3e-4),
        generator=AdamOverrides(betas=(0.0, 0.9)),
        critic_steps=2,
        generator_steps=14,
    )
    assert game.objective == Realness(DrawnAnchors(20, 0.5), Away())
    assert settings_of(game) == [(3e-4, (0.8, 0.999)), (1e-4, (0.0, 0.9))]
    assert (game.critic_steps, game.generator_steps) == (2, 14)
    assert realness((2,), width=4, outcomes=10, distance=5.11).objective.anchors == skew_normal(10, 5.11)


@pytest.mark.parametrize("settings", [{"outcomes": 1}, {"distance": 0.0}])
def test_senseless_settings_are_refused(settings):
    with pytest.raises(GameError, match=f"--{next(iter(settings))}"):
        realness((2,), **settings)


def test_images_out_of_range_are_refused():
    with pytest.raises(DataError, match="--size 8x30"):
        realness((3, 7, 30))


def test_the_recipe_is_found_by_its_home():
    assert recipes.recipe("sparring.recipes.realness:realness") is realness


# It learns


def two_clusters(seed):
    generator = torch.Generator().manual_seed(seed)
    while True:
        side = 2.0 * torch.randint(0, 2, (64, 1), generator=generator) - 1
        yield (torch.cat([side, 0 * side], 1) + 0.2 * torch.randn(64, 2, generator=generator),)


class Swapped(Realness):
    """A broken twin: D learns the anchors the wrong way round, G does not know."""

    def critic(self, real, fake, anchors):
        return super().critic(real, fake, Anchors(anchors.fake, anchors.real))


def shares(objective, steps):
    torch.manual_seed(0)
    fast = partial(adam, lr=2e-3, betas=(0.5, 0.99))
    G, D = MLPGenerator((2,), 2, 32, 2), MLPCritic((2,), 32, 2, outcomes=5)
    game = RealnessGAN(G, D, objective, generator_steps=2, critic=fast, generator=fast)
    for _ in train(game, two_clusters(0), steps):
        pass
    x = game.sample(2000)
    return [(x - torch.tensor([at, 0.0])).norm(dim=1).lt(0.6).float().mean().item() for at in (-1.0, 1.0)]


def test_it_finds_two_clusters_and_its_broken_twin_does_not():
    assert min(shares(Realness(DrawnAnchors(5)), 200)) > 0.2
    assert max(shares(Swapped(DrawnAnchors(5)), 100)) < 0.1
