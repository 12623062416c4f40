"""R3GAN: pairs, both penalties with their halves, convergence where pairs alone circle; networks that start linear."""

from functools import partial
from math import cos, pi

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.r3gan import R3GAN
from sparring.networks.fourier import FourierCritic, FourierGenerator
from sparring.networks.r3gan import R3GANGenerator
from sparring.objectives.penalties import r1, scores_and_squared_norms
from sparring.recipes.r3gan_stylegan2 import r3gan
from sparring.rng import turn_rng
from sparring.schedules import cosine
from sparring.training.trainer import train, trainable_parameters
from support.toys import LinearCritic, Point, batches

IMAGES, POINTS = (1, 8, 8), (2,)


learn = {"critic": partial(adam, lr=0.01), "generator": partial(adam, lr=0.01)}


def images(n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (torch.randn(n, *IMAGES, generator=generator),)


def linear(penalty=0.1, weight=(3.0, 4.0), start=0.0):
    return R3GAN(Point(start), LinearCritic(weight), penalty=lambda step: penalty, **learn)


def test_one_pass_gives_the_scores_and_r1():
    torch.manual_seed(0)
    D = nn.Sequential(nn.Linear(3, 8), nn.Softplus(), nn.Linear(8, 1), nn.Flatten(0)).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    scores, slopes = scores_and_squared_norms(D, x)
    penalty = slopes.mean()
    torch.testing.assert_close(scores, D(x))
    torch.testing.assert_close(penalty, r1(D, x))
    assert not x.requires_grad, "the batch stays as it was"
    mine = torch.autograd.grad(penalty, D[0].weight)[0]
    torch.testing.assert_close(mine, torch.autograd.grad(r1(D, x), D[0].weight)[0])


def test_both_penalties_are_half_of_gamma_times_the_squared_slope():
    terms = next(linear(0.1).round(batches(), 0)).terms
    assert terms["r1"].item() == pytest.approx(0.05 * 25, rel=1e-6)
    assert terms["r2"].item() == pytest.approx(0.05 * 25, rel=1e-6)


def test_r1_is_on_reals_and_r2_on_fakes():
    class Steep(nn.Module):  # D(x) = x₀² / 2: the slope is x₀
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(0.5))

        def forward(self, x):
            return self.scale * x[:, 0] ** 2

    G = Point(2.0, spread=0.0)
    terms = next(
        R3GAN(G, Steep(), penalty=lambda step: 1.0, **learn).round(iter([(torch.full((4, 2), 3.0),)]), 0)
    ).terms
    assert terms["r1"].item() == pytest.approx(9 / 2)
    assert terms["r2"].item() == pytest.approx(4 / 2)


def test_gamma_follows_the_step():
    game = R3GAN(Point(), LinearCritic((3.0, 4.0)), penalty=cosine(2.0, 1.0, 100), **learn)
    seen = [next(game.round(batches(), step)).terms["r1"].item() for step in (0, 25, 50, 100, 900)]
    assert seen == pytest.approx([25, 12.5 * (1.5 + cos(pi / 4) / 2), 18.75, 12.5, 12.5], rel=1e-5)


def test_critic_and_generator_compare_pairs():
    x, y = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    game = linear(start=0.3)
    with turn_rng(7, 0, 0):
        round_ = game.round(iter([(x,), (y,)]), 0)
        D = next(round_)
    with turn_rng(7, 0, 1):
        G = next(round_)
    with turn_rng(7, 0, 0):
        first = game.D(game.G(game.noise(2)))
    with turn_rng(7, 0, 1):
        second = game.D(game.G(game.noise(2)))
    sp = nn.functional.softplus
    assert D.terms["relativistic"].item() == pytest.approx(sp(first - game.D(x)).mean().item(), rel=1e-5)
    assert G.loss.item() == pytest.approx(sp(game.D(y) - second).mean().item(), rel=1e-5), "new reals, signs exchanged"


def test_each_move_reaches_its_player_alone():
    game = linear(start=0.5)
    D, G = list(game.round(batches(), 0))
    assert all(
        torch.autograd.grad(D.loss, trainable_parameters(game.players()["G"]), allow_unused=True)[i] is None
        for i in range(1)
    )
    (slope,) = torch.autograd.grad(G.loss, [game.G.b])
    assert slope.sign().tolist() == [-1.0, -1.0], "towards larger scores"


def test_the_penalty_is_on_the_slope_in_the_raw_image():
    game = linear(0.1)
    game.D = nn.Sequential(Doubled(), game.D)  # as a wrapper that transforms the inputs of D
    assert next(game.round(batches(), 0)).terms["r1"].item() == pytest.approx(0.05 * 100, rel=1e-6)


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def test_slopes_are_in_full_precision_under_autocast():
    game = r3gan(IMAGES, latent=4, width=8)
    with torch.autocast("cpu", torch.bfloat16):
        terms = next(game.round(images(), 0)).terms
    assert {value.dtype for value in terms.values()} == {torch.float32}


