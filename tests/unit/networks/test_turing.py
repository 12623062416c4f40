"""Turing GAN's networks: channels, sizes and initialisation."""

import math

import pytest
import torch
from torch import nn

from sparring.errors import DataError
from sparring.networks.turing import TuringCritic, TuringEncoder, TuringGenerator

# Networks


@pytest.mark.parametrize(
    ("side", "width", "channels"),
    [
        (8, 32, [32, 64, 128, 256]),
        (32, 32, [32, 64, 128, 256, 64]),
        (64, 64, [64, 128, 256, 512]),
        (128, 128, [128, 256, 512, 1024]),
        (256, 256, [128, 256, 512, 1024, 2048]),
    ],
)
def test_the_encoders_channels_are_the_codes(side, width, channels):
    with torch.device("meta"):
        E = TuringEncoder((3, side, side))
    assert [layer.out_channels for layer in E.modules() if isinstance(layer, nn.Conv2d)] == channels
    assert E.features == (64 if side == 32 else 8 * width)


@pytest.mark.parametrize(
    ("side", "channels"),
    [
        (8, [3]),
        (16, [128, 3]),
        (32, [256, 128, 64, 32, 32]),
        (64, [256, 128, 64, 3]),
        (128, [512, 256, 128, 64, 3]),
        (256, [1024, 512, 256, 128, 64, 3]),
    ],
)
def test_the_generators_channels_are_the_codes(side, channels):
    with torch.device("meta"):
        G = TuringGenerator((3, side, side))
    assert [layer.out_channels for layer in G.modules() if isinstance(layer, nn.ConvTranspose2d)] == channels
    assert G.latent == (64 if side == 32 else 100)


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_size_can_be_made_and_read(side, colours):
    shape = (colours, side, side)
    G, E = TuringGenerator(shape, latent=5, width=4), TuringEncoder(shape, width=4)
    made = G(torch.randn(2, 5))
    assert made.shape == (2, *shape)
    assert made.abs().max() <= 1
    assert E(made).shape == (2, E.features)
    assert TuringCritic(E.features)(E(made)).shape == (2,)


def test_sizes_out_of_range_are_refused():
    for network in (TuringGenerator, TuringEncoder):
        with pytest.raises(DataError, match="--size 8x30"):
            network((3, 7, 30))


def test_layers_start_glorot_uniform():
    D = TuringCritic(64, 256, 0.1)
    bound = math.sqrt(6 / (64 + 256))
    assert 0.98 * bound < D.trunk[0].weight.abs().max().item() <= bound
    assert D.head.bias is None
    assert D.trunk[1].negative_slope == 0.1
