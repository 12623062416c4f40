"""Distances of known distributions, against literal values and closed forms."""

import math

import pytest
import torch

from sparring.theory import (
    gaussian_jensen_shannon,
    jensen_shannon,
    kl,
    ordered_pairs,
    total_variation,
    triangular,
    wasserstein1,
    wasserstein1_samples,
)
from support.closed_forms import P, Q


def test_reference_values_of_the_pair():
    values = [divergence(P, Q).item() for divergence in (kl, jensen_shannon, total_variation, wasserstein1)]
    assert values == pytest.approx([0.491947, 0.113266, 0.45, 0.6], abs=1e-6)
    assert kl(Q, P).item() == pytest.approx(0.468157, abs=1e-6)


def test_divergences_of_distributions_that_do_not_meet():
    p, q = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    assert kl(p, q) == math.inf
    assert jensen_shannon(p, q).item() == pytest.approx(math.log(2))
    assert total_variation(p, q) == 1
    assert wasserstein1(p, q) == 2
    assert wasserstein1(p, q, positions=torch.tensor([-1.0, 0.0, 4.5])) == 5.5


def test_divergences_are_zero_only_between_equals():
    for divergence in (kl, jensen_shannon, total_variation, wasserstein1):
        assert divergence(P, P).item() == pytest.approx(0, abs=1e-12)
        assert divergence(P, Q).item() > 0.1


def test_distance_between_samples():
    x = torch.tensor([3.0, 1.0, 2.0])
    assert wasserstein1_samples(x, torch.tensor([5.0, 4.0, 6.0])) == 3
    assert wasserstein1_samples(x, torch.tensor([2.0, 3.0, 1.0])) == 0
    points, weights = torch.arange(5.0), [(20 * w).round().long() for w in (P, Q)]
    samples = [points.repeat_interleave(counts) for counts in weights]
    assert wasserstein1_samples(*samples).item() == pytest.approx(0.6, abs=1e-6)
    with pytest.raises(ValueError, match="one shape"):
        wasserstein1_samples(x, x[:2])


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(0.1, 0.693146), (0.25, 0.632720), (0.5, 0.336831), (1, 0.111421), (2, 0.030311), (5, 0.004975)],
)
def test_instance_noise_brings_two_points_together(scale, expected):
    assert gaussian_jensen_shannon(1, scale) == pytest.approx(expected, abs=1e-6)
    assert gaussian_jensen_shannon(-1, scale) == pytest.approx(expected, abs=1e-6)


def test_limits_of_instance_noise():
    assert gaussian_jensen_shannon(1, 1e-6) == pytest.approx(math.log(2), abs=1e-12)
    assert gaussian_jensen_shannon(0, 1) == pytest.approx(0, abs=1e-12)
    assert gaussian_jensen_shannon(1, 50) == pytest.approx(1 / (8 * 50**2), rel=1e-3)


def test_what_is_not_a_pair_of_distributions_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        kl(P, Q[:4])
    with pytest.raises(ValueError, match="sum to 1"):
        total_variation(P, 2 * Q)
    with pytest.raises(ValueError, match="at least 0"):
        jensen_shannon(P, Q - torch.tensor([0.5, -0.5, 0, 0, 0]))


def test_triangular_discrimination():
    assert triangular(P, Q).item() == pytest.approx(0.430303, abs=1e-6)
    assert triangular(P, Q).item() == pytest.approx(triangular(Q, P).item(), abs=1e-12)
    assert triangular(P, P) == 0


def test_both_orders_are_each_others_mirror():
    both, swapped = (table.reshape(5, 5) for table in ordered_pairs(P, Q))
    assert both[1, 4].item() == pytest.approx(0.20 * 0.40)
    assert torch.equal(both.T, swapped)
    assert math.log(2) - jensen_shannon(*ordered_pairs(P, Q)).item() == pytest.approx(0.490074, abs=1e-6)
