"""StyleGAN2: lazy moves and their weights, path lengths, truncation, the recipe."""

from functools import partial

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.game import Move, adam
from sparring.games.stylegan2 import StyleGAN2, path_lengths
from sparring.networks.stylegan2 import StyleGAN2Critic, StyleGAN2Generator
from sparring.recipes.options import Adam
from sparring.recipes.r3gan_stylegan2 import lazy, stylegan2
from sparring.rng import turn_rng
from sparring.training.ema import EMA
from sparring.training.trainer import train, update
from support.toys import LinearCritic

SHAPE = (1, 8, 8)


class Toy(nn.Module):
    """A mapping and a synthesis that can be written down: w = z, G(w) = the sum over layers of A_l w_l."""

    class Same(nn.Module):
        def forward(self, z):
            return z

    class Linear(nn.Module):
        layers = 3

        def __init__(self, shape, style):
            super().__init__()
            self.shape = shape
            self.maps = nn.Parameter(torch.randn(self.layers, torch.Size(shape).numel(), style, dtype=torch.float64))

        def forward(self, w):
            styles = w[:, None].expand(-1, self.layers, -1) if w.dim() == 2 else w
            return torch.einsum("lps,nls->np", self.maps.to(w.dtype), styles).unflatten(1, self.shape)

    def __init__(self, shape=(1, 4, 4), style=2):
        super().__init__()
        self.latent, self.mapping, self.synthesis = style, self.Same(), self.Linear(shape, style)


learn = {"critic": partial(adam, lr=1e-3), "generator": partial(adam, lr=1e-3)}


def small(**settings):
    torch.manual_seed(0)
    return stylegan2(SHAPE, latent=6, width=4, group=2, **settings)


def batches(shape=SHAPE, n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (torch.randn(n, *shape, generator=generator),)


def linear(weight=(3.0, 4.0), **settings):
    """A game on points (2,), viewed as images (2, 1, 1), with a linear critic of norm 5."""
    D = nn.Sequential(nn.Flatten(), LinearCritic(weight))
    return StyleGAN2(Toy((2, 1, 1)), D, **{"penalty": 0.0, **learn, **settings})


def moves(game, step, data=None):
    return list(game.round(data or batches((2, 1, 1)), step))


def test_the_game_keeps_the_rules_with_everything_on_and_as_the_recipe_has_it():
    seen = check_game(small(path=2.0, mixing=0.9, residual=True), batches())
    assert seen.turns == (("D",), ("D",), ("G",), ("G",))
    assert check_game(small(), batches()).turns == (("D",), ("D",), ("G",))


def test_regularisers_are_paid_when_they_are_due():
    game = linear(penalty=1.0, path=2.0)
    due = {step: "".join(move.player for move in moves(game, step)) for step in (0, 1, 3, 4, 8, 15, 16)}
    assert due == {0: "DDGG", 1: "DG", 3: "DG", 4: "DGG", 8: "DGG", 15: "DG", 16: "DDGG"}
    assert "".join(move.player for move in moves(linear(), 0)) == "DG"


def test_r1_is_weighted_by_its_laziness_and_half_of_gamma():
    r1 = moves(linear(penalty=0.1), 0)[1].terms["r1"]
    assert r1.item() == pytest.approx(16 * 0.1 / 2 * 25, rel=1e-6)


def test_the_penalty_is_on_the_slope_in_the_raw_image():
    game = linear(penalty=0.1)
    game.D = nn.Sequential(Doubled(), game.D)  # as a wrapper that transforms the inputs of D
    assert moves(game, 0)[1].terms["r1"].item() == pytest.approx(16 * 0.1 / 2 * 100, rel=1e-6)


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def test_the_adversarial_terms_are_non_saturating():
    game = linear()
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])[:, :, None, None]
    with turn_rng(5, 0, 0):
        move = moves(game, 1, iter([(x,)]))[0]
    with turn_rng(5, 0, 0):
        fake = game.G.synthesis(game.noise(2))
    sp, w = nn.functional.softplus, torch.tensor([3.0, 4.0])
    expected = sp(-x.flatten(1) @ w).mean() + sp(fake.flatten(1) @ w).mean()
    assert move.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    with turn_rng(5, 0, 1):
        fake = game.G.synthesis(game.noise(2))
    round_ = game.round(iter([(x,)]), 1)
    next(round_)
    with turn_rng(5, 0, 1):
        move = next(round_)
    assert move.loss.item() == pytest.approx(sp(-fake.flatten(1) @ w).mean().item(), rel=1e-5)


def test_path_lengths_of_a_linear_map_are_its_frobenius_norm_over_the_root_of_the_pixels():
    torch.manual_seed(0)
    G = Toy((3, 4, 4), style=5)
    w = torch.randn(20_000, 3, 5, dtype=torch.float64)
    expected = G.synthesis.maps.square().sum((1, 2)).mean() / 16
    lengths = path_lengths(G.synthesis, w)
    assert lengths.square().mean().item() == pytest.approx(expected.item(), rel=0.02)


def test_path_lengths_and_their_gradient_are_finite_where_the_slope_is_0():
    scale = torch.zeros((), requires_grad=True)
    lengths = path_lengths(
        lambda w: (scale * w.sum((1, 2)))[:, None, None, None].expand(-1, 1, 2, 2), torch.ones(3, 2, 4)
    )
    assert lengths.tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    lengths.sum().backward()
    assert scale.grad.item() == 0


