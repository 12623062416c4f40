"""Gradients of generators at given critics, and the divergences that they follow."""

import math

import pytest
import torch

from sparring.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Wasserstein,
)
from sparring.theory import (
    dirac_gradient_field,
    divergence_gradient,
    fit_gaussian,
    gaussian_jensen_shannon,
    gaussian_model_gradient,
    generator_gradient,
    jensen_shannon,
    kl,
    optimal_critic,
    optimal_noisy_critic,
    output_slopes,
    total_variation,
    triangular,
)
from support import closed_forms
from support.closed_forms import P, Q


def test_slopes_at_outputs():
    outputs = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)
    expected = {
        Minimax(): -outputs.sigmoid(),
        NonSaturating(): -(-outputs).sigmoid(),
        LeastSquares(): outputs - 1,
        Hinge(): -torch.ones(3, dtype=torch.float64),
    }
    for objective, slopes in expected.items():
        assert torch.allclose(output_slopes(objective, outputs), slopes, rtol=0, atol=1e-12)


def test_gradients_agree_with_those_through_a_softmax():
    critic = torch.log(P / Q)
    for objective in (Minimax(), NonSaturating(), LeastSquares(), Wasserstein()):
        expected = closed_forms.generator_gradient(objective, critic)
        assert torch.allclose(generator_gradient(objective, critic, Q), expected, rtol=0, atol=1e-12)
    expected = closed_forms.divergence_gradient(lambda q: jensen_shannon(P, q))
    assert torch.allclose(divergence_gradient(lambda q: jensen_shannon(P, q), Q), expected, rtol=0, atol=1e-12)


def test_least_squares_generator_follows_no_chi_square():
    middle = (P + Q) / 2

    def followed(q):
        return kl(P, (P + q) / 2) - triangular(P, q) / 8

    standard = generator_gradient(LeastSquares(), optimal_critic(LeastSquares(), P, Q), Q)
    assert torch.allclose(standard, divergence_gradient(followed, Q), rtol=0, atol=1e-12)
    assert kl(P, middle) > triangular(P, Q) / 8
    pearson = LeastSquares(-1, 1, 0)
    felt = generator_gradient(pearson, optimal_critic(pearson, P, Q), Q)
    claimed = divergence_gradient(lambda q: triangular(P, q) / 2, Q)
    assert (felt - claimed).abs().max() > 0.01
    assert torch.nn.functional.cosine_similarity(felt, claimed, dim=0) < 0.99


def test_hinge_generator_follows_total_variation():
    felt = generator_gradient(Hinge(), torch.sign(P - Q), Q)
    assert torch.allclose(felt, divergence_gradient(lambda q: 2 * total_variation(P, q), Q), rtol=0, atol=1e-12)


@pytest.mark.parametrize("distance", [0.5, 1.0, 3.0])
def test_pull_on_a_gaussian(distance):
    def logit(x):
        return optimal_noisy_critic(x, distance, 1.0)

    step = 1e-4
    twice = 2 * (gaussian_jensen_shannon(distance + step, 1) - gaussian_jensen_shannon(distance - step, 1))
    assert gaussian_model_gradient(Minimax(), logit, distance) == pytest.approx(twice / (2 * step), abs=1e-6)
    # KL(q‖p) = θ²/2: its slope θ is what minus the logit gives, and what both cross-entropies add up to.
    assert gaussian_model_gradient(Wasserstein(), logit, distance) == pytest.approx(distance, abs=1e-9)
    non_saturating = gaussian_model_gradient(NonSaturating(), logit, distance)
    assert non_saturating == pytest.approx(distance - gaussian_model_gradient(Minimax(), logit, distance), abs=1e-9)


def test_gaussian_fitted_forward_takes_mean_and_deviation():
    x = torch.arange(-12, 12, 1 / 32, dtype=torch.float64)
    density = torch.logaddexp(math.log(0.25) - (x + 1).square() / 2, math.log(0.75) - (x - 2).square() / 2)
    density -= math.log(2 * math.pi) / 2
    mean, deviation, _ = fit_gaussian(lambda p, q: p.exp() * (p - q), density, x, (0.0, 1.0))
    assert mean == pytest.approx(0.25 * -1 + 0.75 * 2, abs=1e-6)
    assert deviation**2 == pytest.approx(1 + 0.25 * 0.75 * 3**2, abs=1e-6)


def test_the_critic_learns_to_separate_and_the_model_to_follow():
    down_θ, down_ψ = dirac_gradient_field(Minimax(), torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert down_ψ.item() == pytest.approx(-1 / (1 + math.exp(-0.5)), abs=1e-12)
    assert down_θ.item() == pytest.approx(0.5 / (1 + math.exp(-0.5)), abs=1e-12)
