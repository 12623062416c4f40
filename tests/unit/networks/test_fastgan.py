"""FastGAN's networks: plan of channels, halves of blocks, excitation, noise, sizes, classes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from sparring.errors import DataError
from sparring.networks.fastgan import GLU, FastGANCritic, FastGANGenerator, Noise


def outputs(G, z, *y):
    """Return the maps of G, from the coarsest on."""
    seen = []
    layers = [G.start, *G.blocks]
    hooks = [layer.register_forward_hook(lambda layer, given, made: seen.append(made)) for layer in layers]
    with torch.no_grad():
        G(z, *y)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize(
    ("side", "channels"),
    [
        (8, [128, 64]),
        (16, [128, 64, 32]),
        (64, [128, 64, 32, 16, 16]),
        (256, [128, 64, 32, 16, 16, 8, 4]),
    ],
)
def test_channels_are_the_published_multiples_of_the_width(side, channels):
    G = FastGANGenerator((3, side, side), latent=4, width=8, light=True).eval()
    assert [tuple(x.shape[1:]) for x in outputs(G, torch.randn(1, 4))] == [
        (c, 4 << k, 4 << k) for k, c in enumerate(channels)
    ]


def test_the_largest_images_have_an_eighth_of_the_width():
    G = FastGANGenerator((3, 1024, 1024), latent=4, width=8, light=True)
    assert (len(G.blocks), G.end.in_channels) == (8, 1)


@pytest.mark.parametrize(
    ("shape", "grid"), [((3, 48, 64), (6, 8)), ((1, 100, 100), (7, 7)), ((3, 128, 171), (4, 6)), ((3, 8, 9), (4, 5))]
)
def test_any_size_is_cropped_about_the_centre_of_a_doubled_grid(shape, grid):
    G = FastGANGenerator(shape, latent=4, width=2, light=True).eval()
    whole = []
    hook = G.end.register_forward_hook(lambda layer, given, made: whole.append(made.tanh()))
    with torch.no_grad():
        x = G(torch.randn(2, 4))
    hook.remove()
    assert x.shape == (2, *shape)
    assert outputs(G, torch.randn(1, 4))[0].shape[2:] == grid
    top, left = ((whole[0].shape[k] - shape[k - 1]) // 2 for k in (2, 3))
    assert torch.equal(x, whole[0][:, :, top : top + shape[1], left : left + shape[2]])


def test_glu_gates_the_first_half_of_the_channels_by_the_second():
    x = torch.tensor([[[[3.0]], [[5.0]], [[0.0]], [[-200.0]]]])
    assert GLU()(x).flatten().tolist() == [1.5, 0.0]


def test_noise_starts_at_scale_0_and_is_shared_by_channels():
    torch.manual_seed(0)
    layer, x = Noise((4, 6)), torch.zeros(3, 2, 4, 6)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.scale.fill_(2.0)
    y = layer(x)
    assert torch.equal(y[:, 0], y[:, 1])
    assert not torch.equal(y[0], y[1])
    assert 1.5 < y.std() < 2.5
    assert torch.equal(layer.eval()(x), 2 * layer.fixed.expand_as(x))


def test_every_half_of_a_block_has_noise_and_a_light_block_has_one_half():
    whole, light = (FastGANGenerator((3, 32, 32), 4, 2, light=light) for light in (False, True))
    count = [sum(isinstance(module, Noise) for module in G.modules()) for G in (whole, light)]
    assert count == [6, 3]
    assert all(module.scale.item() == 0 for module in whole.modules() if isinstance(module, Noise))


def test_a_half_is_the_published_chain_of_layers():
    torch.manual_seed(0)
    G = FastGANGenerator((3, 8, 8), 4, 2).double().eval()
    block, x = G.blocks[0], torch.randn(2, 32, 4, 4).double()
    for module in block.modules():
        if isinstance(module, Noise):
            module.scale.data.fill_(0.5)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
    y = F.interpolate(x, scale_factor=2)
    for half in (block.up, block.same):
        y = F.conv2d(y, half.convolve.weight, padding=1) + 0.5 * half.noise.fixed
        a, b = half.norm(y).chunk(2, 1)
        y = a * b.sigmoid()
    assert torch.allclose(block(x), y, atol=1e-9)


def test_coarse_maps_gate_the_channels_of_fine_ones():
    torch.manual_seed(0)
    G = FastGANGenerator((3, 256, 256), 4, 2, light=True).eval()
    assert sorted(G.gates) == ["4", "5", "6"]
    seen = []
    for gate in G.gates.values():
        gate.register_forward_hook(lambda layer, given, made: seen.append((given[0], made)))
    z = torch.randn(2, 4)
    maps = outputs(G, z)
    assert [tuple(x.shape[1:]) for x, _ in seen] == [(32, 4, 4), (16, 8, 8), (8, 16, 16)]
    assert [tuple(factor.shape) for _, factor in seen] == [(2, 4, 1, 1), (2, 2, 1, 1), (2, 1, 1, 1)]
    assert all(((factor > 0) & (factor < 1)).all() for _, factor in seen)
    with torch.no_grad():
        gated = maps[4] * seen[0][1]
        assert torch.allclose(G.blocks[4](gated), maps[5], atol=1e-5)
        assert not torch.allclose(G.blocks[4](maps[4]), maps[5], atol=1e-3)


def test_small_images_have_no_excitation():
    assert not FastGANGenerator((3, 32, 32), 4, 2).gates


def test_all_convolutions_have_a_spectral_norm():
    G = FastGANGenerator((3, 64, 64), 4, 2)
    layers = [module for module in G.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len(layers) == 12  # the start, four blocks of two, two of the excitation, the end
    assert all(is_parametrized(layer, "weight") for layer in layers)


def test_the_noise_z_can_be_brought_to_a_mean_square_of_1():
    torch.manual_seed(0)
    G = FastGANGenerator((3, 8, 8), 4, 2, normalise=True).eval()
    z = torch.randn(3, 4)
    with torch.no_grad():
        x, larger = G(z), G(7 * z)
        G.normalise = False
        assert torch.allclose(x, larger, atol=1e-5)
        assert torch.allclose(x, G(z / z.square().mean(1, keepdim=True).sqrt()), atol=1e-5)
        assert not torch.allclose(x, G(z), atol=1e-3)


def test_classes_act_by_the_norms_of_the_blocks():
    torch.manual_seed(0)
    G = FastGANGenerator((3, 16, 16), 4, 2, classes=3).eval()
    z, y = torch.randn(2, 4), torch.eye(3)
    for module in G.modules():
        if isinstance(module, nn.Linear):
            module.weight.data.normal_()
    one, two = (outputs(G, z, y[[k, k]]) for k in (0, 1))
    assert [torch.equal(a, b) for a, b in zip(one, two, strict=True)] == [True, False, False]
    assert torch.allclose(outputs(G, z, y[[0, 1]])[-1][1], two[-1][1], atol=1e-6)


def test_points_and_wrong_noise_are_refused():
    with pytest.raises(DataError, match="FastGAN needs images"):
        FastGANGenerator((2,))
    with pytest.raises(ValueError, match=r"noise \(N, 4\)"):
        FastGANGenerator((3, 8, 8), 4, 2)(torch.zeros(1, 5))


# --- the critic


@pytest.mark.parametrize(
    ("side", "maps", "scores"),
    [
        (8, [(4, 8, 8), (8, 4, 4)], (3, 3)),
        (16, [(4, 16, 16), (8, 8, 8)], (5, 5)),
        (64, [(1, 64, 64), (2, 32, 32), (4, 16, 16), (8, 8, 8)], (5, 5)),
    ],
)
def test_the_critic_halves_to_8_and_scores_patches(side, maps, scores):
    D = FastGANCritic((3, side, side), width=1)
    x = torch.randn(2, 3, side, side)
    assert [tuple(seen.shape[1:]) for seen in D.maps(x)] == maps
    assert D(x).shape == (2, *scores)
    assert D.features(x).shape == (2, maps[-1][0] * maps[-1][1] ** 2)


def test_large_images_are_first_halved_by_single_convolutions():
    with torch.device("meta"):
        for side, blocks, first in ((256, 5, 16), (512, 5, 16), (1024, 5, 8)):
            D = FastGANCritic((3, side, side), width=64)
            assert (len(D.blocks), D.start[0].out_channels, D.maps(torch.zeros(1, 3, side, side))[0].shape[2]) == (
                blocks,
                first,
                256,
            )


def test_a_block_is_the_mean_of_a_path_and_a_shortcut():
    torch.manual_seed(0)
    block, x = FastGANCritic((3, 16, 16), width=2).double().eval().blocks[0], torch.randn(2, 8, 16, 16).double()
    one, two = (layer.weight for layer in block.path if isinstance(layer, nn.Conv2d))
    along = F.leaky_relu(F.conv2d(x, one, stride=2, padding=1) / (1 + 1e-5) ** 0.5, 0.2)
    along = F.leaky_relu(F.conv2d(along, two, padding=1) / (1 + 1e-5) ** 0.5, 0.2)
    short = F.leaky_relu(F.conv2d(F.avg_pool2d(x, 2), block.shortcut[1].weight) / (1 + 1e-5) ** 0.5, 0.2)
    assert torch.allclose(block(x), (along + short) / 2, atol=1e-9)


def test_a_class_adds_the_inner_product_with_the_mean_features_below_a_score():
    torch.manual_seed(0)
    D = FastGANCritic((3, 16, 16), width=2, classes=3).eval()
    x, y = torch.randn(2, 3, 16, 16), torch.eye(3)[[2, 0]]
    with torch.no_grad():
        h = D.hidden(D.maps(x)[-1])
        inner = torch.einsum("nc,nchw->nhw", D.embed(y), F.avg_pool2d(h, 4, stride=1))
        assert torch.allclose(D(x, y), D.score(h)[:, 0] + inner, atol=1e-6)
        assert D(x, y).shape == (2, 5, 5)
        assert torch.equal(D.reconstruct(x, y)[0], D(x, y))


@pytest.mark.parametrize(
    ("shape", "whole", "quarter"),
    [((3, 64, 64), (64, 64), (32, 32)), ((1, 8, 8), (8, 8), (4, 4)), ((3, 512, 512), (128, 128), (128, 128))],
)
def test_images_are_rebuilt_at_128_pixels_at_most(shape, whole, quarter):
    with torch.device("meta"):
        _, pairs = FastGANCritic(shape, width=2).reconstruct(torch.zeros(2, *shape))
    assert [(tuple(made.shape), tuple(wanted.shape)) for made, wanted in pairs] == [
        ((2, shape[0], *size), (2, shape[0], *size)) for size in (whole, quarter)
    ]


def test_a_quarter_is_rebuilt_from_the_features_of_the_same_quarter():
    torch.manual_seed(0)
    D = FastGANCritic((1, 16, 16), width=1).eval()
    x = torch.randn(64, 1, 16, 16)
    given = []
    D.quarter.register_forward_pre_hook(lambda layer, args: given.append(args[0]))
    _, ((_, whole), (_, part)) = D.reconstruct(x)
    assert torch.equal(whole, x)
    fine, found = D.maps(x)[-2], set()
    for k in range(64):
        quarters = [(x[k][:, a : a + 8, b : b + 8], (a, b)) for a in (0, 8) for b in (0, 8)]
        ((a, b),) = [at for quarter, at in quarters if torch.equal(part[k], quarter)]
        assert torch.equal(given[0][k], fine[k][:, a : a + 8, b : b + 8])
        found.add((a, b))
    assert len(found) == 4, "all quarters are drawn"


def test_what_should_be_rebuilt_is_the_mean_of_its_pixels():
    D = FastGANCritic((1, 512, 512), width=1).eval()
    x = torch.randn(1, 1, 512, 512)
    with torch.no_grad():
        _, ((_, whole), _) = D.reconstruct(x)
    assert torch.allclose(whole, F.avg_pool2d(x, 4), atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 48, 64), (1, 100, 100), (3, 9, 30)])
def test_the_critic_takes_any_size(shape):
    D = FastGANCritic(shape, width=2)
    scores, pairs = D.reconstruct(torch.zeros(2, *shape))
    assert scores.shape == D(torch.zeros(2, *shape)).shape
    assert all(made.shape == wanted.shape for made, wanted in pairs)


def test_the_critic_has_a_spectral_norm_everywhere():
    D = FastGANCritic((3, 16, 16), 2, classes=3)
    layers = [layer for layer in D.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert all(is_parametrized(layer, "weight") for layer in layers)
    with pytest.raises(ValueError, match=r"takes data \(N, 3, 16, 16\)"):
        D(torch.zeros(1, 3, 8, 8), torch.eye(3)[:1])


@pytest.mark.parametrize("shape", [(3, 7, 64), (3, 64, 1025)])
def test_sides_below_8_and_above_1024_are_refused(shape):
    for network in (FastGANGenerator, FastGANCritic):
        with pytest.raises(DataError, match="sides of 8 to 1024"):
            network(shape, width=2)
