"""The networks of pix2pix and GauGAN: published counts, sizes, where conditions enter, what norms take away."""

import pytest
import torch
from torch import nn

from sparring.errors import DataError
from sparring.layers.normalization import instance_norm
from sparring.networks.spade import MultiScaleCritic, SPADEGenerator, StyleEncoder
from support.paper_counts import count, on_paper


@pytest.mark.parametrize(("labels", "parameters"), [(36, 93_048_003), (184, 97_480_899), (151, 96_492_483)])
def test_the_painter_has_as_many_parameters_as_the_papers(labels, parameters):
    G = on_paper(SPADEGenerator, (3, 256, 256), labels, latent=None)
    assert count(G) == parameters
    assert (G.start, G.stages, G.multiple) == ((8, 8), 5, 32)


@pytest.mark.parametrize(("labels", "parameters"), [(36, 5_601_410), (184, 5_904_514)])
def test_the_critic_has_as_many_parameters_as_the_papers(labels, parameters):
    assert count(MultiScaleCritic(3 + labels)) == parameters


def test_the_encoder_has_as_many_parameters_as_the_papers():
    assert count(StyleEncoder((3, 256, 256))) == 10_463_424


def test_with_a_style_the_painter_begins_with_a_linear_map_in_place_of_a_convolution():
    without, styled = (SPADEGenerator((3, 64, 64), 5, latent, width=4, hidden=8) for latent in (None, 16))
    first = 4 * 8
    assert count(styled) - count(without) == 17 * first * 16 - (5 * 9 + 1) * first


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
    assert (large.start, large.stages, len(large.blocks)) == ((8, 8), 6, len(usual.blocks))


def test_the_painter_refuses_maps_that_do_not_fit():
    G = SPADEGenerator((3, 32, 32), 2, None, width=1, hidden=2)
    assert G(torch.zeros(1, 2, 30, 33)).shape == (1, 3, 30, 33)
    with pytest.raises(ValueError, match="multiples of 8"):
        G(torch.zeros(1, 2, 30, 32), within=(0, 0, 64, 64))
    with pytest.raises(ValueError, match=r"\(N, 2, H, W\)"):
        G(torch.zeros(1, 3, 32, 32))
    with pytest.raises(DataError, match=r"GauGAN needs images .*: pass --size 8x48"):
        SPADEGenerator((3, 7, 48), 2)


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
