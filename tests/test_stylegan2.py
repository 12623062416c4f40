"""StyleGAN2: lazy moves and their weights, path lengths, styles and their average, networks at every size."""

from functools import partial

import pytest
import torch
from torch import nn

from sparring.average import Average
from sparring.chance import drawing
from sparring.check import check_game
from sparring.errors import DataError
from sparring.game import Move, adam
from sparring.games.stylegan2 import StyleGAN2, path_lengths
from sparring.networks.stylegan2 import Mapping, StyleGAN2Critic, StyleGAN2Generator, Synthesis
from sparring.recipes.modern import lazy, stylegan2
from sparring.recipes.settings import Adam
from sparring.trainer import train, update
from toys import LinearCritic

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
    """A game on points (2,), seen as images (2, 1, 1), with a linear critic of norm 5."""
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
    game.D = nn.Sequential(Doubled(), game.D)  # what a wrapper does that transforms what D sees
    assert moves(game, 0)[1].terms["r1"].item() == pytest.approx(16 * 0.1 / 2 * 100, rel=1e-6)


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def test_the_adversarial_terms_are_non_saturating():
    game = linear()
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])[:, :, None, None]
    with drawing(5, 0, 0):
        move = moves(game, 1, iter([(x,)]))[0]
    with drawing(5, 0, 0):
        fake = game.G.synthesis(game.noise(2))
    sp, w = nn.functional.softplus, torch.tensor([3.0, 4.0])
    expected = sp(-x.flatten(1) @ w).mean() + sp(fake.flatten(1) @ w).mean()
    assert move.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    with drawing(5, 0, 1):
        fake = game.G.synthesis(game.noise(2))
    round_ = game.round(iter([(x,)]), 1)
    next(round_)
    with drawing(5, 0, 1):
        move = next(round_)
    assert move.loss.item() == pytest.approx(sp(-fake.flatten(1) @ w).mean().item(), rel=1e-5)


def test_path_lengths_of_a_linear_map_are_its_frobenius_norm_over_the_root_of_the_pixels():
    torch.manual_seed(0)
    G = Toy((3, 4, 4), style=5)
    w = torch.randn(20_000, 3, 5, dtype=torch.float64)
    expected = G.synthesis.maps.square().sum((1, 2)).mean() / 16
    lengths = path_lengths(G.synthesis, w)
    assert lengths.square().mean().item() == pytest.approx(expected.item(), rel=0.02)


def test_the_path_term_is_the_squared_deviation_from_a_slow_average():
    game = linear(path=2.0)
    with drawing(0, 0, 0):
        w = game.noise(2)
        lengths = path_lengths(game.G.synthesis, w[:, None].repeat(1, 3, 1))
    with drawing(0, 0, 0):
        deviation = game.deviation(2)
    target = 0.01 * lengths.mean()
    assert game.path_length.item() == pytest.approx(target.item(), rel=1e-5)
    assert deviation.item() == pytest.approx((lengths - target).square().mean().item(), rel=1e-5)
    first = game.path_length.clone()
    with drawing(0, 0, 0):
        game.deviation(2)
    assert game.path_length.item() == pytest.approx((0.99 * first + target).item(), rel=1e-5)
    assert "path_length" in game.state_dict()


def test_the_path_term_carries_four_times_its_weight_over_half_a_batch():
    game = linear(path=2.0)
    asked = []
    game.deviation = lambda n: asked.append(n) or torch.tensor(0.5)
    assert moves(game, 0)[-1].terms["path"].item() == 4 * 2 * 0.5
    assert asked == [2]


def test_path_lengths_pull_the_generator_towards_even_steps():
    game = small(path=2.0, generator=Adam(0.02, (0.0, 0.99)))

    def deviation(n):
        game.path_length.fill_(1.0)
        with drawing(0, 0, 0):
            return game.deviation(n)

    before, players = deviation(32).item(), game.players()
    for _ in range(12):
        update(Move("G", path=deviation(8)), players)
    assert deviation(32).item() < 0.5 * before


@pytest.mark.parametrize(("every", "rate"), [(4, 0.002), (16, 0.0025 * 16 / 17), (None, 0.0025)])
def test_lazy_optimisers_are_slowed(every, rate):
    learner = lazy(Adam(0.0025, (0.5, 0.99)), every)
    c = 1 if every is None else every / (every + 1)
    assert learner.rate == pytest.approx(rate, rel=1e-12)
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


@pytest.mark.parametrize(
    ("side", "channels"), [(32, [512] * 4), (128, [512] * 5 + [256]), (256, [512] * 5 + [256, 128])]
)
def test_the_published_plan_of_channels(side, channels):
    with torch.device("meta"):
        G, D = Synthesis((3, side, side), 512), StyleGAN2Critic((3, side, side))
    assert [colour.convolve.weight.shape[1] for colour in G.colours] == channels
    assert D.trunk[0].weight.shape[0] == channels[-1]
    assert len(G.convolutions) == 2 * len(channels) - 1
    assert G.layers == 2 * len(channels)


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_size_is_drawn_and_scored(side, colours):
    torch.manual_seed(0)
    game = stylegan2((colours, side, side), latent=4, width=1, residual=side < 64)
    x = game.sample(2)
    assert x.shape == (2, colours, side, side)
    assert torch.isfinite(x).all()
    assert game.D(x).shape == (2,)


