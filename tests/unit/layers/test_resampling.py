"""Tests of `sparring.layers.resampling`."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sparring.layers.resampling import ConvDown, GlobalMean, GlobalSum, UpConv
from sparring.layers.simple import Affine
from sparring.layers.spectral import spectral


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
def test_the_output_has_the_memory_format_of_the_weight(kind, form):
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


def test_affine_and_pools():
    x = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert GlobalSum()(x).tolist() == [[6.0, 22.0]]
    assert GlobalMean()(x).tolist() == [[1.5, 5.5]]
    assert Affine(2.0, -1.0)(torch.tensor([3.0])).tolist() == [5.0]
