"""The networks of pix2pix and GauGAN: published counts, sizes, where conditions enter, what norms take away."""

import pytest
import torch
from torch import nn

from sparring.errors import DataError
from sparring.layers.normalization import instance_norm
from sparring.layers.spade import SPADE, SPADEBlock, batch_norm_without_affine, resize_labels
from sparring.networks.spade import MultiScaleCritic, SPADEGenerator, StyleEncoder
from sparring.networks.unet import UNet


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def on_paper(make, *given, **settings):
    """Builds a network without its memory."""
    with torch.device("meta"):
        return make(*given, **settings)


# --- the published sizes


def test_the_u_net_has_as_many_parameters_as_the_papers():
    assert count(on_paper(UNet, (3, 256, 256))) == 54_414_019


@pytest.mark.parametrize(("labels", "parameters"), [(36, 93_048_003), (184, 97_480_899), (151, 96_492_483)])
def test_the_painter_has_as_many_parameters_as_the_papers(labels, parameters):
    G = on_paper(SPADEGenerator, (3, 256, 256), labels, latent=None)
    assert count(G) == parameters
    assert (G.start, G.stages, G.multiple) == (8, 5, 32)


@pytest.mark.parametrize(("labels", "parameters"), [(36, 5_601_410), (184, 5_904_514)])
def test_the_critic_has_as_many_parameters_as_the_papers(labels, parameters):
    assert count(MultiScaleCritic(3 + labels)) == parameters


def test_the_encoder_has_as_many_parameters_as_the_papers():
    assert count(StyleEncoder((3, 256, 256))) == 10_463_424


def test_with_a_style_the_painter_begins_with_a_linear_map_in_place_of_a_convolution():
    without, styled = (SPADEGenerator((3, 64, 64), 5, latent, width=4, hidden=8) for latent in (None, 16))
    first = 4 * 8
    assert count(styled) - count(without) == 17 * first * 16 - (5 * 9 + 1) * first


# --- SPADE


def test_spade_scales_and_shifts_the_normalised_map_by_label():
    layer = SPADE(2, 3, hidden=4)
    for convolution in (layer.gain, layer.bias):
        nn.init.zeros_(convolution.weight)
    nn.init.constant_(layer.gain.bias, 0.5)
    nn.init.constant_(layer.bias.bias, -2.0)
    x = 5 + 3 * torch.randn(8, 2, 6, 6)
    made = layer(x, torch.randn(8, 3, 6, 6))
    torch.testing.assert_close(made, 1.5 * batch_norm_without_affine(2)(x) - 2)
    assert made.mean().item() == pytest.approx(-2, abs=1e-5)
    assert made.std().item() == pytest.approx(1.5, abs=0.01)


def test_a_label_matters_to_its_neighbourhood_only():
    layer, x = SPADE(2, 3, hidden=4, norm=instance_norm), torch.randn(1, 2, 9, 9)
    m = torch.zeros(1, 3, 9, 9)
    changed = m.clone()
    changed[:, 1, 4, 4] = 1
    where = (layer(x, m) - layer(x, changed)).abs().sum((0, 1)) > 0
    assert where.nonzero().tolist() == [[row, column] for row in range(2, 7) for column in range(2, 7)]


def test_labels_are_never_mixed_by_resizing():
    m = nn.functional.one_hot(torch.randint(3, (2, 16, 16)), 3).permute(0, 3, 1, 2).float()
    for size in ((4, 4), (32, 16), (5, 7)):
        small = resize_labels(m, size)
        assert small.shape[2:] == size
        assert set(small.unique().tolist()) <= {0.0, 1.0}
        assert (small.sum(1) == 1).all()


class Zero(nn.Module):
    def forward(self, x):
        return 0 * x


def test_a_block_is_the_identity_beside_what_it_learns():
    block, x, m = SPADEBlock(4, 4, 3, hidden=5), torch.randn(2, 4, 6, 6), torch.randn(2, 3, 6, 6)
    assert block.shortcut is None
    block.out = Zero()
    torch.testing.assert_close(block(x, m), x)


