"""Every generator and critic: shapes, sizes, gradients, messages, and what sets one family apart."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from sparring.errors import DataError
from sparring.layers.init import gamma_normal, wgan_gp
from sparring.layers.normalization import layer_norm
from sparring.layers.resampling import GlobalMean
from sparring.layers.spectral import spectral
from sparring.networks import (
    AliToyCritic,
    AliToyGenerator,
    DCGANCritic,
    DCGANGenerator,
    GoodfellowCritic,
    GoodfellowGenerator,
    InfoGANCritic,
    InfoGANGenerator,
    MLPCritic,
    MLPGenerator,
    RadfordCritic,
    RadfordGenerator,
    ResNetCritic,
    ResNetGenerator,
    SNCNNCritic,
    SNCNNGenerator,
    UnrolledToyCritic,
    UnrolledToyGenerator,
)

CONVOLUTIONAL = {
    "dcgan": (DCGANGenerator, DCGANCritic),
    "radford": (RadfordGenerator, RadfordCritic),
    "sncnn": (SNCNNGenerator, SNCNNCritic),
    "infogan": (InfoGANGenerator, InfoGANCritic),
    "resnet": (ResNetGenerator, ResNetCritic),
}


SMALL = (1, 8, 8)


PAIRS = {
    "mlp-points": (partial(MLPGenerator, (2,), 3, 8), partial(MLPCritic, (2,), 8)),
    "mlp-images": (partial(MLPGenerator, SMALL, 3, 8), partial(MLPCritic, SMALL, 8)),
    "mlp-no-hidden": (partial(MLPGenerator, (2,), 3, depth=0), partial(MLPCritic, (2,), depth=0)),
    "ali": (partial(AliToyGenerator, (2,), 3, 8), partial(AliToyCritic, (2,), 8)),
    "goodfellow": (partial(GoodfellowGenerator, SMALL, 3, 16), partial(GoodfellowCritic, SMALL, 16)),
    "unrolled": (partial(UnrolledToyGenerator, (2,), 3, 8), partial(UnrolledToyCritic, (2,), 8)),
    **{name: (partial(G, SMALL, 3, 4), partial(D, SMALL, 4)) for name, (G, D) in CONVOLUTIONAL.items()},
}


pairs = pytest.mark.parametrize(("make_G", "make_D"), PAIRS.values(), ids=PAIRS)


convolutional = pytest.mark.parametrize(("make_G", "make_D"), CONVOLUTIONAL.values(), ids=CONVOLUTIONAL)


# The contract of both roles


@pairs
def test_every_parameter_receives_a_gradient_in_both_precisions(make_G, make_D):
    for dtype in (torch.float32, torch.float64):
        G, D = make_G().to(dtype), make_D().to(dtype)
        x = G(torch.randn(6, G.latent, dtype=dtype))
        scores = D(x)
        assert x.shape == (6, *G.shape)
        assert scores.shape == (6,)
        assert x.dtype == scores.dtype == dtype
        scores.square().sum().backward()
        for name, parameter in [*G.named_parameters(), *D.named_parameters()]:
            assert parameter.grad is not None, name
            if not name.endswith("bias"):  # a bias before a batch norm has gradient zero
                assert parameter.grad.abs().sum() > 0, name


@convolutional
@pytest.mark.parametrize(("side", "channels"), [(8, 1), (16, 2), (32, 3), (64, 4), (128, 3), (256, 1)])
def test_sizes_and_channels(make_G, make_D, side, channels):
    shape = (channels, side, side)
    G, D = make_G(shape, 5, 1), make_D(shape, 1)
    x = G(torch.randn(2, 5))
    assert x.shape == (2, *shape)
    assert x.abs().max() <= 1
    assert D(x).shape == (2,)
    assert D.features(x).shape[0] == 2


@convolutional
@pytest.mark.parametrize("size", [(48, 64), (100, 100), (37, 70), (8, 30)])
def test_any_size_is_drawn_and_read_to_its_border(make_G, make_D, size):
    torch.manual_seed(0)
    shape = (3, *size)
    G, D = make_G(shape, 5, 8), make_D(shape, 8)
    x = G(torch.randn(3, 5))
    assert x.shape == (3, *shape)
    assert D(x).shape == (3,)
    x = x.detach().requires_grad_()
    slope = torch.autograd.grad(D(x).square().sum(), x)[0].abs().sum((0, 1))
    assert all(border.max() > 0 for border in (slope[0], slope[-1], slope[:, 0], slope[:, -1]))


@convolutional
def test_channels_last(make_G, make_D):
    G, D = make_G((3, 16, 16), 5, 4).double(), make_D((3, 16, 16), 4).double()
    z = torch.randn(4, 5, dtype=torch.float64)
    contiguous = D(G(z))
    G.to(memory_format=torch.channels_last)
    D.to(memory_format=torch.channels_last)
    x = G(z)
    torch.testing.assert_close(D(x.contiguous(memory_format=torch.channels_last)), contiguous, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "D",
    [
        MLPCritic((2,), 8, outcomes=7),
        AliToyCritic((2,), 8, outcomes=7),
        DCGANCritic(SMALL, 4, outcomes=7),
        RadfordCritic(SMALL, 4, outcomes=7),
        SNCNNCritic(SMALL, 4, outcomes=7),
        ResNetCritic(SMALL, 4, outcomes=7),
    ],
    ids=lambda D: type(D).__name__,
)
def test_outcomes(D):
    assert D(torch.randn(3, *D.shape)).shape == (3, 7)
    assert D(torch.randn(1, *D.shape)).shape == (1, 7)


@pytest.mark.parametrize(
    "D",
    [
        MLPCritic((2,), 8),
        AliToyCritic((2,), 8),
        UnrolledToyCritic((2,), 8),
        DCGANCritic(SMALL, 4, nn.Identity, bias=True),
        DCGANCritic(SMALL, 4, layer_norm),
        RadfordCritic(SMALL, 4, nn.Identity, bias=True, init=wgan_gp),
        SNCNNCritic(SMALL, 4),
        ResNetCritic(SMALL, 4),
        ResNetCritic((1, 64, 64), 1),
    ],
    ids=lambda D: type(D).__name__,
)
def test_critics_without_batch_norm_score_each_sample_alone(D):
    D = D.double()
    x = torch.randn(4, *D.shape, dtype=torch.float64)
    torch.testing.assert_close(torch.cat([D(one[None]) for one in x]), D(x), rtol=0, atol=1e-12)


@convolutional
def test_a_batch_norm_critic_does_mix_samples(make_G, make_D):
    D = make_D((1, 16, 16), 4, nn.BatchNorm2d).double()
    x = torch.randn(4, 1, 16, 16, dtype=torch.float64)
    assert (D(x)[:2] - D(x[:2])).abs().max() > 1e-6


@pairs
def test_features_are_what_the_head_reads(make_G, make_D):
    G, D = make_G().eval(), make_D().eval()
    x = G(torch.randn(3, G.latent))
    assert torch.equal(D.features(x), D.trunk(x).flatten(1))
    assert torch.equal(D(x), D.head(D.trunk(x)).squeeze(1))


@pairs
def test_wrong_input_is_named(make_G, make_D):
    G, D = make_G(), make_D()
    with pytest.raises(ValueError, match=rf"takes noise \(N, {G.latent}\), not \(2, 99\)"):
        G(torch.zeros(2, 99))
    with pytest.raises(ValueError, match=r"not \(2, 77\)"):
        D(torch.zeros(2, 77))


@convolutional
@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((3, 7, 30), "not 7 × 30: pass --size 8x30."),
        ((1, 4, 4), "not 4 × 4: pass --size 8."),
        ((1, 512, 1025), "not 512 × 1025: pass --size 512x1024."),
        ((2,), "not (2,): use an MLP for points."),
    ],
)
def test_unsupported_sizes_name_the_remedy(make_G, make_D, shape, remedy):
    for make in (make_G, make_D):
        with pytest.raises(DataError) as caught:
            make(shape)
        assert str(caught.value).endswith(remedy)


# What sets the networks of one family apart


def test_points_are_unbounded_and_images_are_not():
    z = 1e3 * torch.ones(1, 2)
    assert MLPGenerator((2,))(z).abs().max() > 1
    assert MLPGenerator((1, 4, 4))(z).abs().max() <= 1


def test_goodfellow_maps_to_the_papers_pixel_range():
    G = GoodfellowGenerator((1, 4, 4), 3, 8).double()
    z = torch.randn(5, 3, dtype=torch.float64)
    a = G.body[2](G.body[1](G.body[0](z)))
    torch.testing.assert_close(G(z).flatten(1), 2 * torch.sigmoid(a) - 1, rtol=0, atol=1e-12)
    D = GoodfellowCritic((1, 4, 4), 8)
    black = -torch.ones(2, 1, 4, 4)
    assert torch.equal(D.trunk[:2](black), torch.zeros(2, 16))
    assert not torch.equal(D.train()(torch.ones(9, 1, 4, 4)), D.eval()(torch.ones(9, 1, 4, 4)))


def test_pooling_sum_is_pixels_times_mean():
    torch.manual_seed(1)
    total = ResNetCritic((3, 32, 32), 4)
    torch.manual_seed(1)
    mean = ResNetCritic((3, 32, 32), 4, pool=GlobalMean)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(total(x), 64 * mean(x), rtol=1e-5, atol=1e-6)


def test_generator_with_batch_statistics_only():
    G = ResNetGenerator((1, 8, 8), 3, 4, norm=partial(nn.BatchNorm2d, track_running_stats=False))
    z = torch.randn(4, 3)
    assert torch.equal(G.train()(z), G.eval()(z))


def test_last_layer_of_a_residual_critic_has_no_bias():
    assert ResNetCritic(SMALL, 4).head.bias is None


def test_spectral_leaves_the_initial_direction():
    torch.manual_seed(1)
    plain = DCGANCritic(SMALL, 4, nn.Identity)
    torch.manual_seed(1)
    normalised = spectral(DCGANCritic(SMALL, 4, nn.Identity)).eval()
    before, after = plain.trunk[0].weight.flatten(1), normalised.trunk[0].weight.flatten(1)
    torch.testing.assert_close(after, before / torch.linalg.matrix_norm(before, 2), rtol=0.02, atol=1e-3)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


# Parameter counts, by hand from the published tables


def test_counts_of_dcgan_64():
    G, D = DCGANGenerator((3, 64, 64)), DCGANCritic((3, 64, 64))
    assert count(G) == 3_576_704
    kernels = 16 * (100 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    assert count(G) == kernels + 2 * (512 + 256 + 128 + 64)
    assert count(D) == 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 2 * (128 + 256 + 512)
    assert [
        layer for layer in [*G.modules(), *D.modules()] if isinstance(layer, nn.Conv2d) and layer.bias is not None
    ] == []


def test_parameter_counts_of_infogans_networks_with_a_fully_connected_critic_head():
    G, D = InfoGANGenerator((1, 32, 32)), InfoGANCritic((1, 32, 32))
    assert count(G) == 74 * 1024 + 1024 * 8192 + 2 * (1024 + 8192) + 16 * (128 * 64 + 64) + 2 * 64 + 1
    assert count(D) == 16 * (64 + 64 * 128) + 8192 * 1024 + 64 + 3 * 128 + 3 * 1024 + 1024 + 1
    assert D.features(torch.zeros(2, 1, 32, 32)).shape == (2, 1024)
    x = torch.randn(4, 1, 32, 32)
    moved = x.clone()
    moved[:, :, 31, 31] += 1.0  # one corner
    D.eval()
    assert (D.features(moved) != D.features(x)).float().mean() > 0.99


def test_counts_of_the_5x5_networks():
    G, D = RadfordGenerator((3, 64, 64)), RadfordCritic((3, 64, 64))
    kernels = 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    assert count(G) == 100 * 16384 + 2 * 16384 + kernels + 2 * (512 + 256 + 128)
    kernels = 25 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024)
    assert count(D) == kernels + 2 * (256 + 512 + 1024) + 16384 + 1
    D = RadfordCritic((3, 32, 32), norm=nn.Identity, bias=True)  # WGAN-GP on CIFAR-10
    assert count(D) == 25 * (3 * 128 + 128 * 256 + 256 * 512) + 128 + 256 + 512 + 8192 + 1


def test_counts_of_the_standard_cnn():
    G, D = SNCNNGenerator((3, 32, 32)), SNCNNCritic((3, 32, 32))
    stages = [(512, 256), (256, 128), (128, 64)]
    upward = sum(16 * wide * narrow + narrow + 2 * narrow for wide, narrow in stages)
    assert count(G) == 129 * 8192 + upward + 9 * 64 * 3 + 3
    downward = sum(16 * n * n + n + 9 * n * w + w for w, n in stages)
    assert count(D) == 9 * 3 * 64 + 64 + downward + 8192 + 1
    normed = SNCNNCritic((3, 32, 32), norm=nn.BatchNorm2d)
    assert count(normed) == count(D) + 2 * sum(wide + narrow for wide, narrow in stages)


def test_counts_of_the_residual_networks():
    block = 2 * 2 * 256 + 2 * (9 * 256 * 256 + 256) + 256 * 256 + 256
    assert count(ResNetGenerator((3, 32, 32))) == 129 * 4096 + 3 * block + 2 * 256 + 9 * 256 * 3 + 3
    pair = 2 * (9 * 128 * 128 + 128)
    first = 9 * 3 * 128 + 128 + 9 * 128 * 128 + 128 + 3 * 128 + 128
    assert count(ResNetCritic((3, 32, 32))) == first + (pair + 128 * 128 + 128) + 2 * pair + 128

    blocks = sum(
        2 * wide + 9 * wide * narrow + narrow + 2 * narrow + 9 * narrow * narrow + narrow + wide * narrow + narrow
        for wide, narrow in [(1024, 512), (512, 256), (256, 128), (128, 64)]
    )
    assert count(ResNetGenerator((3, 64, 64))) == 129 * 16384 + blocks + 2 * 64 + 9 * 64 * 3 + 3
    first = 9 * 3 * 64 + 64 + 9 * 64 * 64 + 64 + 3 * 64 + 64
    blocks = sum(
        9 * narrow * narrow + narrow + 9 * narrow * wide + wide + narrow * wide + wide
        for narrow, wide in [(64, 128), (128, 256), (256, 512), (512, 1024)]
    )
    assert count(ResNetCritic((3, 64, 64))) == first + blocks + 1024


def test_counts_of_the_perceptrons():
    assert count(MLPGenerator((2,))) == 3 * 512 + 2 * 513 * 512 + 513 * 2
    assert count(MLPCritic((2,))) == 3 * 512 + 2 * 513 * 512 + 513
    assert count(AliToyGenerator()) == 2 * 400 + 3 * 400 * 400 + 4 * 800 + 401 * 2
    assert count(AliToyCritic()) == 3 * 1000 + 2 * 201 * 1000 + 201
    assert count(GoodfellowGenerator()) == 101 * 1200 + 1201 * 1200 + 1201 * 784
    assert count(GoodfellowCritic()) == 785 * 1200 + 241 * 1200 + 241
    assert count(UnrolledToyGenerator()) == 257 * 128 + 129 * 128 + 129 * 2
    assert count(UnrolledToyCritic()) == 3 * 128 + 129 * 128 + 129


# Initial statistics


def test_initial_statistics_of_dcgan():
    G = DCGANGenerator((3, 64, 64))
    logits = nn.Sequential(*list(G.body)[:-1])(torch.randn(16, 100))
    # 64 channels · 4 taps, ReLU of a unit Gaussian has second moment ½: √(256 · ½ · .02²) = .226
    assert logits.std().item() == pytest.approx(math.sqrt(256 * 0.5) * 0.02, rel=0.15)
    for layer in G.body:
        if isinstance(layer, nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.01)
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.3)


def test_initial_weights_of_the_named_perceptrons():
    assert GoodfellowGenerator().body[0][0].weight.abs().max().item() == pytest.approx(0.05, rel=0.01)
    assert GoodfellowCritic().head.weight.abs().max().item() == pytest.approx(0.005, rel=0.05)
    assert AliToyGenerator().body[1][0].weight.std().item() == pytest.approx(0.02, rel=0.05)
    weight = MLPCritic((2,)).trunk[2][0].weight
    assert weight.var().item() == pytest.approx(2 / 512, rel=0.05)
    weight = UnrolledToyCritic().trunk[2][0].weight
    torch.testing.assert_close(weight @ weight.T, 1.96 * torch.eye(128), rtol=0, atol=1e-4)
    realness = AliToyGenerator(init=gamma_normal())
    assert realness.body[1][0].weight.abs().max().item() == pytest.approx(1 / 20, rel=0.01)  # torch's own, U(±1/√400)
    assert realness.body[1][1].weight.std().item() == pytest.approx(0.02, rel=0.2)
