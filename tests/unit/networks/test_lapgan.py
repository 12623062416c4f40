"""LAPGAN's networks: parameters, inputs and refusals."""

import math

import pytest
import torch
from torch import nn

from sparring.networks.lapgan import BaseCritic, LevelCritic, LevelGenerator
from sparring.recipes.lapgan import lapgan

# The networks.


def test_the_networks_are_the_papers():
    count = lambda network: sum(weight.numel() for weight in network.parameters())  # noqa: E731
    assert count(LevelGenerator((3, 32, 32))) == (4 * 49 + 1) * 64 + (64 * 49 + 1) * 64 + (64 * 25) * 3 + 3
    assert count(LevelCritic((3, 32, 32))) == (3 * 25 + 1) * 64 + (64 * 25 + 1) * 64 + 64 * 12 * 12 + 1
    assert count(BaseCritic((3, 8, 8))) == (192 + 1) * 600 + (600 + 1) * 600 + 600 + 1
    assert [layer.p for layer in LevelCritic((1, 16, 16)).modules() if isinstance(layer, nn.Dropout)] == [0.5]
    assert [layer.p for layer in BaseCritic((1, 8, 8)).modules() if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    base = lapgan((3, 32, 32)).G[0]
    assert count(base) == 101 * 1200 + 1201 * 1200 + 1201 * 192
    assert base.body[2].weight.std().item() == pytest.approx(math.sqrt(2 / 1200), rel=0.02)
    assert lapgan((3, 32, 32)).D[0].trunk[4].weight.std().item() == pytest.approx(math.sqrt(2 / 600), rel=0.02)


def test_a_level_takes_its_noise_and_its_coarse_image_in_their_channels():
    G = LevelGenerator((2, 16, 16), 4)
    z, c = torch.zeros(1, 256), torch.zeros(1, 2, 16, 16)
    rest = G(z, c)
    z[0, 3 * 16 + 12] = 1  # row 3, column 12
    moved = (G(z, c) - rest).abs().sum((0, 1))
    rows, columns = moved.nonzero().T
    assert rows.min() == 0
    assert columns.min() == 12 - 8  # the three kernels reach 3 + 3 + 2 pixels
    assert rows.max() == 3 + 8
    assert (G(z * 0, c + 1) - rest).abs().max() > 1e-3


def test_noise_or_images_of_another_shape_are_refused():
    G = LevelGenerator((1, 16, 16), 4)
    for z, c in ((torch.zeros(2, 255), torch.zeros(2, 1, 16, 16)), (torch.zeros(2, 256), torch.zeros(2, 1, 8, 8))):
        with pytest.raises(ValueError, match="takes noise"):
            G(z, c)
