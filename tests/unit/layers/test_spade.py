"""SPADE: normalisation by labels, and blocks."""

import pytest
import torch
from torch import nn

from sparring.layers.normalization import instance_norm
from sparring.layers.spade import SPADE, SPADEBlock, batch_norm_without_affine, resize_labels

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
