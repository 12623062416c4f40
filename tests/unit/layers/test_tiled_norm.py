"""Normalisation of tiles by the moments of the whole image."""

import torch
from torch import nn

from sparring.layers.tiled_norm import collect_moments, with_moments


def test_moments_are_those_of_each_whole_image_and_are_reset():
    first, second = nn.InstanceNorm2d(2), nn.InstanceNorm2d(2)
    net, x = nn.Sequential(first, nn.ReLU(), second, nn.InstanceNorm2d(2, affine=True)), torch.randn(3, 2, 5, 8) * 3 + 1
    expected = net[:3](x)
    share = torch.ones(5, 6)
    share[:, 4:] = 0.5  # who lies in two parts counts a half in each
    parts = [(lambda: net(x[..., :6]), share), (lambda: net(x[..., 4:]), share[:, 2:].flip(1))]
    moments = collect_moments(net, parts)
    assert set(moments) == {first, second}
    with with_moments(moments):
        torch.testing.assert_close(net[:3](x[..., :2]), expected[..., :2])
    torch.testing.assert_close(net[:3](x), expected)
    assert (net[:3](x[..., :2]) - expected[..., :2]).abs().max() > 0.1
    assert not collect_moments(nn.InstanceNorm2d(2, affine=True), parts)
