"""Attention, conditional layers, SAGAN's networks and its game: what goes where, and where labels lead."""

import pytest
import torch
from torch import nn

from sparring.inference.sampling import generate
from sparring.layers.attention import SelfAttention
from sparring.layers.normalization import ClassConditionalBatchNorm, ConditionalBatchNorm
from sparring.layers.residual import ConditionalUpBlock, UpBlock
from sparring.layers.simple import ProjectionHead
from sparring.training.ema import EMA
from sparring.training.trainer import train
from support.conditional import SHAPE, labelled, small


def double(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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
