"""SinGAN's networks: sizes, receptive field, strips and normalisation."""

import pytest
import torch
from torch import nn

from sparring.networks.singan import MARGIN, SinGANCritic, SinGANGenerator
from sparring.recipes.singan import singan
from support.singan import count

# The networks.


@pytest.mark.parametrize(("width", "parameters"), [(32, 29_763), (64, 114_819), (128, 450_819)])
def test_a_generator_is_as_large_as_published(width, parameters):
    assert count(SinGANGenerator(3, width)) == parameters
    assert count(SinGANCritic(3, width)) == parameters - 2 * (9 * width + 1), "one score in place of three channels"


def test_widths_double_every_four_scales_up_to_four_times():
    game = singan((3, 128, 250))
    sizes = [next(layer.out_channels for layer in G.modules() if isinstance(layer, nn.Conv2d)) for G in game.G]
    assert sizes == [32] * 4 + [64] * 3
    assert game.sizes[0] == (25, 49)
    many = singan((3, 128, 250), ratio=0.9)
    sizes = [next(layer.out_channels for layer in D.modules() if isinstance(layer, nn.Conv2d)) for D in many.D]
    assert sizes == [32] * 4 + [64] * 4 + [128] * 9


def test_a_network_has_a_receptive_field_of_11_pixels_and_is_residual():
    G = SinGANGenerator(3, 4)
    for index, layer in enumerate(G.body):
        if isinstance(layer, nn.InstanceNorm2d):  # whose statistics every pixel feels
            G.body[index] = nn.Identity()
    y = torch.randn(1, 3, 30, 30, requires_grad=True)
    made = G(torch.zeros(1, 1, 30, 30), y)
    (slope,) = torch.autograd.grad(made[0, 0, 15, 15], y)
    rows = slope.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
    assert rows == list(range(10, 21))
    assert slope[0, 0, 15, 15] > 0.9, "the image itself is added"
    assert (made - y).abs().max() <= 1
    assert SinGANCritic(3, 4)(y).shape == (1, 1, 20, 20)


@pytest.mark.parametrize("margin", [0, MARGIN])
def test_strips_give_the_same_pixels(monkeypatch, margin):
    G = SinGANGenerator(3, 4)
    y, z = torch.randn(3, 3, 41, 23), torch.randn(3, 1, 41 + 2 * margin, 23 + 2 * margin)
    with torch.no_grad():
        whole, seen = G(z, y), []
        G.body[0].register_forward_hook(lambda *call: seen.append((len(call[1][0]), call[1][0].shape[2])))
        monkeypatch.setattr("sparring.networks.singan.AT_ONCE", 2 * 51 * 33)
        assert torch.allclose(G(z, y), whole, atol=1e-5)
        assert seen == [(2, 51), (1, 51)], "batches are split first"
        monkeypatch.setattr("sparring.networks.singan.AT_ONCE", 7 * 33)
        assert torch.allclose(G(z, y), whole, atol=1e-5)
    assert max(rows for _, rows in seen[2:]) == 7 + 2 * MARGIN
    assert torch.allclose(G(z, y), whole, atol=1e-5), "what learns is never cut"


def test_each_image_is_normalised_by_itself():
    for network, given in ((SinGANGenerator(3, 4), torch.zeros(1)), (SinGANCritic(3, 4), None)):
        x = torch.randn(2, 3, 16, 18)
        both = network(x) if given is None else network(0 * x, x)
        alone = network(x[:1]) if given is None else network(0 * x[:1], x[:1])
        assert torch.allclose(both[:1], alone, atol=1e-6)


def test_noise_of_another_size_is_refused():
    with pytest.raises(ValueError, match="does not fit images"):
        SinGANGenerator(3, 4)(torch.zeros(1, 1, 16, 17), torch.zeros(1, 3, 16, 16))
