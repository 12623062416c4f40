"""Attention, conditional layers, SAGAN's networks and its game: what goes where, and where labels lead."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.conditional import ConditionalGAN
from sparring.inference.sampling import generate, interpolate_seeds, latents_from_seeds, sample_seeds
from sparring.layers.attention import SelfAttention
from sparring.layers.normalization import ClassConditionalBatchNorm, ConditionalBatchNorm
from sparring.layers.residual import ConditionalUpBlock, UpBlock
from sparring.layers.simple import ProjectionHead
from sparring.networks.sagan import SAGANCritic, SAGANGenerator
from sparring.objectives import Hinge
from sparring.recipes.sagan_biggan import sagan
from sparring.rng import fixed_seed
from sparring.training.ema import EMA
from sparring.training.trainer import train
from support.toys import learn

SHAPE, CLASSES = (1, 8, 8), 3


def double(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labelled(shape=SHAPE, n=4, classes=CLASSES):
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.randn(n, *shape, generator=generator).clamp(-1, 1)
        yield (x, torch.randint(classes, (n,), generator=generator)) if classes else (x,)


def small(classes=CLASSES, shape=SHAPE, **settings):
    torch.manual_seed(0)
    return sagan(shape, classes, latent=6, width=4, **settings)


def attention(gain, **settings):
    torch.manual_seed(0)
    layer = SelfAttention(16, **settings).double()
    nn.init.constant_(layer.gain, gain)
    return layer


# --- attention


def test_attention_begins_as_the_identity_exactly():
    x = double(2, 16, 4, 6)
    assert torch.equal(SelfAttention(16).double()(x), x)
    assert not torch.allclose(attention(1.0)(x), x)


def test_every_position_spreads_one_unit_of_attention_over_a_quarter_of_the_positions():
    layer, x = attention(1.0), 3 * double(2, 16, 4, 6)
    weights = layer.weights(x)
    assert weights.shape == (2, 24, 6)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(2), torch.ones(2, 24, dtype=torch.float64))
    assert (weights.std(1) > 1e-3).all(), "positions look at different places"


def test_attention_is_the_formula_position_by_position():
    layer, x = attention(0.7), double(1, 16, 4, 4)
    theta, phi, g, out = (getattr(layer, name).weight[:, :, 0, 0] for name in ("theta", "phi", "g", "out"))
    assert (theta.shape, phi.shape, g.shape, out.shape) == ((2, 16), (2, 16), (8, 16), (16, 8))
    pixels = x[0].flatten(1)  # (C, 16)
    windows = [[4 * (2 * i + di) + 2 * j + dj for di in (0, 1) for dj in (0, 1)] for i in (0, 1) for j in (0, 1)]
    keys = torch.stack([(phi @ pixels)[:, window].amax(1) for window in windows], 1)
    values = torch.stack([(g @ pixels)[:, window].amax(1) for window in windows], 1)
    expected = pixels.clone()
    for position in range(16):
        likes = torch.exp((theta @ pixels)[:, position] @ keys)  # no 1/√d
        expected[:, position] += 0.7 * out @ (values @ (likes / likes.sum()))
    assert torch.allclose(layer(x)[0].flatten(1), expected)


def test_without_pooling_attention_commutes_with_every_permutation_of_the_positions():
    x, order = double(2, 16, 4, 4), torch.randperm(16, generator=torch.Generator().manual_seed(1))

    def moved(x):
        return x.flatten(2)[:, :, order].unflatten(2, (4, 4))

    layer = attention(1.0, pool=nn.Identity)
    assert torch.allclose(layer(moved(x)), moved(layer(x)))
    pooled = attention(1.0)
    assert not torch.allclose(pooled(moved(x)), moved(pooled(x)))


# --- conditional layers


def test_class_batch_norm_gives_each_class_its_row_and_a_mixture_the_mixture():
    layer, x = ClassConditionalBatchNorm(2, 3).double(), 5 + 3 * double(4, 2, 3, 3)
    y = torch.eye(3, dtype=torch.float64)
    standard = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(layer(x, y[[0, 1, 2, 0]]), standard), "gains 1 and offsets 0 at first"
    with torch.no_grad():
        layer.gain.copy_(torch.tensor([[2.0, 3.0], [5.0, 7.0], [0.0, 1.0]]))
        layer.bias.copy_(torch.tensor([[0.0, 0.0], [1.0, -1.0], [4.0, 4.0]]))
    made = layer(x, torch.stack([y[0], y[1], y[2], (y[0] + y[1]) / 2]))
    gains = torch.tensor([[2.0, 3.0], [5.0, 7.0], [0.0, 1.0], [3.5, 5.0]], dtype=torch.float64)
    offsets = torch.tensor([[0.0, 0.0], [1.0, -1.0], [4.0, 4.0], [0.5, -0.5]], dtype=torch.float64)
    assert torch.allclose(made, standard * gains[:, :, None, None] + offsets[:, :, None, None])


def test_conditioned_batch_norm_has_the_gain_one_plus_v_y():
    layer, x = ConditionalBatchNorm(2, 3).double(), double(4, 2, 3, 3)
    with torch.no_grad():
        layer.gain.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, -1.0]]))
        layer.bias.weight.copy_(torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    standard = layer(x, torch.zeros(4, 3, dtype=torch.float64))
    assert standard.mean((0, 2, 3)).abs().max() < 1e-9
    assert standard.var((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1], abs=1e-4), "without y the gain is 1"
    y = torch.tensor([1.0, 0.5, -1.0], dtype=torch.float64).expand(4, 3)
    assert torch.allclose(layer(x, y)[:, 0], (1 - 1) * standard[:, 0] + 0.5)
    assert torch.allclose(layer(x, y)[:, 1], (1 + 1) * standard[:, 1] + 1)


def test_without_a_condition_the_block_is_that_of_sngan():
    torch.manual_seed(0)
    mine, theirs = ConditionalUpBlock(3, 5, nn.BatchNorm2d).double(), UpBlock(3, 5).double()
    parts = {"residual.0": mine.first, "residual.2": mine.up, "residual.3": mine.second, "residual.5": mine.same}
    for name, part in parts.items():
        theirs.get_submodule(name).load_state_dict(part.state_dict())
    theirs.shortcut.load_state_dict(mine.shortcut.state_dict())
    x = double(2, 3, 4, 4)
    assert torch.allclose(mine(x), theirs(x))


def test_projection_by_hand():
    head = ProjectionHead(2, 3)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, -1.0]]))
        head.linear.bias.fill_(0.5)
        head.embed.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    h = torch.tensor([[10.0, 1.0], [10.0, 1.0], [2.0, 3.0]])
    y = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    assert head(h, y).tolist() == [9.5 + 10 + 4, 9.5 + 30 + 6, -0.5 + 3 + 13.5]
    assert ProjectionHead(2, None)(h).shape == (3,)


# --- SAGAN's networks


@pytest.mark.parametrize(("side", "place"), [(8, 4), (16, 8), (32, 16), (64, 32), (128, 32), (256, 32)])
def test_attention_is_at_32_pixels_or_half_the_side(side, place):
    torch.manual_seed(0)
    G, D = SAGANGenerator((3, side, side), CLASSES, 6, 2), SAGANCritic((3, side, side), CLASSES, 2)
    seen = []
    for network in (G, D):
        layers = [layer for layer in network.modules() if isinstance(layer, SelfAttention)]
        assert len(layers) == 1
        layers[0].register_forward_hook(lambda layer, given, made: seen.append(made.shape[-1]))
    y = torch.eye(CLASSES)[[0, 2]]
    x = G(torch.randn(2, 6), y)
    assert x.shape == (2, 3, side, side)
    assert x.abs().max() <= 1
    assert D(x, y).shape == (2,)
    assert seen == [place, place]


def test_the_plan_at_128_pixels_is_the_codes():
    G, D = SAGANGenerator((3, 128, 128), 2, 6, width=1), SAGANCritic((3, 128, 128), 2, width=1)
    assert [block.same.out_channels for block in G.stages.grow] == [16, 8, 4, 2, 1]
    assert G.start[0].out_features == 16 * 16
    convolutions = [
        layer for layer in D.trunk.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)
    ]
    assert [layer.out_channels for layer in convolutions][::2] == [1, 2, 4, 8, 16, 16]
    assert [layer.in_channels for layer in convolutions][1::2] == [1, 2, 4, 8, 16, 16], "wide inside"


def test_every_layer_of_both_players_is_spectrally_normalised_and_nothing_else_is():
    game = small()
    for network in (game.G, game.D):
        for name, layer in network.named_modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                assert is_parametrized(layer, "weight"), name
    assert not any(is_parametrized(layer) for layer in game.G.modules() if isinstance(layer, ClassConditionalBatchNorm))
    weight = [game.D.head.embed.weight for _ in range(100)][-1]
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-3)


def test_odd_sizes_and_points_are_refused():
    for shape in ((3, 30, 30), (2,), (3, 512, 512)):
        with pytest.raises(DataError):
            sagan(shape)


# --- the game


class Told(nn.Module):
    """A generator or critic of points that keeps what it was told."""

    def __init__(self):
        super().__init__()
        self.latent, self.heard = 2, []
        self.w = nn.Parameter(torch.tensor([0.5, -0.5]))


class Draws(Told):
    def forward(self, z, *y):
        self.heard.append(y)
        return z + self.w


class Judges(Told):
    def forward(self, x, *y):
        self.heard.append((x.detach(), *y))
        return x @ self.w + (y[0] @ torch.tensor([0.0, 10.0, 100.0]) if y else 0)


def told(classes=CLASSES, **settings):
    return ConditionalGAN(Draws(), Judges(), Hinge(), classes=classes, **settings, **learn)


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_the_game_keeps_the_rules_with_and_without_classes(classes):
    seen = check_game(small(classes, critic_steps=2), labelled(classes=classes))
    assert seen.turns == (("D",), ("D",), ("G",))
    assert seen.terms == {"D": ("adversarial",), "G": ("adversarial",)}


def test_data_without_labels_have_0_classes_and_train_unconditionally():
    assert small(0).classes is None
    assert small(0).noise(2).shape == (2, 6)


def test_reals_keep_their_labels_and_fakes_those_they_were_drawn_with():
    game = told()
    x, labels = torch.zeros(4, 2), torch.tensor([2, 0, 1, 1])
    first, second = game.round(iter([(x, labels)]), 0)
    (drawn,), (drawn_again,) = game.G.heard
    (real, on_real), (fake, on_fake), (_, on_fake_again) = game.D.heard
    assert torch.equal(real, x)
    assert torch.equal(on_real, torch.eye(3)[labels])
    assert torch.equal(on_fake, drawn)
    assert torch.equal(on_fake_again, drawn_again)
    assert not torch.equal(drawn, drawn_again), "new labels in G's move"
    scores = [fake @ game.D.w + on_fake @ torch.tensor([0.0, 10.0, 100.0]), torch.tensor([100.0, 0.0, 10.0, 10.0])]
    expected = (1 + scores[0]).relu().mean() + (1 - scores[1]).relu().mean()
    assert first.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert second.terms["adversarial"].item() < 0


def test_the_critics_move_reaches_no_generator_and_the_generators_move_does():
    game = told()
    first, second = game.round(labelled((2,)), 0)
    assert torch.autograd.grad(first.loss, game.G.w, allow_unused=True, retain_graph=True) == (None,)
    (pull,) = torch.autograd.grad(second.loss, game.G.w)
    assert torch.allclose(pull, -game.D.w), "L_G = −E D(G)"


def test_labels_of_fakes_are_uniform_and_no_part_of_z():
    noise = told().noise(6000)
    assert set(noise[:, 2:].unique().tolist()) == {0.0, 1.0}
    assert (noise[:, 2:].sum(1) == 1).all()
    assert noise[:, 2:].mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert torch.cov(noise.T)[:2, 2:].abs().max() < 0.03


def test_changing_the_label_changes_the_sample_and_its_score():
    game = small().eval()
    with torch.no_grad():  # tables that differ, as they do once something was learnt
        for layer in game.modules():
            if isinstance(layer, ClassConditionalBatchNorm):
                layer.gain.normal_()
    rows = game.noise(4)
    one, other = (game.sample(4, noise=rows, label=label) for label in (0, 2))
    assert not torch.allclose(one, other, atol=1e-3)
    assert torch.equal(game.sample(4, noise=torch.cat([rows[:, :6], torch.eye(3)[[2] * 4]], 1)), other)
    y = torch.eye(3)
    assert not torch.allclose(game.D(one, y[[0] * 4]), game.D(one, y[[1] * 4]), atol=1e-4)


def test_without_labels_or_with_an_unknown_one_there_is_a_sentence():
    with pytest.raises(GameError, match="no labels"):
        next(told().round(labelled((2,), classes=0), 0))
    for label in (-1, 3):
        with pytest.raises(GameError, match="no class"):
            told().sample(2, label=label)
    with pytest.raises(GameError, match="knows no classes"):
        told(None).sample(2, label=0)


def test_labels_of_data_are_ignored_by_a_game_without_classes():
    game = told(None)
    list(game.round(labelled((2,)), 0))
    assert game.G.heard == [(), ()]
    assert all(len(heard) == 1 for heard in game.D.heard)


def test_a_row_of_noise_is_all_there_is_to_a_sample():
    game = small()
    rows = latents_from_seeds(game, range(5))
    assert rows.shape == (5, 6 + CLASSES)
    assert torch.equal(generate(game, rows), sample_seeds(game, range(5)))
    with fixed_seed(3):
        assert torch.equal(game.noise(1), rows[3:4])
    assert interpolate_seeds(game, [0, 1, 2], 5).shape == (5, *SHAPE)


def test_a_mixture_of_classes_is_normalised():
    game = told()
    rows = torch.tensor([[1.0, 2.0, 0.3, 0.3, 0.0], [1.0, 2.0, 0.0, 7.0, 0.0], [1.0, 2.0, 0.0, 0.0, 0.0]])
    z, y = game.split(rows)
    assert torch.equal(z, rows[:, :2])
    assert y.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_the_players_learn_at_the_papers_rates_and_can_be_averaged():
    game = small()
    assert {name: (p.param_groups[0]["lr"], p.param_groups[0]["betas"]) for name, p in game.players().items()} == {
        "D": (4e-4, (0.0, 0.9)),
        "G": (1e-4, (0.0, 0.9)),
    }
    average = EMA(game, 0.5)
    for _ in train(game, labelled(), 2, ema=average):
        pass
    assert generate(average.game, game.noise(2)).shape == (2, *SHAPE)


def test_the_game_learns_which_class_is_where():
    """Three classes at three places; a generator that adds y's row to its noise must find them."""

    class Places(nn.Module):
        def __init__(self):
            super().__init__()
            self.latent, self.place = 2, nn.Linear(3, 2, bias=False)

        def forward(self, z, y):
            return self.place(y) + 0.1 * z

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.head = (
                nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()),
                ProjectionHead(32, 3),
            )

        def forward(self, x, y):
            return self.head(self.trunk(x), y)

    torch.manual_seed(0)
    centres = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])

    def data():
        while True:
            y = torch.randint(3, (64,))
            yield centres[y] + 0.1 * torch.randn(64, 2), y

    quick = {"critic": partial(adam, lr=4e-3), "generator": partial(adam, lr=1e-2)}
    game = ConditionalGAN(Places(), Critic(), Hinge(), classes=3, **quick)
    for _ in train(game, data(), 200):
        pass
    assert (game.G.place.weight.T - centres).norm(dim=1).max() < 0.4
