"""StyleGAN2's layers: filters against zero insertion, modulation against weights of one's own, rates, deviation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sparring.layers.minibatch import MinibatchStdDev
from sparring.layers.resampling import BILINEAR, Blur, BlurDown, BlurUp
from sparring.layers.stylegan2 import EqualizedConv, EqualizedLinear, ModulatedConv

ODD = (1.0, 2.0, 1.0)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def upfirdn(x, taps, up=1, down=1, before=0, after=0, gain=1.0):
    """The dense reference: insert zeros after each sample, pad, filter with flipped taps, keep every down-th sample."""
    taps = torch.tensor(taps, dtype=x.dtype)
    row = taps / taps.sum() * gain**0.5
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, h * up, w * up)
    y[..., ::up, ::up] = x
    y = F.pad(y, (before, after, before, after)).reshape(n * c, 1, h * up + before + after, -1)
    y = F.conv2d(y, torch.outer(row, row).flip(0, 1)[None, None])
    return y[:, 0].unflatten(0, (n, c))[..., ::down, ::down]


@pytest.mark.parametrize("taps", [BILINEAR, ODD, (1.0, 1.0), (1.0, 5.0, 10.0, 10.0, 5.0, 1.0)])
@pytest.mark.parametrize("side", [4, 6, 8])
def test_resampling_is_zero_insertion_filtering_and_decimation(taps, side):
    x, n = drawn(2, 3, side, side), len(taps)
    up = upfirdn(x, taps, up=2, before=(n + 1) // 2, after=(n - 2) // 2, gain=4)
    torch.testing.assert_close(BlurUp(taps).double()(x), up, rtol=0, atol=1e-7)
    down = upfirdn(x, taps, down=2, before=(n - 1) // 2, after=(n - 2) // 2)
    torch.testing.assert_close(BlurDown(taps).double()(x), down, rtol=0, atol=1e-7)
    same = upfirdn(x, taps, before=2, after=2, gain=3)
    torch.testing.assert_close(Blur(taps, padding=2, gain=3.0).double()(x), same, rtol=0, atol=1e-7)


def test_up_sampling_with_the_usual_taps_is_bilinear_within_the_border():
    x = drawn(1, 2, 6, 6)
    plain = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(BlurUp().double()(x)[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1], rtol=0, atol=1e-7)


def test_down_sampling_is_a_quarter_of_the_transpose_of_up_sampling():
    x, y = drawn(1, 1, 4, 4), drawn(1, 1, 8, 8, seed=1)
    up, down = BlurUp().double(), BlurDown().double()
    assert (up(x) * y).sum().item() == pytest.approx(4 * (x * down(y)).sum().item(), rel=1e-6)


def test_filters_are_neither_saved_nor_learned():
    assert not BlurUp().state_dict()
    assert not list(BlurDown().parameters())


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
def test_modulating_activations_is_modulating_each_images_weights(kernel, demodulate):
    layer = ModulatedConv(4, 6, 5, kernel, demodulate=demodulate).double()
    x, w = drawn(3, 4, 8, 8), drawn(3, 5, seed=1)
    weights = layer.weight * layer.style(w)[:, None, :, None, None]
    if demodulate:
        weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    else:
        weights = weights / (4 * kernel**2) ** 0.5
    each = [F.conv2d(a[None], b, padding=kernel // 2) for a, b in zip(x, weights, strict=True)]
    torch.testing.assert_close(layer(x, w), torch.cat(each))


def test_up_sampling_inside_a_modulated_convolution():
    layer = ModulatedConv(2, 3, 5, up=True).double()
    x, w = drawn(2, 2, 5, 5), drawn(2, 5, seed=1)
    weights = layer.weight * layer.style(w)[:, None, :, None, None]
    weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    spread = x.new_zeros(2, 2, 9, 9)
    spread[..., ::2, ::2] = x
    wide = [F.conv2d(F.pad(a[None], (2, 2, 2, 2)), b.flip(2, 3)) for a, b in zip(spread, weights, strict=True)]
    expected = upfirdn(torch.cat(wide), BILINEAR, before=1, after=1, gain=4)
    torch.testing.assert_close(layer(x, w), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_demodulation_gives_unit_variance_for_every_style(size):
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 16)
    y = layer(torch.randn(64, 64, 8, 8), size * torch.randn(64, 16))[..., 1:-1, 1:-1]  # the border is padded with zeros
    assert y.var().item() == pytest.approx(1.0, abs=0.05)


def test_a_style_is_one_at_initialisation_for_every_w():
    layer = ModulatedConv(4, 4, 8)
    assert layer.style.bias.tolist() == [1.0] * 4
    assert layer.style(torch.zeros(1, 8)).tolist() == [[1.0] * 4]


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equalised_layers_keep_variance_and_learn_at_their_rate(rate):
    torch.manual_seed(0)
    layer = EqualizedLinear(256, 200, bias=0.5, rate=rate)
    x = torch.randn(500, 256)
    assert (layer(x) - 0.5).var().item() == pytest.approx(1.0, abs=0.05)
    assert layer.bias.std() == 0
    before = layer(x)
    with torch.no_grad():  # an Adam step of .1 on every parameter
        layer.weight += 0.1
        layer.bias += 0.1
    expected = rate * 0.1 * (x.sum(1, keepdim=True) / 16 + 1)
    torch.testing.assert_close(layer(x) - before, expected.expand(-1, 200), rtol=0, atol=1e-4)


def test_equalised_convolutions_divide_by_the_root_of_their_fan_in():
    layer = EqualizedConv(4, 5, 3).double()
    x = drawn(2, 4, 8, 8)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight / 6, layer.bias, padding=1))
    torch.manual_seed(0)
    y = EqualizedConv(64, 64, 3)(torch.randn(8, 64, 10, 10))[..., 1:-1, 1:-1]
    assert y.var().item() == pytest.approx(1.0, abs=0.05)


def test_a_convolution_of_stride_2_behind_a_blur_halves_the_side():
    layer = nn.Sequential(Blur(padding=2), EqualizedConv(2, 3, 3, stride=2)).double()
    x = drawn(1, 2, 8, 8)
    wide = F.conv2d(upfirdn(x, BILINEAR, before=2, after=2), layer[1].weight / 18**0.5)
    torch.testing.assert_close(layer(x), wide[..., ::2, ::2], rtol=0, atol=1e-7)
    assert layer(x).shape == (1, 3, 4, 4)


def test_the_deviation_of_an_identical_batch_is_1e_4():
    x = torch.full((8, 3, 4, 4), 0.7, dtype=torch.float64)
    y = MinibatchStdDev(4)(x)
    assert y.shape == (8, 4, 4, 4)
    assert torch.equal(y[:, :3], x)
    torch.testing.assert_close(y[:, 3], torch.full((8, 4, 4), 1e-4, dtype=torch.float64))


def test_groups_are_strided_and_deviations_are_averaged_over_features():
    x = drawn(6, 5, 2, 2)  # two groups of three: 0, 2, 4 and 1, 3, 5
    y = MinibatchStdDev(3)(x)[:, 5]
    for start in (0, 1):
        expected = (x[start::2].var(0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(y[start::2], expected.expand(3, 2, 2))


@pytest.mark.parametrize(("n", "group"), [(6, 4), (5, 4), (1, 4), (4, 9)])
def test_the_deviation_serves_features_and_any_batch(n, group):
    x = drawn(n, 3)
    y = MinibatchStdDev(group)(x)
    size = {(6, 4): 3, (5, 4): 1, (1, 4): 1, (4, 9): 4}[n, group]
    expected = (x.unflatten(0, (size, -1)).var(0, correction=0) + 1e-8).sqrt().mean(1).repeat(size)
    torch.testing.assert_close(y[:, 3], expected)


def test_a_group_of_none_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        MinibatchStdDev(0)
