"""Layers against their definitions: initialisations, maxout, folded resampling, residual blocks, batch-norm mixing."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sparring.layers import init
from sparring.layers.normalization import layer_norm
from sparring.layers.resampling import ConvDown, GlobalMean, GlobalSum, UpConv
from sparring.layers.residual import DownBlock, FirstBlock, SameBlock, UpBlock, residual_glorot
from sparring.layers.simple import Affine, Maxout
from sparring.layers.spectral import spectral


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def plain_up(x, layer):
    return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, layer.bias, padding=1)


def plain_down(x, layer):
    return F.avg_pool2d(F.conv2d(x, layer.weight, layer.bias, padding=1), 2)


FOLDED = [(UpConv, plain_up), (ConvDown, plain_down)]


# Folded resampling


@pytest.mark.parametrize(("kind", "plain"), FOLDED)
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (8, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_folded_equals_plain_in_value_and_gradients(kind, plain, size, bias):
    layer = kind(3, 5, bias=bias).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    folded, reference = layer(x), plain(x, layer)
    assert folded.shape == reference.shape
    torch.testing.assert_close(folded, reference, rtol=0, atol=1e-12)
    upstream = torch.randn_like(folded)
    wanted = torch.autograd.grad(reference, [x, *layer.parameters()], upstream)
    for ours, theirs in zip(torch.autograd.grad(folded, [x, *layer.parameters()], upstream), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "plain"), FOLDED)
def test_folded_second_order_equals_plain(kind, plain):
    """The weight gradient of a squared slope, which is what a gradient penalty trains on."""
    layer = kind(2, 3).double()
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)

    def penalty_gradient(forward):
        (slope,) = torch.autograd.grad(forward(x).tanh().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [x, *layer.parameters()])

    for ours, theirs in zip(penalty_gradient(layer), penalty_gradient(partial(plain, layer=layer)), strict=True):
        assert theirs.abs().max() > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [UpConv, ConvDown])
@pytest.mark.parametrize("form", [torch.channels_last, torch.contiguous_format])
def test_what_comes_out_is_laid_out_as_the_weight_is(kind, form):
    y = kind(8, 8).to(memory_format=form)(torch.randn(2, 8, 4, 4))
    assert y.is_contiguous(memory_format=form)


@pytest.mark.parametrize("kind", [UpConv, ConvDown])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_folded_is_the_same_to_the_bit_in_and_out_of_a_graph(kind, precision):
    layer, x = kind(3, 5), torch.randn(2, 3, 4, 4)
    with torch.autocast("cpu", precision, enabled=precision is torch.bfloat16):
        y = layer(x)
        with torch.no_grad():
            assert torch.equal(layer(x), y)
        assert torch.equal(layer.eval()(x), y)
    assert y.dtype == precision


@pytest.mark.parametrize("kind", [UpConv, ConvDown])
def test_folded_is_transformed_as_a_plain_convolution_is(kind):
    layer, x = kind(3, 5).double(), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(torch.func.vmap(layer)(x[:, None])[:, 0], layer(x), rtol=0, atol=1e-12)
    (wanted,) = torch.autograd.grad(layer(x.requires_grad_()).sum(), x)
    torch.testing.assert_close(torch.func.grad(lambda x: layer(x).sum())(x), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [UpConv, ConvDown])
def test_folded_gradients_against_differences(kind):
    layer = kind(1, 1).double()
    x = torch.randn(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)

    def forward(x, weight):
        return torch.func.functional_call(layer, {"weight": weight}, (x,)).tanh()

    assert torch.autograd.gradcheck(forward, (x, weight))
    assert torch.autograd.gradgradcheck(forward, (x, weight))


@pytest.mark.parametrize(("kind", "plain"), FOLDED)
def test_folded_under_spectral_norm_copies_and_channels_last(kind, plain):
    layer = spectral(kind(4, 4).double()).eval()
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64)
    assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(layer(x), plain(x, layer), rtol=0, atol=1e-12)
    torch.testing.assert_close(copy.deepcopy(layer)(x), layer(x), rtol=0, atol=0)
    last = copy.deepcopy(layer).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), layer(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [UpConv, ConvDown])
def test_folded_checkpoint_is_that_of_a_plain_convolution(kind):
    layer, plain = kind(3, 5), nn.Conv2d(3, 5, 3, padding=1)
    layer.load_state_dict(plain.state_dict())
    assert {name: value.shape for name, value in layer.state_dict().items()} == {"weight": (5, 3, 3, 3), "bias": (5,)}


# Residual blocks, against the order of operations of the papers


def test_up_block_is_the_papers():
    block = UpBlock(3, 5).double().train()
    norm1, _, conv1, norm2, _, conv2 = block.residual
    x = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    wanted = plain_up(F.relu(norm1(x)), conv1)
    wanted = conv2(F.relu(norm2(wanted))) + block.shortcut[0](F.interpolate(x, scale_factor=2))
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hidden", [None, 7])
def test_down_block_is_the_papers(hidden):
    block = DownBlock(3, 5, hidden=hidden).double()
    conv1, conv2 = block.residual[2], block.residual[5]
    assert conv1.out_channels == (hidden or 3)
    x = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    wanted = plain_down(F.relu(conv1(F.relu(x))), conv2) + F.avg_pool2d(block.shortcut[1](x), 2)
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)


def test_first_block_has_no_activation_in_front():
    block = FirstBlock(3, 5).double()
    conv1, conv2 = block.residual[0], block.residual[2]
    x = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    wanted = plain_down(F.relu(conv1(x)), conv2) + F.avg_pool2d(block.shortcut[1](x), 2)
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)


def test_same_block_keeps_x_and_does_not_overwrite_it():
    block = SameBlock(3)
    for weight in block.parameters():
        nn.init.zeros_(weight)
    x = torch.randn(2, 3, 4, 4)
    before = x.clone()
    assert torch.equal(block(x), before)
    assert torch.equal(x, before)


def test_residual_glorot_gains():
    block = UpBlock(64, 64)
    residual_glorot(block)
    # variance 2 gain² / (fan-in + fan-out), fan-in = fan-out = 64 · taps
    for layer, gain, taps in [
        (block.residual[2], 2**0.5, 9),
        (block.residual[5], 2**0.5, 9),
        (block.shortcut[0], 1, 1),
    ]:
        assert layer.weight.std().item() == pytest.approx(gain / math.sqrt(64 * taps), rel=0.03)
        assert layer.weight.abs().max().item() <= gain * math.sqrt(3 / (64 * taps))
        assert not layer.bias.any()


# Initialisations


@pytest.mark.parametrize(
    ("initialise", "variance"),
    [
        (init.normal(0.02), 0.02**2),
        (init.uniform(0.05), 0.05**2 / 3),
        (init.he_uniform, 2 / 300),
        (init.glorot_uniform(), 2 / 500),
        (init.glorot_uniform(2**0.5), 4 / 500),
        (init.wgan_gp, 2 / 500),
        (init.orthogonal(1.4), 1.4**2 / 300),
        (init.dcgan, 0.02**2),
    ],
)
def test_initial_variance_of_a_linear_layer(initialise, variance):
    layer = nn.Linear(300, 200).apply(initialise)
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * math.sqrt(variance / 60000))
    assert not layer.bias.any()


def test_initial_bounds_and_orthogonality():
    layer = nn.Linear(300, 200).apply(init.he_uniform)
    assert math.sqrt(6 / 300) * 0.99 < layer.weight.abs().max().item() <= math.sqrt(6 / 300)
    weight = nn.Linear(30, 20).double().apply(init.orthogonal(1.4)).weight
    torch.testing.assert_close(weight @ weight.T, 1.96 * torch.eye(20, dtype=torch.float64), rtol=0, atol=1e-12)


def test_initial_convolutions_of_wgan_gp_have_gain_root_two():
    layer = nn.Conv2d(20, 30, 5).apply(init.wgan_gp)
    assert layer.weight.var().item() == pytest.approx(4 / (50 * 25), rel=0.05)


def test_dcgan_draws_batch_norm_gains_around_one():
    norm = nn.BatchNorm2d(10000).apply(init.dcgan)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.001)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not norm.bias.any()
    linear = nn.Linear(3, 3)
    before = linear.weight.clone()
    assert torch.equal(linear.apply(init.gamma_normal()).weight, before)


# Small layers


def test_maxout_is_the_largest_piece():
    layer = Maxout(4, 3, pieces=5).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    weight, bias = layer.linear.weight.reshape(3, 5, 4), layer.linear.bias.reshape(3, 5)
    wanted = torch.stack([(x @ weight[unit].T + bias[unit]).amax(1) for unit in range(3)], 1)
    torch.testing.assert_close(layer(x), wanted, rtol=0, atol=1e-12)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 15 * 4 + 15


def test_affine_and_pools():
    x = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert GlobalSum()(x).tolist() == [[6.0, 22.0]]
    assert GlobalMean()(x).tolist() == [[1.5, 5.5]]
    assert Affine(2.0, -1.0)(torch.tensor([3.0])).tolist() == [5.0]


def test_layer_norm_keeps_samples_apart():
    x = torch.randn(3, 4, 5, 5) * torch.tensor([1.0, 10.0, 100.0]).reshape(3, 1, 1, 1) + 7
    y = layer_norm(4)(x)
    torch.testing.assert_close(y.mean((1, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.var((1, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-3)
    torch.testing.assert_close(layer_norm(4)(x[:1]), y[:1])
    shifted = layer_norm(4)(x + torch.tensor([0.0, 0.0, 0.0, 1e3]).reshape(1, 4, 1, 1))
    assert (shifted[:, 3].mean((1, 2)) > 1).all()  # channels share one mean and one scale


def test_batch_norm_mixing():
    """T24: a feature N(3, 1) on real and N(−3, 1) on fake; one pass over both
    tells D which half is which, by ±3 / √10 = ±.9487."""
    deviations = torch.erfinv(torch.linspace(-0.9999, 0.9999, 20001, dtype=torch.float64)) * math.sqrt(2)
    deviations = (deviations / deviations.std(correction=0)).unsqueeze(1)
    real, fake = 3 + deviations, -3 + deviations
    norm = nn.BatchNorm1d(1).double().train()
    assert norm(real).mean().item() == pytest.approx(0, abs=1e-9)
    assert norm(fake).mean().item() == pytest.approx(0, abs=1e-9)
    joint = norm(torch.cat([real, fake])).detach()
    assert joint[: len(real)].mean().item() == pytest.approx(3 / math.sqrt(10), abs=1e-5)
    assert joint[len(real) :].mean().item() == pytest.approx(-3 / math.sqrt(10), abs=1e-5)
