"""Theory: divergences of known distributions, optimal critics in closed form and by search."""

import math

import pytest
import torch

from closed_forms import OBJECTIVES, P, Q
from sparring.objectives import Hinge, LeastSquares, Relativistic, RelativisticAverage, hinged, logistic, squared
from sparring.theory import (
    best_critic,
    dirac_eigenvalues,
    gaussian_jensen_shannon,
    jensen_shannon,
    kl,
    optimal_critic,
    penalised_slope,
    repeated_points,
    total_variation,
    wasserstein1,
    wasserstein1_samples,
)

WITHOUT_CLOSED_FORM = {"wasserstein", "RpHinge", "RaSGAN", "RaHinge"}


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


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - WITHOUT_CLOSED_FORM))
def test_search_finds_the_optimal_critic(name):
    if name.startswith("f-GAN total-variation"):
        assert optimal_critic(OBJECTIVES[name], P, Q).tolist() == [-math.inf, *[math.inf] * 3, -math.inf]
        return
    expected, (found, loss) = optimal_critic(OBJECTIVES[name], P, Q), best_critic(OBJECTIVES[name], P, Q)
    shift = (expected - found).mean() if OBJECTIVES[name].needs_real else 0.0
    assert torch.allclose(found + shift, expected, atol=1e-5)
    real, fake = (expected[repeated_points(weights, 20)] for weights in (P, Q))
    if not isinstance(OBJECTIVES[name], Relativistic):  # which compares all pairs
        assert OBJECTIVES[name].critic(real, fake).item() == pytest.approx(loss, abs=1e-7)


@pytest.mark.parametrize("name", sorted(WITHOUT_CLOSED_FORM))
def test_missing_closed_forms_are_named(name):
    with pytest.raises(ValueError, match="search it with best_critic"):
        optimal_critic(OBJECTIVES[name], P, Q)


def test_closed_forms_in_numbers():
    assert torch.equal(optimal_critic(Hinge(), P, Q), torch.tensor([-1, 1, 1, 1, -1], dtype=torch.float64))
    expected = torch.tensor([1 / 4, 2 / 3, 2 / 3, 5 / 6, 3 / 11], dtype=torch.float64)
    assert torch.allclose(optimal_critic(LeastSquares(), P, Q), expected)
    averaged = optimal_critic(RelativisticAverage(squared), P, Q)
    assert torch.allclose(averaged, 1.215470 * (P - Q) / (P + Q), atol=1e-6)
    assert torch.allclose(optimal_critic(Relativistic(logistic), P, Q), torch.log(P / Q))


@pytest.mark.parametrize("objective", [Relativistic(hinged), RelativisticAverage(hinged)])
def test_search_is_not_stopped_by_kinks(objective):
    """A hinge is a linear programme: the least sum of slacks that are at least 0 and at least the hinge's argument."""
    optimize = pytest.importorskip("scipy.optimize")
    p, q = P.numpy(), Q.numpy()
    if isinstance(objective, Relativistic):
        rows = [(p[i] * q[j], {j: 1.0, i: -1.0}) for i in range(5) for j in range(5)]
    else:
        rows = [(p[i], {**{j: q[j] for j in range(5)}, i: q[i] - 1}) for i in range(5)]
        rows += [(q[i], {**{j: -p[j] for j in range(5)}, i: 1 - p[i]}) for i in range(5)]
    constraints = torch.zeros(len(rows), 5 + len(rows))
    for k, (_, argument) in enumerate(rows):
        constraints[k, 5 + k] = -1
        for i, slope in argument.items():
            constraints[k, i] += slope if len(argument) > 1 else 0.0
    costs = [0.0] * 5 + [weight for weight, _ in rows]
    bounds = [(None, None)] * 5 + [(0, None)] * len(rows)
    solution = optimize.linprog(costs, constraints.numpy(), [-1.0] * len(rows), bounds=bounds)
    assert best_critic(objective, P, Q)[1] == pytest.approx(solution.fun, abs=1e-5)


def test_repeated_points():
    assert repeated_points(P, 20).tolist() == [0] * 2 + [1] * 4 + [2] * 6 + [3] * 5 + [4] * 3
    with pytest.raises(ValueError, match="choose more points"):
        repeated_points(P, 10)


def test_what_is_not_a_pair_of_distributions_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        kl(P, Q[:4])
    with pytest.raises(ValueError, match="sum to 1"):
        total_variation(P, 2 * Q)
    with pytest.raises(ValueError, match="at least 0"):
        jensen_shannon(P, Q - torch.tensor([0.5, -0.5, 0, 0, 0]))


def test_damping_is_critical_at_twice_the_slope():
    assert dirac_eigenvalues(2.0, slope=1.0) == (-1, -1)
    assert max(z.real for z in dirac_eigenvalues(0.0)) == 0
    assert penalised_slope(2, 10) == pytest.approx(1.1)
