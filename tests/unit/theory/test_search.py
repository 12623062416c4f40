"""Minimisation of smooth and of convex functions."""

import torch

from sparring.theory import (
    minimize_convex,
    minimize_smooth,
)


def test_descent_and_search_find_minima():
    assert torch.allclose(minimize_smooth(lambda x: (x - 3).square().sum(), torch.zeros(2)), torch.tensor(3.0).double())
    corner = torch.tensor([1.5, -2.0, 0.25], dtype=torch.float64)
    weights = torch.tensor([1 / 3, 1e-2, 5.0])
    kinked = minimize_convex(lambda x: (weights * (x - corner).abs()).sum(), torch.zeros(3))
    assert torch.allclose(kinked, corner, atol=1e-6)