def test_the_path_term_is_the_squared_deviation_from_a_slow_average():
    game = linear(path=2.0)
    with turn_rng(0, 0, 0):
        w = game.noise(2)
        lengths = path_lengths(game.G.synthesis, w[:, None].repeat(1, 3, 1))
    with turn_rng(0, 0, 0):
        deviation = game.deviation(2)
    target = 0.01 * lengths.mean()
    assert game.path_length.item() == pytest.approx(target.item(), rel=1e-5)
    assert deviation.item() == pytest.approx((lengths - target).square().mean().item(), rel=1e-5)
    first = game.path_length.clone()
    with turn_rng(0, 0, 0):
        game.deviation(2)
    assert game.path_length.item() == pytest.approx((0.99 * first + target).item(), rel=1e-5)
    assert "path_length" in game.state_dict()


def test_the_path_term_has_four_times_its_weight_over_half_a_batch():
    game = linear(path=2.0)
    sizes = []
    game.deviation = lambda n: sizes.append(n) or torch.tensor(0.5)
    assert moves(game, 0)[-1].terms["path"].item() == 4 * 2 * 0.5
    assert sizes == [2]


def test_path_lengths_pull_the_generator_towards_even_steps():
    game = small(path=2.0, generator=Adam(0.02, (0.0, 0.99)))

    def deviation(n):
        game.path_length.fill_(1.0)
        with turn_rng(0, 0, 0):
            return game.deviation(n)

    before, players = deviation(32).item(), game.players()
    for _ in range(12):
        update(Move("G", path=deviation(8)), players)
    assert deviation(32).item() < 0.5 * before


@pytest.mark.parametrize(("every", "rate"), [(4, 0.002), (16, 0.0025 * 16 / 17), (None, 0.0025)])
def test_lazy_optimisers_are_slowed(every, rate):
    learner = lazy(Adam(0.0025, (0.5, 0.99)), every)
    c = 1 if every is None else every / (every + 1)
    assert learner.lr == pytest.approx(rate, rel=1e-12)
    assert learner.betas == pytest.approx((0.5**c, 0.99**c), rel=1e-12)


def test_the_recipe_is_the_authors_for_cifar():
    game = stylegan2((3, 32, 32), latent=8, width=2)
    rates = {name: player.param_groups[0] for name, player in game.players().items()}
    assert rates["D"]["lr"] == pytest.approx(0.0025 * 16 / 17)
    assert rates["D"]["betas"] == pytest.approx((0.0, 0.99 ** (16 / 17)))
    assert (rates["G"]["lr"], rates["G"]["betas"]) == (0.0025, (0.0, 0.99)), "no path term, nothing to correct"
    assert (game.penalty, game.path, game.mixing, len(game.G.mapping.layers)) == (0.01, 0.0, 0.0, 4)
    assert not any(type(module).__name__ == "_Halving" for module in game.D.modules())
    assert any(type(module).__name__ == "_Halving" for module in StyleGAN2Critic(SHAPE, 4).modules())
    assert StyleGAN2Generator((3, 32, 32)).latent == 512


def test_truncation_moves_styles_to_their_average():
    game = small()
    for _ in train(game, batches(), 3):
        pass
    game.eval()
    z = torch.randn(4, 6)
    none = game.sample(4, noise=z, truncation=0.0)
    assert torch.equal(none, none[:1].expand_as(none)), "one picture for all"
    torch.testing.assert_close(none[:1], game.G.synthesis(game.G.mapping.average[None]).detach())
    whole = game.sample(4, noise=z, truncation=1.0)
    torch.testing.assert_close(whole, game.sample(4, noise=z))
    torch.testing.assert_close(whole, game.G(z).detach())
    assert not torch.allclose(whole[0], whole[1])
    half = game.G.mapping.average + 0.5 * (game.G.mapping(z) - game.G.mapping.average)
    torch.testing.assert_close(game.sample(4, noise=z, truncation=0.5), game.G.synthesis(half).detach())


def test_the_averaged_game_has_the_average_style_too():
    game = small()
    average = EMA(game, 0.5)
    for _ in train(game, batches(), 2, ema=average):
        pass
    mine, theirs = average.game.G.mapping.average, game.G.mapping.average
    assert mine is not theirs
    assert mine.abs().sum() > 0
    assert torch.equal(mine, theirs), "a moving average already, so copied, as in the authors' code"
    assert average.game.D is game.D
    assert torch.equal(average.game.G.synthesis.convolutions[0].fixed, game.G.synthesis.convolutions[0].fixed)


def test_mixing_changes_the_finer_styles_of_its_share_of_images():
    game = linear(mixing=1.0)
    torch.manual_seed(0)
    w = torch.zeros(400, 2)
    mixed = game.mixed(w)
    other = mixed.abs().sum(2) > 0
    assert not other[:, 0].any(), "the coarsest style is never another's"
    assert other[:, -1].all()
    assert 0.35 < other[:, 1].float().mean() < 0.65
    game.mixing = 0.25
    assert 0.17 < (game.mixed(w).abs().sum(2) > 0)[:, -1].float().mean() < 0.33


def test_slopes_are_in_full_precision_under_autocast():
    game = small(path=2.0)
    with torch.autocast("cpu", torch.bfloat16):
        terms = {name: value for move in game.round(batches(), 0) for name, value in move.terms.items()}
    assert terms["r1"].dtype == terms["path"].dtype == torch.float32
    w = torch.randn(2, game.G.synthesis.layers, 6)
    game.eval()
    torch.manual_seed(0)
    plain = path_lengths(game.G.synthesis, w)
    with torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(0)
        assert torch.equal(path_lengths(game.G.synthesis, w), plain)