def test_a_shortcut_between_other_channels_is_normalised_and_linear():
    block, x, m = SPADEBlock(6, 4, 3, hidden=5).eval(), torch.randn(2, 6, 6, 6), torch.randn(2, 3, 6, 6)
    block.out = Zero()
    torch.testing.assert_close(block(x, m), block.shortcut(block.aside(x, m)))
    assert block.shortcut.bias is None
    assert block.into.out_channels == 4, "the smaller of both is between"


def test_convolutions_of_blocks_have_unit_norm_and_those_of_labels_are_free():
    block = SPADEBlock(6, 4, 3, hidden=5)
    for layer in (block.into, block.out, block.shortcut):
        weight = [layer.weight for _ in range(100)][-1]
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
    assert not hasattr(block.first.gain, "parametrizations")


# --- the painter


@pytest.mark.parametrize("latent", [None, 6])
@pytest.mark.parametrize("side", [8, 32, 128, 512])
def test_the_painter_draws_every_size(side, latent):
    G = SPADEGenerator((3, side, side), 2, latent, width=1, hidden=2)
    z = [] if latent is None else [torch.randn(2, latent)]
    for height, width in ((side, side), (side, side + G.multiple)):
        x = G(torch.randn(2, 2, height, width), *z)
        assert x.shape == (2, 3, height, width)
        assert x.abs().max() <= 1


def test_at_512_one_more_block_is_doubled():
    usual, large = (SPADEGenerator((3, side, side), 2, width=1, hidden=2) for side in (256, 512))
    assert (large.start, large.stages, len(large.blocks)) == (8, 6, len(usual.blocks))


def test_the_painter_refuses_maps_that_do_not_fit():
    G = SPADEGenerator((3, 32, 32), 2, None, width=1, hidden=2)
    with pytest.raises(ValueError, match="multiples of 8"):
        G(torch.zeros(1, 2, 30, 32))
    with pytest.raises(ValueError, match=r"\(N, 2, H, W\)"):
        G(torch.zeros(1, 3, 32, 32))
    with pytest.raises(DataError, match="GauGAN needs square images"):
        SPADEGenerator((3, 48, 48), 2)


def test_both_the_map_and_the_style_change_the_picture():
    G = SPADEGenerator((3, 16, 16), 2, 4, width=4, hidden=4, gain=1.0)
    maps, styles = torch.randn(2, 2, 16, 16), torch.randn(2, 4)
    same = G.eval()(maps[:1], styles[:1])
    assert (G(maps[1:], styles[:1]) - same).abs().max() > 1e-3
    assert (G(maps[:1], styles[1:]) - same).abs().max() > 1e-3


def test_with_instance_norm_a_picture_does_not_depend_on_its_company_or_the_mode():
    maps = torch.randn(4, 2, 16, 16)
    G = SPADEGenerator((3, 16, 16), 2, None, width=4, hidden=4, norm=instance_norm, gain=1.0)
    G(maps)
    alone = G.eval()(maps[:1])
    torch.testing.assert_close(G(maps)[:1], alone)
    batch = SPADEGenerator((3, 16, 16), 2, None, width=4, hidden=4, gain=1.0)
    assert (batch(maps)[:1] - batch(maps[:1])).abs().max() > 1e-3


# --- the critic


