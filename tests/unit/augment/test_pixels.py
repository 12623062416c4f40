"""Geometry of pixels: mirrors and warps."""

import torch

from sparring.augment.pixels import shift, warp
from support.augment import labelled, numbers

# The pipe's exact moves


def test_a_mirror_stands_on_the_outermost_pixels():
    right = shift(labelled(), numbers(0), numbers(1))
    assert right[0, 0, 0].tolist() == [1, 0, 1, 2]
    up = shift(labelled(), numbers(-2), numbers(0))
    assert up[0, 0, :, 0].tolist() == [20, 30, 20, 10]


def test_a_warp_at_whole_coordinates_is_exact_and_halfway_is_the_mean():
    x = torch.randn(2, 3, 4, 5)
    rows, columns = torch.arange(4.0).view(1, 1, 4, 1).expand(2, 1, 4, 5), torch.arange(5.0).expand(2, 1, 4, 5)
    assert torch.equal(warp(x, rows, columns), x)
    assert torch.equal(warp(x, rows, columns + 1)[..., :-1], x[..., 1:])
    assert torch.allclose(warp(x, rows + 0.5, columns)[:, :, :-1], (x[:, :, 1:] + x[:, :, :-1]) / 2)
    assert torch.equal(warp(x, rows - 1, columns)[:, :, 0], x[:, :, 1]), "the mirror"
