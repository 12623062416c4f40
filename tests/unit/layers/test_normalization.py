"""Tests of `sparring.layers.normalization`."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sparring.layers.normalization import layer_norm


def test_layer_norm_keeps_samples_apart():
    x = torch.randn(3, 4, 5, 5) * torch.tensor([1.0, 10.0, 100.0]).reshape(3, 1, 1, 1) + 7
    y = layer_norm(4)(x)
    torch.testing.assert_close(y.mean((1, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.var((1, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-3)
    torch.testing.assert_close(layer_norm(4)(x[:1]), y[:1])
    shifted = layer_norm(4)(x + torch.tensor([0.0, 0.0, 0.0, 1e3]).reshape(1, 4, 1, 1))
    assert (shifted[:, 3].mean((1, 2)) > 1).all()  # channels share one mean and one scale


def test_batch_norm_mixing():
    """T24: a feature N(3, 1) on real and N(−3, 1) on fake; one pass over both
    tells D which half is which, by ±3 / √10 = ±.9487."""
    deviations = torch.erfinv(torch.linspace(-0.9999, 0.9999, 20001, dtype=torch.float64)) * math.sqrt(2)
    deviations = (deviations / deviations.std(correction=0)).unsqueeze(1)
    real, fake = 3 + deviations, -3 + deviations
    norm = nn.BatchNorm1d(1).double().train()
    assert norm(real).mean().item() == pytest.approx(0, abs=1e-9)
    assert norm(fake).mean().item() == pytest.approx(0, abs=1e-9)
    joint = norm(torch.cat([real, fake])).detach()
    assert joint[: len(real)].mean().item() == pytest.approx(3 / math.sqrt(10), abs=1e-5)
    assert joint[len(real) :].mean().item() == pytest.approx(-3 / math.sqrt(10), abs=1e-5)
