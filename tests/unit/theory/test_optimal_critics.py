"""Optimal critics in closed form and by search."""

import math

import pytest
import torch

from sparring.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    Relativistic,
    RelativisticAverage,
    hinged,
    logistic,
    squared,
)
from sparring.theory import (
    best_classifier,
    best_critic,
    best_realness,
    jensen_shannon,
    kl,
    optimal_classifier,
    optimal_critic,
    optimal_noisy_critic,
    optimal_realness,
    repeated_points,
    total_variation,
)
from support.closed_forms import OBJECTIVES, P, Q

WITHOUT_CLOSED_FORM = {"wasserstein", "RpHinge", "RaSGAN", "RaHinge"}


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


# Anchors of RealnessGAN, in effect, for five outcomes.
A1 = torch.tensor([0.0, 0.0, 0.202, 0.199, 0.599], dtype=torch.float64)


A0 = torch.tensor([0.739, 0.231, 0.030, 0.0, 0.0], dtype=torch.float64)


@pytest.mark.parametrize("p", [[1 / 3, 1 / 3, 1 / 3], [0.25, 0.5, 0.25]])
def test_hinge_is_searched_to_the_last_digit(p):
    p, q = torch.tensor(p, dtype=torch.float64), torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    loss = best_critic(Hinge(), p, q, points=12)[1]
    assert loss == pytest.approx(2 - 2 * total_variation(p, q).item(), abs=1e-8)


def test_best_realness_mixes_the_anchors():
    found, loss = best_realness(P, Q, A1, A0)
    expected = (P[:, None] * A1 + Q[:, None] * A0) / (P + Q)[:, None]
    assert torch.allclose(optimal_realness(P, Q, A1, A0), expected, rtol=0, atol=1e-12)
    assert torch.allclose(found, expected, atol=1e-6)
    ceiling = 2 * jensen_shannon(A1, A0).item()
    mixed = (torch.outer(P, A1) + torch.outer(Q, A0)) / 2
    middle = torch.outer(P + Q, A1 + A0) / 4
    assert loss - ceiling == pytest.approx(-2 * kl(mixed.flatten(), middle.flatten()).item(), abs=1e-9)
    assert best_realness(P, P, A1, A0)[1] == pytest.approx(ceiling, abs=1e-9)


def test_realness_with_two_outcomes_is_cross_entropy():
    ends = torch.eye(2, dtype=torch.float64)
    found, loss = best_realness(P, Q, ends[1], ends[0])
    assert torch.allclose(found[:, 1], P / (P + Q), atol=1e-6)
    assert loss == pytest.approx(1.159762, abs=1e-6)


def test_the_best_classifier_gives_the_shares():
    models = torch.stack([Q, torch.full((5,), 0.2, dtype=torch.float64)])
    found, _ = best_classifier(P, models)
    assert torch.allclose(optimal_classifier(P, models)[:, -1], P / (P + Q + 0.2), rtol=0, atol=1e-12)
    assert torch.allclose(found, optimal_classifier(P, models), atol=1e-6)


def test_logit_under_noise_is_a_line_from_model_to_data():
    x = torch.linspace(-2, 3, 11, dtype=torch.float64)
    log_ratio = (-x.square() + (x - 1).square()) / (2 * 0.5**2)
    assert torch.allclose(optimal_noisy_critic(x, 1.0, 0.5), log_ratio, rtol=0, atol=1e-12)
    slopes = optimal_noisy_critic(x, 1.0, 0.5).diff() / x.diff()
    assert torch.allclose(slopes, torch.tensor(-4.0, dtype=torch.float64))


def test_linear_turing_game_is_twice_the_relativistic_one():
    scores = torch.randn(2, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    real, fake = scores
    turing = Minimax().critic(real - fake, fake - real)
    assert turing.item() == pytest.approx(2 * Relativistic(logistic).critic(real, fake).item(), abs=1e-12)
