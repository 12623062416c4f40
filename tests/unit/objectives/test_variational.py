"""Likelihoods, the divergence from the prior, and active coordinates of a variational autoencoder."""

from __future__ import annotations

import pytest
import torch

from sparring.objectives.variational import active_units, bernoulli, gaussian, kl_to_prior

# --- the mathematics


def test_the_gaussian_likelihood_is_the_log_density_of_torch():
    x, again = torch.randn(2, 5, 1, 4, 4, dtype=torch.float64)
    wanted = -torch.distributions.Normal(again, 0.3).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(gaussian(0.3)(x, again), wanted)
    with pytest.raises(ValueError, match="positive"):
        gaussian(0.0)


def test_the_bernoulli_likelihood_is_the_log_density_of_torch_and_finite_at_the_ends():
    x, again = torch.tensor([[-1.0, 1.0, 1.0]]), torch.tensor([[-0.5, 0.5, -0.2]])
    wanted = -torch.distributions.Bernoulli((again + 1) / 2).log_prob((x + 1) / 2).sum(1)
    torch.testing.assert_close(bernoulli(x, again), wanted)
    assert bernoulli(x, -x).isfinite().all()


def test_the_kl_is_that_of_torch_and_summed_over_coordinates():
    mean, log_variance = torch.randn(2, 6, 3, dtype=torch.float64)
    normal = torch.distributions.Normal
    each = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_prior(mean, log_variance), each.sum(1))
    assert kl_to_prior(torch.zeros(1, 7), torch.zeros(1, 7)).item() == 0


def test_active_coordinates_are_those_that_differ_between_data():
    codes = torch.stack([torch.zeros(50), torch.linspace(-1, 1, 50), torch.linspace(-0.05, 0.05, 50)], 1)
    assert active_units(codes) == 1
