"""StyleGAN2's networks: every size, styles and their average, noise, scales, variance."""

import pytest
import torch
from torch import nn

from sparring.errors import DataError
from sparring.networks.stylegan2 import Mapping, StyleGAN2Critic, StyleGAN2Generator, Synthesis
from sparring.recipes.r3gan_stylegan2 import stylegan2

SHAPE = (1, 8, 8)


@pytest.mark.parametrize(
    ("side", "channels"), [(32, [512] * 4), (128, [512] * 5 + [256]), (256, [512] * 5 + [256, 128])]
)
def test_the_published_plan_of_channels(side, channels):
    with torch.device("meta"):
        G, D = Synthesis((3, side, side), 512), StyleGAN2Critic((3, side, side))
    assert [colour.convolve.weight.shape[1] for colour in G.colours] == channels
    assert D.trunk[0].weight.shape[0] == channels[-1]
    assert len(G.convolutions) == 2 * len(channels) - 1
    assert G.layers == 2 * len(channels)


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_size_is_drawn_and_scored(side, colours):
    torch.manual_seed(0)
    game = stylegan2((colours, side, side), latent=4, width=1, residual=side < 64)
    x = game.sample(2)
    assert x.shape == (2, colours, side, side)
    assert torch.isfinite(x).all()
    assert game.D(x).shape == (2,)


def test_other_shapes_are_refused():
    with pytest.raises(DataError, match="--size 8x28"):
        stylegan2((3, 7, 28))
    with pytest.raises(DataError, match="points"):
        stylegan2((2,))


def test_the_mapping_ignores_the_length_of_the_noise():
    torch.manual_seed(0)
    mapping, z = Mapping(6, 8, 2).double().eval(), torch.randn(5, 6, dtype=torch.float64)
    unit = z / z.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(mapping(z), mapping.layers(unit))
    torch.testing.assert_close(mapping(7 * z), mapping(z), rtol=1e-6, atol=1e-9)
    assert not torch.allclose(mapping(-z), mapping(z))


def test_the_mapping_learns_a_hundredfold_slowly():
    torch.manual_seed(0)
    layers = [layer for layer in Mapping(64, 64, 2).layers if hasattr(layer, "weight")]
    assert len(layers) == 2
    for layer in layers:
        assert layer.rate == 0.01
        assert layer.weight.std().item() == pytest.approx(100, rel=0.05)


def test_the_average_style_follows_in_training_only():
    torch.manual_seed(0)
    mapping, z = Mapping(6, 8, 2), torch.randn(5, 6)
    w = mapping(z)
    torch.testing.assert_close(mapping.average, 0.005 * w.mean(0))
    first = mapping.average.clone()
    mapping(z)
    torch.testing.assert_close(mapping.average, 0.995 * first + 0.005 * w.mean(0))
    before = mapping.average.clone()
    mapping.eval()(z)
    assert torch.equal(mapping.average, before)


def test_each_layer_listens_to_its_own_style():
    torch.manual_seed(0)
    synthesis = Synthesis((1, 8, 8), 6, 4).eval()
    w = torch.randn(2, 6)
    every = w[:, None].repeat(1, synthesis.layers, 1)
    torch.testing.assert_close(synthesis(w), synthesis(every))
    for layer in range(synthesis.layers):
        other = every.clone()
        other[:, layer] += 1
        assert not torch.allclose(synthesis(other), synthesis(every)), layer


def test_the_image_is_the_sum_over_scales():
    torch.manual_seed(0)
    synthesis = Synthesis((1, 8, 8), 6, 4).double().eval()
    w = torch.randn(2, 6, dtype=torch.float64)
    whole = synthesis(w)
    for colour in synthesis.colours:
        nn.init.zeros_(colour.convolve.weight)
    assert (synthesis(w) == 0).all()
    nn.init.constant_(synthesis.colours[0].bias, 2.0)
    assert synthesis(w)[0, 0, 3:5, 3:5].flatten().tolist() == pytest.approx([2.0] * 4, rel=1e-6), "enlarged, unbent"
    assert whole.std() > 0.1


def test_the_noise_of_layers_is_silent_at_first_new_in_training_and_fixed_in_samples():
    torch.manual_seed(0)
    G, z = StyleGAN2Generator(SHAPE, 6, 4, 2), torch.randn(2, 6)
    assert torch.equal(G(z), G(z)), "its strength starts at zero"
    for layer in G.synthesis.convolutions:
        nn.init.constant_(layer.strength, 0.5)
    assert not torch.equal(G(z), G(z))
    G.eval()
    assert torch.equal(G(z), G(z))
    torch.testing.assert_close(G(z)[:1], G(z[:1]))


def test_signals_neither_die_nor_explode():
    torch.manual_seed(0)
    seen = []
    G = StyleGAN2Generator((3, 32, 32), 64, 16, 2)
    D = StyleGAN2Critic((3, 32, 32), 16)
    for layer in [*G.synthesis.convolutions, *[block for block in D.trunk if type(block).__name__ == "_Halving"]]:
        layer.register_forward_hook(lambda module, x, y: seen.append(y.square().mean().item()))
    D(torch.randn(8, 3, 32, 32))
    blocks = len(seen)
    G(torch.randn(8, 64))
    assert all(0.1 < size < 2 for size in seen[:blocks]), "filters take some of white noise"
    assert all(0.1 < size < 2 for size in seen[blocks:])


def test_a_critics_block_weighs_path_and_shortcut_equally():
    torch.manual_seed(0)
    (block,) = [layer for layer in StyleGAN2Critic(SHAPE, 4).trunk if type(layer).__name__ == "_Halving"]
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(block(x), (block.path(x) + block.shortcut(x)) / 2**0.5)


def test_the_critic_receives_the_deviation_within_a_group():
    torch.manual_seed(0)
    D = StyleGAN2Critic(SHAPE, 4, 4)
    one, others = torch.randn(1, *SHAPE), torch.randn(3, *SHAPE)
    alone, among = D(one.repeat(4, 1, 1, 1))[0], D(torch.cat([one, others]))[0]
    assert not torch.isclose(alone, among)