def dirac(penalty, start=1.0):
    """The data are all 0, G(z) = θ, D(x) = ψ x (Mescheder et al., 2018)."""
    slide = partial(torch.optim.SGD, lr=0.1)
    settings = {"critic": lambda D: slide(D.parameters()), "generator": lambda G: slide(G.parameters())}
    game = R3GAN(Point(start, spread=0.0, dim=1), LinearCritic((0.0,)), penalty=lambda step: penalty, **settings)
    return game.double()


def zeros():
    while True:
        yield (torch.zeros(2, 1, dtype=torch.float64),)


def distance(game):
    return (game.G.b.square() + game.D.w.square()).sqrt().item()


def test_both_penalties_converge_where_pairs_alone_circle():
    plain = dirac(0.0, start=0.1)  # farther out the non-saturating game creeps inwards, never faster than 1 / √t
    distances = [distance(plain) for _ in train(plain, zeros(), 400)]
    assert min(distances) > 0.09
    assert max(distances) < 0.11
    punished = dirac(0.5)
    for _ in train(punished, zeros(), 400):
        pass
    assert distance(punished) < 1e-6


@pytest.mark.parametrize(
    ("total", "expected"),
    [(0.0, (0.5j, -0.5j)), (0.5, (-0.25 + 0.433j, -0.25 - 0.433j)), (1.0, (-0.5, -0.5)), (4.0, (-0.0635, -3.9365))],
)
def test_the_eigenvalues_of_the_game_at_its_equilibrium(total, expected):
    """Both penalties add up: R1 + R2 with γ each damp like one of them with 2 γ."""
    game = dirac(total / 2)
    nn.init.zeros_(game.G.b)

    def velocity(theta, psi):
        game.G.b.data.fill_(theta)
        game.D.w.data.fill_(psi)
        D, G = game.round(zeros(), 0)
        return [-torch.autograd.grad(G.loss, game.G.b)[0], -torch.autograd.grad(D.loss, game.D.w)[0]]

    h = 1e-5
    columns = [
        [(a - b) / (2 * h) for a, b in zip(velocity(*p), velocity(*m), strict=True)]
        for p, m in (((h, 0.0), (-h, 0.0)), ((0.0, h), (0.0, -h)))
    ]
    jacobian = torch.tensor([[column[row].item() for column in columns] for row in range(2)], dtype=torch.float64)
    values = sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda v: (-v.real, -v.imag))
    assert values == pytest.approx(list(expected), abs=3e-3)


def test_networks_of_points_work_in_units_of_the_scale():
    torch.manual_seed(0)
    G, D = FourierGenerator((2,), width=8, scale=5.0), FourierCritic((2,), width=8, scale=5.0)
    z, x = torch.randn(4, 2), torch.randn(4, 2)
    torch.testing.assert_close(G(z), 5 * G.body[:-1](z))
    torch.testing.assert_close(D(5 * x), D.head(D.trunk[1:](x)).squeeze(1))
    game = r3gan(POINTS, scale=5.0)
    assert (game.G.body[-1].scale, game.D.trunk[0].scale, game.G.latent) == (5.0, 0.2, 2)


def test_what_cannot_be_divided_or_drawn_is_refused():
    with pytest.raises(GameError, match="--cardinality"):
        R3GANGenerator((1, 8, 8), width=24, cardinality=7)
    with pytest.raises(DataError, match="--size 8x28"):
        r3gan((3, 7, 28))


@pytest.mark.parametrize("shape", [POINTS, IMAGES])
def test_the_recipe_keeps_the_rules(shape):
    torch.manual_seed(0)
    data = images() if shape == IMAGES else batches()
    seen = check_game(r3gan(shape, latent=4, width=8), data)
    assert seen.turns == (("D",), ("G",))
    assert seen.terms == {"D": ("relativistic", "r1", "r2"), "G": ("relativistic",)}


def test_the_recipe_is_the_authors_for_cifar():
    game = r3gan((3, 32, 32), width=16)
    for player in game.players().values():
        assert (player.param_groups[0]["lr"], player.param_groups[0]["betas"]) == (2e-4, (0.0, 0.99))
    assert game.G.latent == 64
    assert game.penalty(0) == pytest.approx(0.05)
    assert game.penalty(39_063) == pytest.approx(0.005)
    assert [game.lr_scale(step) for step in (0, 39_063, 10**6)] == pytest.approx([1.0, 0.25, 0.25])
