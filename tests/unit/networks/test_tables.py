"""Every network against its published table: parameter counts by hand, and the statistics of its initial weights."""

import math

import pytest
import torch
from torch import nn

from sparring.layers.init import gamma_normal
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


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


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
