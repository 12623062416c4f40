"""Tests of `sparring.layers.simple`."""

from __future__ import annotations

import math

import pytest
import torch

from sparring.layers.simple import GaussianHead, Maxout

# Small layers


def test_maxout_is_the_largest_piece():
    layer = Maxout(4, 3, pieces=5).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    weight, bias = layer.linear.weight.reshape(3, 5, 4), layer.linear.bias.reshape(3, 5)
    wanted = torch.stack([(x @ weight[unit].T + bias[unit]).amax(1) for unit in range(3)], 1)
    torch.testing.assert_close(layer(x), wanted, rtol=0, atol=1e-12)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 15 * 4 + 15


# The head whose outputs are drawn


def test_the_head_draws_anew_at_every_forward_in_evaluation_too():
    head = GaussianHead(3, 7)
    x = torch.randn(4, 3)
    for mode in (head.train(), head.eval()):
        assert not torch.equal(mode(x), mode(x))
    torch.manual_seed(1)
    first = head(x)
    torch.manual_seed(1)
    assert torch.equal(head(x), first)


def test_the_head_draws_with_its_learned_mean_and_deviation():
    head = GaussianHead(1, 2)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(torch.tensor([1.0, -2.0, math.log(0.25), math.log(9.0)]))
    torch.manual_seed(0)
    draws = head(torch.zeros(40_000, 1)).detach()
    torch.testing.assert_close(draws.mean(0), torch.tensor([1.0, -2.0]), atol=0.06, rtol=0)
    torch.testing.assert_close(draws.std(0), torch.tensor([0.5, 3.0]), atol=0.05, rtol=0)
    assert abs(torch.corrcoef(draws.T)[0, 1]) < 0.03, "every outcome has its own noise"


def test_the_heads_gradient_is_that_of_the_draw():
    head = GaussianHead(1, 1).double()
    torch.manual_seed(0)
    out = head(torch.ones(1, 1, dtype=torch.float64))
    mean, log_variance = head.linear(torch.ones(1, 1, dtype=torch.float64))[0].tolist()
    noise = (out.item() - mean) / math.exp(log_variance / 2)
    gradient = torch.autograd.grad(out.sum(), head.linear.bias)[0]
    assert gradient.tolist() == pytest.approx([1.0, noise * math.exp(log_variance / 2) / 2], rel=1e-9)
