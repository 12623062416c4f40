"""Tests of `sparring.layers.residual`."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sparring.layers.residual import DownBlock, FirstBlock, SameBlock, UpBlock, residual_glorot


def plain_up(x, layer):
    return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, layer.bias, padding=1)


def plain_down(x, layer):
    return F.avg_pool2d(F.conv2d(x, layer.weight, layer.bias, padding=1), 2)


# Residual blocks, against the order of operations of the papers


def test_up_block_is_the_papers():
    block = UpBlock(3, 5).double().train()
    norm1, _, conv1, norm2, _, conv2 = block.residual
    x = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    wanted = plain_up(F.relu(norm1(x)), conv1)
    wanted = conv2(F.relu(norm2(wanted))) + block.shortcut[0](F.interpolate(x, scale_factor=2))
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hidden", [None, 7])
def test_down_block_is_the_papers(hidden):
    block = DownBlock(3, 5, hidden=hidden).double()
    conv1, conv2 = block.residual[2], block.residual[5]
    assert conv1.out_channels == (hidden or 3)
    x = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    wanted = plain_down(F.relu(conv1(F.relu(x))), conv2) + F.avg_pool2d(block.shortcut[1](x), 2)
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)


def test_first_block_has_no_activation_in_front():
    block = FirstBlock(3, 5).double()
    conv1, conv2 = block.residual[0], block.residual[2]
    x = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    wanted = plain_down(F.relu(conv1(x)), conv2) + F.avg_pool2d(block.shortcut[1](x), 2)
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)


def test_same_block_keeps_x_and_does_not_overwrite_it():
    block = SameBlock(3)
    for weight in block.parameters():
        nn.init.zeros_(weight)
    x = torch.randn(2, 3, 4, 4)
    before = x.clone()
    assert torch.equal(block(x), before)
    assert torch.equal(x, before)


def test_residual_glorot_gains():
    block = UpBlock(64, 64)
    residual_glorot(block)
    # variance 2 gain² / (fan-in + fan-out), fan-in = fan-out = 64 · taps
    for layer, gain, taps in [
        (block.residual[2], 2**0.5, 9),
        (block.residual[5], 2**0.5, 9),
        (block.shortcut[0], 1, 1),
    ]:
        assert layer.weight.std().item() == pytest.approx(gain / math.sqrt(64 * taps), rel=0.03)
        assert layer.weight.abs().max().item() <= gain * math.sqrt(3 / (64 * taps))
        assert not layer.bias.any()