def test_the_critic_returns_every_map_and_the_second_scale_takes_half_the_size():
    D = MultiScaleCritic(5, layers=3, width=4)
    x, m = torch.randn(2, 3, 32, 32), torch.randn(2, 2, 32, 32)
    first, second = D.eval()(x, m)
    assert [maps.shape[1] for maps in first] == [maps.shape[1] for maps in second] == [4, 8, 16, 1]
    both = torch.cat([m, x], 1)
    torch.testing.assert_close(first[-1], D.scales[0](both))
    half = nn.functional.avg_pool2d(both, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(second[-1], D.scales[1](half))
    assert half[0, 0, 0, 0] == pytest.approx(both[0, 0, :2, :2].mean().item(), rel=1e-5), "borders are not darkened"


def test_the_critic_takes_map_and_image():
    D = MultiScaleCritic(5, layers=3, width=4, gain=1.0).eval()
    x, m = torch.randn(1, 3, 32, 32), torch.randn(1, 2, 32, 32)
    score = D(x, m)[0][-1]
    assert (D(x, m.flip(1))[0][-1] - score).abs().max() > 1e-3
    assert (D(x.flip(1), m)[0][-1] - score).abs().max() > 1e-3


# --- the encoder


def test_the_norm_removes_the_mean_colour_from_the_style():
    x, change = 0.3 * torch.randn(4, 3, 32, 32), {}
    for norm in (True, False):
        E = StyleEncoder((3, 32, 32), 4, width=8, norm=norm, gain=1.0).eval()
        between = (E(x) - E(x).roll(1, 0)).abs().mean()
        change[norm] = ((E(x + 0.5) - E(x)).abs().mean() / between).item()
    assert change[False] > 3 * change[True]


def test_the_encoder_reads_any_size():
    E = StyleEncoder((3, 32, 32), 4, width=2).eval()
    x = torch.randn(2, 3, 32, 32)
    assert E(torch.randn(2, 3, 50, 70)).shape == (2, 8)
    torch.testing.assert_close(E(nn.functional.interpolate(x, scale_factor=2, mode="nearest")), E(x), atol=0.2, rtol=1)


@pytest.mark.parametrize("network", [MultiScaleCritic(5, width=16), StyleEncoder((3, 128, 128), width=16)])
def test_weights_begin_small_and_biases_at_zero(network):
    linear = [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    assert all(layer.bias is None or (layer.bias == 0).all() for layer in linear)
    free = linear[-1].weight
    fans = free[0].numel() + free.shape[0] * free[0, 0].numel()
    assert free.std().item() == pytest.approx(0.02 * (2 / fans) ** 0.5, rel=0.15)


# --- the U-Net


@pytest.mark.parametrize(("side", "drops"), [(8, 0), (32, 0), (64, 1), (128, 2), (256, 3)])
def test_the_u_net_goes_down_to_one_pixel_and_drops_between_the_widest_maps(side, drops):
    G = UNet((3, side, side), inputs=2, width=1)
    seen = []
    G.down[-1].register_forward_hook(lambda layer, given, made: seen.append(made.shape[2:]))
    assert G(torch.randn(2, 2, side, side)).shape == (2, 3, side, side)
    assert seen == [(1, 1)]
    assert sum(isinstance(layer, nn.Dropout) for layer in G.modules()) == drops


def test_the_first_and_the_innermost_map_have_no_norm():
    G = UNet((3, 32, 32), width=2)
    normed = [any(isinstance(layer, nn.BatchNorm2d) for layer in stage) for stage in G.down]
    assert normed == [False, True, True, True, False]
    assert [any(isinstance(layer, nn.BatchNorm2d) for layer in stage) for stage in G.up] == [
        False,
        True,
        True,
        True,
        True,
    ]
    assert isinstance(G.up[0][-1], nn.Tanh)


def test_every_size_is_restored_in_the_decoder():
    G = UNet((1, 16, 16), width=2).eval()
    for stage in G.down[1:]:  # nothing comes back from below the first size
        stage.register_forward_hook(lambda layer, given, made: 0 * made)
    x = torch.randn(2, 1, 16, 16)
    assert (G(x) - G(x.flip(0))).abs().max() > 1e-4
    assert G.up[0][1].in_channels == 2 * G.up[1][1].out_channels


def test_the_u_net_translates_other_sizes_and_refuses_what_does_not_fit():
    G = UNet((3, 16, 16), inputs=1, width=2)
    assert G(torch.randn(1, 1, 32, 48)).shape == (1, 3, 32, 48)
    with pytest.raises(ValueError, match="multiples of 16"):
        G(torch.zeros(1, 1, 16, 20))
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
        G(torch.zeros(1, 3, 16, 16))
    with pytest.raises(DataError, match="The U-Net needs square images"):
        UNet((3, 20, 20))


def test_in_evaluation_mode_one_picture_has_one_translation():
    G, x = UNet((3, 64, 64), width=2), torch.randn(2, 3, 64, 64)
    assert (G(x) - G(x)).abs().max() > 1e-5
    torch.testing.assert_close(G.eval()(x), G(x), rtol=0, atol=0)
