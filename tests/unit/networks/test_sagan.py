"""SAGAN's networks: place of attention, plan of channels, spectral normalisation."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from sparring.errors import DataError
from sparring.layers.attention import SelfAttention
from sparring.layers.normalization import ClassConditionalBatchNorm
from sparring.networks.sagan import SAGANCritic, SAGANGenerator
from sparring.recipes.sagan_biggan import sagan
from support.conditional import CLASSES, small

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


def test_sizes_out_of_range_and_points_are_refused():
    for shape in ((3, 7, 30), (2,), (3, 512, 1025)):
        with pytest.raises(DataError):
            sagan(shape)
