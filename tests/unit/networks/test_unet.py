"""The U-Net: sizes, skips and parameters."""

import pytest
import torch
from torch import nn

from sparring.errors import DataError
from sparring.networks.unet import UNet
from support.paper_counts import count, on_paper

# --- the published sizes


def test_the_u_net_has_as_many_parameters_as_the_papers():
    assert count(on_paper(UNet, (3, 256, 256))) == 54_414_019


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
    assert G(torch.randn(1, 1, 17, 40)).shape == (1, 3, 17, 40)
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
        G(torch.zeros(1, 3, 16, 16))
    with pytest.raises(DataError, match=r"The U-Net needs images .*: pass --size 8x20"):
        UNet((3, 7, 20))


def test_in_evaluation_mode_one_picture_has_one_translation():
    G, x = UNet((3, 64, 64), width=2), torch.randn(2, 3, 64, 64)
    assert (G(x) - G(x)).abs().max() > 1e-5
    torch.testing.assert_close(G.eval()(x), G(x), rtol=0, atol=0)
