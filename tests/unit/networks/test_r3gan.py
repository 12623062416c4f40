"""R3GAN's networks: residual blocks, variances at initialisation, the published plan."""

import pytest
import torch
from torch import nn

from sparring.layers.residual import Residual
from sparring.networks.r3gan import R3GANCritic, R3GANGenerator, residual_block


def test_a_block_is_the_identity_at_first():
    torch.manual_seed(0)
    block, x = residual_block(8, 2, 4), torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), x)
    nn.init.normal_(block.residual[-1].weight)
    assert not torch.allclose(block(x), x)


@pytest.mark.parametrize("total", [1, 4, 16])
def test_the_residual_path_starts_with_a_variance_of_one_over_the_number_of_blocks(total):
    torch.manual_seed(0)
    path = residual_block(128, 8, total).residual[:-1]
    y = path(torch.randn(8, 128, 10, 10))[..., 1:-1, 1:-1]
    assert y.square().mean().item() == pytest.approx(1 / total, rel=0.1)


def test_both_networks_are_linear_at_first():
    torch.manual_seed(0)
    G, D = R3GANGenerator((1, 16, 16), 8, 16).double(), R3GANCritic((1, 16, 16), 16).double()
    z, x = torch.randn(3, 8, dtype=torch.float64), torch.randn(3, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(G(-2 * z), -2 * G(z))
    torch.testing.assert_close(D(x[:1]) + 3 * D(x[1:2]), D(x[:1] + 3 * x[1:2]))


def test_signals_start_with_unit_variance():
    torch.manual_seed(0)
    basis = R3GANGenerator((3, 8, 8), 64, 256).body[0](torch.randn(64, 64))
    assert basis.var().item() == pytest.approx(1.0, abs=0.15)
    D = R3GANCritic((3, 8, 8), 256)
    assert D.trunk[0](torch.randn(8, 3, 8, 8)).var().item() == pytest.approx(1.0, abs=0.25)
    features = D.trunk[-2](torch.randn(64, 256, 4, 4))
    assert features.var().item() == pytest.approx(1.0, abs=0.15), "the depthwise end"
    assert D.head(torch.randn(5000, 256)).var().item() == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_size_is_drawn_and_scored(side, colours):
    G, D = R3GANGenerator((colours, side, side), 4, 16), R3GANCritic((colours, side, side), 16)
    x = G(torch.randn(2, 4))
    assert x.shape == (2, colours, side, side)
    assert D(x).shape == (2,)


@pytest.mark.parametrize(
    ("side", "widths"), [(32, [768] * 4), (64, [768] * 4 + [384]), (256, [768] * 4 + [384, 192, 96])]
)
def test_the_published_plan(side, widths):
    with torch.device("meta"):
        G, D = R3GANGenerator((3, side, side)), R3GANCritic((3, side, side))
    for network, plan in ((G, widths), (D, widths[::-1])):
        blocks = [module.residual[2] for module in network.modules() if isinstance(module, Residual)]
        assert [conv.in_channels // 2 for conv in blocks] == [width for width in plan for _ in range(2)]
        assert all(conv.in_channels // conv.groups == 16 for conv in blocks)
    if side == 32:  # 8 blocks of 768 → 1536 → 1536 in groups of 16 → 768, biases of the first two, and the ends
        block = 768 * 1536 + 1536 + 1536 * 16 * 9 + 1536 + 1536 * 768
        assert sum(weight.numel() for weight in G.parameters()) == 8 * block + 768 * 16 + 64 * 768 + 768 * 3
        assert sum(weight.numel() for weight in D.parameters()) == 8 * block + 3 * 768 + 768 * 16 + 768


def test_cardinality_is_the_number_of_groups():
    grouped = [layer.groups for layer in R3GANCritic((1, 8, 8), 32, 8).modules() if isinstance(layer, nn.Conv2d)]
    assert set(grouped) == {1, 8, 32}, "1×1, 3×3, and the depthwise end"
