"""Tests of `sparring.layers.simple`."""

from __future__ import annotations

import pytest
import torch

from sparring.layers.simple import Maxout


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# Small layers


def test_maxout_is_the_largest_piece():
    layer = Maxout(4, 3, pieces=5).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    weight, bias = layer.linear.weight.reshape(3, 5, 4), layer.linear.bias.reshape(3, 5)
    wanted = torch.stack([(x @ weight[unit].T + bias[unit]).amax(1) for unit in range(3)], 1)
    torch.testing.assert_close(layer(x), wanted, rtol=0, atol=1e-12)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 15 * 4 + 15