def test_other_shapes_are_refused():
    with pytest.raises(DataError, match="--size 32"):
        stylegan2((3, 28, 28))
    with pytest.raises(DataError, match="points"):
        stylegan2((2,))


def test_the_mapping_forgets_the_length_of_the_noise():
    torch.manual_seed(0)
    mapping, z = Mapping(6, 8, 2).double().eval(), torch.randn(5, 6, dtype=torch.float64)
    unit = z / z.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(mapping(z), mapping.layers(unit))
    torch.testing.assert_close(mapping(7 * z), mapping(z), rtol=1e-6, atol=1e-9)
    assert not torch.allclose(mapping(-z), mapping(z))


def test_the_mapping_learns_a_hundredfold_slowly():
    torch.manual_seed(0)
    layers = [layer for layer in Mapping(64, 64, 2).layers if hasattr(layer, "weight")]
    assert len(layers) == 2
    for layer in layers:
        assert layer.rate == 0.01
        assert layer.weight.std().item() == pytest.approx(100, rel=0.05)


def test_the_average_style_follows_in_training_only():
    torch.manual_seed(0)
    mapping, z = Mapping(6, 8, 2), torch.randn(5, 6)
    w = mapping(z)
    torch.testing.assert_close(mapping.average, 0.005 * w.mean(0))
    first = mapping.average.clone()
    mapping(z)
    torch.testing.assert_close(mapping.average, 0.995 * first + 0.005 * w.mean(0))
    before = mapping.average.clone()
    mapping.eval()(z)
    assert torch.equal(mapping.average, before)


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
    average = Average(game, 0.5)
    for _ in train(game, batches(), 2, average=average):
        pass
    mine, theirs = average.game.G.mapping.average, game.G.mapping.average
    assert mine is not theirs
    assert mine.abs().sum() > 0
    assert torch.equal(mine, theirs), "a moving average already, so copied, as in the authors' code"
    assert average.game.D is game.D
    assert torch.equal(average.game.G.synthesis.convolutions[0].fixed, game.G.synthesis.convolutions[0].fixed)


def test_each_layer_listens_to_its_own_style():
    torch.manual_seed(0)
    synthesis = Synthesis((1, 8, 8), 6, 4).eval()
    w = torch.randn(2, 6)
    every = w[:, None].repeat(1, synthesis.layers, 1)
    assert torch.equal(synthesis(w), synthesis(every))
    for layer in range(synthesis.layers):
        other = every.clone()
        other[:, layer] += 1
        assert not torch.allclose(synthesis(other), synthesis(every)), layer


def test_the_image_is_the_sum_over_scales():
    torch.manual_seed(0)
    synthesis = Synthesis((1, 8, 8), 6, 4).double().eval()
    w = torch.randn(2, 6, dtype=torch.float64)
    whole = synthesis(w)
    for colour in synthesis.colours:
        nn.init.zeros_(colour.convolve.weight)
    assert (synthesis(w) == 0).all()
    nn.init.constant_(synthesis.colours[0].bias, 2.0)
    assert synthesis(w)[0, 0, 3:5, 3:5].flatten().tolist() == pytest.approx([2.0] * 4, rel=1e-6), "enlarged, unbent"
    assert whole.std() > 0.1


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


def test_the_noise_of_layers_is_silent_at_first_new_in_training_and_fixed_in_samples():
    torch.manual_seed(0)
    G, z = StyleGAN2Generator(SHAPE, 6, 4, 2), torch.randn(2, 6)
    assert torch.equal(G(z), G(z)), "its strength starts at zero"
    for layer in G.synthesis.convolutions:
        nn.init.constant_(layer.strength, 0.5)
    assert not torch.equal(G(z), G(z))
    G.eval()
    assert torch.equal(G(z), G(z))
    torch.testing.assert_close(G(z)[:1], G(z[:1]))


def test_signals_neither_die_nor_explode():
    torch.manual_seed(0)
    seen = []
    G = StyleGAN2Generator((3, 32, 32), 64, 16, 2)
    D = StyleGAN2Critic((3, 32, 32), 16)
    for layer in [*G.synthesis.convolutions, *[block for block in D.trunk if type(block).__name__ == "_Halving"]]:
        layer.register_forward_hook(lambda module, x, y: seen.append(y.square().mean().item()))
    D(torch.randn(8, 3, 32, 32))
    blocks = len(seen)
    G(torch.randn(8, 64))
    assert all(0.1 < size < 2 for size in seen[:blocks]), "filters take some of white noise"
    assert all(0.1 < size < 2 for size in seen[blocks:])


def test_a_critics_block_weighs_path_and_shortcut_equally():
    torch.manual_seed(0)
    (block,) = [layer for layer in StyleGAN2Critic(SHAPE, 4).trunk if type(layer).__name__ == "_Halving"]
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(block(x), (block.path(x) + block.shortcut(x)) / 2**0.5)


def test_the_critic_sees_how_much_a_group_differs():
    torch.manual_seed(0)
    D = StyleGAN2Critic(SHAPE, 4, 4)
    one, others = torch.randn(1, *SHAPE), torch.randn(3, *SHAPE)
    alone, among = D(one.repeat(4, 1, 1, 1))[0], D(torch.cat([one, others]))[0]
    assert not torch.isclose(alone, among)


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
