"""Tests of `sparring.layers.init`."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sparring.layers import init

# Initialisations


@pytest.mark.parametrize(
    ("initialise", "variance"),
    [
        (init.normal(0.02), 0.02**2),
        (init.uniform(0.05), 0.05**2 / 3),
        (init.he_uniform, 2 / 300),
        (init.glorot_uniform(), 2 / 500),
        (init.glorot_uniform(2**0.5), 4 / 500),
        (init.wgan_gp, 2 / 500),
        (init.orthogonal(1.4), 1.4**2 / 300),
        (init.dcgan, 0.02**2),
    ],
)
def test_initial_variance_of_a_linear_layer(initialise, variance):
    layer = nn.Linear(300, 200).apply(initialise)
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=4 * math.sqrt(variance / 60000))
    assert not layer.bias.any()


def test_initial_bounds_and_orthogonality():
    layer = nn.Linear(300, 200).apply(init.he_uniform)
    assert math.sqrt(6 / 300) * 0.99 < layer.weight.abs().max().item() <= math.sqrt(6 / 300)
    weight = nn.Linear(30, 20).double().apply(init.orthogonal(1.4)).weight
    torch.testing.assert_close(weight @ weight.T, 1.96 * torch.eye(20, dtype=torch.float64), rtol=0, atol=1e-12)


def test_initial_convolutions_of_wgan_gp_have_gain_root_two():
    layer = nn.Conv2d(20, 30, 5).apply(init.wgan_gp)
    assert layer.weight.var().item() == pytest.approx(4 / (50 * 25), rel=0.05)


def test_dcgan_draws_batch_norm_gains_around_one():
    norm = nn.BatchNorm2d(10000).apply(init.dcgan)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.001)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not norm.bias.any()
    linear = nn.Linear(3, 3)
    before = linear.weight.clone()
    assert torch.equal(linear.apply(init.gamma_normal()).weight, before)
