"""Truncated noise: variances, agreement with redrawing, monotonicity."""

import pytest
import torch

from sparring.games.common.truncation import truncated

# --- truncation


@pytest.mark.parametrize(("bound", "variance"), [(0.5, 0.080589), (1.0, 0.291125), (2.0, 0.773742)])
def test_truncated_noise_has_the_variance_of_noise_drawn_again_until_it_fits(bound, variance):
    # Quantiles of a normal distribution instead of draws: the variance is then right to the grid.
    ranks = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    z = truncated(torch.special.ndtri(ranks), bound)
    assert z.square().mean().item() == pytest.approx(variance, abs=2e-6)
    assert z.abs().max() <= bound


def test_truncated_draws_agree_with_redrawing():
    z = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    kept = z[z.abs() <= 1].sort().values
    made = truncated(z, 1.0).sort().values
    assert made.dtype == z.dtype
    at = torch.linspace(0.01, 0.99, 50, dtype=z.dtype)
    assert torch.quantile(made, at).sub(torch.quantile(kept, at)).abs().max() < 0.02


def test_truncation_is_odd_increasing_and_nothing_for_a_far_bound():
    z = torch.linspace(-5, 5, 101, dtype=torch.float64)
    assert torch.allclose(truncated(-z, 0.7), -truncated(z, 0.7))
    assert (truncated(z, 0.7).diff() > 0).all()
    assert torch.allclose(truncated(z, 100.0), z)
    with pytest.raises(ValueError, match="positive"):
        truncated(z, 0.0)
