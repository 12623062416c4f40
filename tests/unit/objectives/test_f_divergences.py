"""The table of f-divergences: every row's parts agree with each other and with the divergence they name."""

import math

import pytest
import torch

from sparring.objectives.f_divergences import DIVERGENCES, FGAN, FGANAlternative, alpha, weighted_jensen_shannon
from sparring.theory import best_critic, f_divergence, jensen_shannon, kl, total_variation, variational_bound
from support.closed_forms import CHANCE, ROWS, VALUES, P, Q, divergence_gradient, generator_gradient

every_row = pytest.mark.parametrize("name", ROWS)


def test_all_rows_of_the_table_are_here():
    assert set(ROWS) == set(VALUES)
    assert all(DIVERGENCES[name].name == name for name in DIVERGENCES)


@every_row
def test_divergence_has_its_reference_value(name):
    assert f_divergence(ROWS[name], P, Q).item() == pytest.approx(VALUES[name], abs=1e-6)


@every_row
def test_maximum_of_the_bound_over_critics_is_the_divergence(name):
    critic, loss = best_critic(FGAN(ROWS[name]), P, Q)
    assert -loss == pytest.approx(VALUES[name], abs=1e-5)
    if name != "total-variation":  # its optimum is infinite
        assert torch.allclose(critic, ROWS[name].optimum(P / Q), atol=1e-5)
    else:
        assert torch.equal(torch.sign(critic), torch.sign(P - Q))


@every_row
def test_bound_holds_for_any_critic_and_is_attained_at_the_optimum(name):
    row = ROWS[name]
    optimum = row.optimum(P / Q)
    assert variational_bound(row, optimum, P, Q).item() == pytest.approx(VALUES[name], abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    for scale in (0.1, 1.0, 3.0):
        critic = optimum.clamp(-5, 5) + scale * torch.randn(5, generator=generator, dtype=torch.float64)
        assert variational_bound(row, critic, P, Q) < f_divergence(row, P, Q)


@every_row
def test_composite_is_the_conjugate_after_the_activation(name):
    row = ROWS[name]
    v = torch.linspace(-4, 4, 81, dtype=torch.float64)
    assert torch.allclose(row.composite(v), row.conjugate(row.activation(v)), rtol=1e-9, atol=1e-9)


@every_row
def test_conjugate_is_the_largest_gap_between_a_line_and_f(name):
    row = ROWS[name]
    u = torch.logspace(-8, 4, 120001, dtype=torch.float64)
    t = row.activation(torch.linspace(-1.5, 1.5, 7, dtype=torch.float64))
    largest = (t[:, None] * u - row.f(u)).max(1).values
    assert torch.allclose(row.conjugate(t), largest, rtol=1e-6, atol=1e-6)


@every_row
def test_activation_is_increasing(name):
    v = torch.linspace(-6, 6, 241, dtype=torch.float64)
    assert (ROWS[name].activation(v).diff() > 0).all()


@every_row
def test_threshold_is_the_derivative_of_f_where_data_and_model_agree(name):
    one = torch.ones((), dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(ROWS[name].f(one), one)
    assert ROWS[name].threshold == pytest.approx(derivative.item(), abs=1e-12)
    undecided = ROWS[name].optimum(one.detach().reshape(1))
    assert ROWS[name].activation(undecided).item() == pytest.approx(ROWS[name].threshold, abs=1e-12)


@every_row
def test_composite_has_the_derivative_it_should(name):
    v = torch.linspace(-3.1, 2.9, 13, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ROWS[name].composite, v)
    assert torch.autograd.gradcheck(ROWS[name].activation, v)


@every_row
def test_far_out_in_single_precision_values_are_finite_and_rise(name):
    row = ROWS[name]
    v = torch.tensor([-1e3, -100.0, -40.0, 0.0, 40.0, 100.0, 1e3], requires_grad=True)
    for function in (row.composite, row.activation):
        values = function(v)
        (slopes,) = torch.autograd.grad(values.sum(), v)
        assert values.isfinite().all()
        assert slopes.isfinite().all()
    assert (row.activation(v).diff() >= 0).all()


@pytest.mark.parametrize("name", sorted(set(ROWS) - {"total-variation", "neyman", "alpha(-1)"}))
def test_a_fake_taken_for_real_is_never_without_slope(name):
    """Where f* has no bound, the critic feels its own excess however far out it is; three rows have a bound."""
    v = torch.tensor([19.0, 25.0, 40.0, 100.0, 1e3], requires_grad=True)
    (slopes,) = torch.autograd.grad(ROWS[name].composite(v).sum(), v)
    assert (slopes > 0.5).all()


def test_exponentials_go_on_as_their_tangent_beyond_twenty():
    v = torch.tensor([20.5, 21.0, 31.0], dtype=torch.float64, requires_grad=True)
    values = DIVERGENCES["kl"].composite(v)
    (slopes,) = torch.autograd.grad(values.sum(), v)
    assert values[0].item() == pytest.approx(math.exp(19.5))
    assert values[2].item() == pytest.approx(math.exp(20) * 11)
    assert slopes[2].item() == pytest.approx(math.exp(20))


def test_jeffrey_solves_its_equation_from_end_to_end():
    jeffrey = DIVERGENCES["jeffrey"]
    w = torch.tensor([1e-8, 1e-3, 0.2, 1.0, 1.2, 7.0, 900.0], dtype=torch.float64)
    v = 1 - w - torch.log(w)
    assert torch.allclose(jeffrey.composite(v), w + 1 / w + v - 2, rtol=1e-9)


def test_saturating_generator_follows_the_named_divergence():
    for name, row in ROWS.items():
        if name != "total-variation":
            expected = divergence_gradient(lambda q, row=row: f_divergence(row, P, q))
            measured = generator_gradient(FGAN(row), row.optimum(P / Q))
            assert torch.allclose(measured, expected, rtol=0, atol=1e-12), name


def test_alternative_generator_follows_another_divergence():
    optimum = {name: DIVERGENCES[name].optimum(P / Q) for name in ("kl", "reverse-kl")}
    for_kl = generator_gradient(FGANAlternative(DIVERGENCES["kl"]), optimum["kl"])
    assert torch.allclose(for_kl, divergence_gradient(lambda q: kl(q, P)), rtol=0, atol=1e-12)
    for_reverse = generator_gradient(FGANAlternative(DIVERGENCES["reverse-kl"]), optimum["reverse-kl"])
    half_pearson = divergence_gradient(lambda q: ((q - P).square() / P).sum() / 2)
    assert torch.allclose(for_reverse, half_pearson, rtol=0, atol=1e-12)


def test_the_two_generators_share_their_critic():
    for row in ROWS.values():
        assert torch.equal(FGAN(row).critic(P, Q), FGANAlternative(row).critic(P, Q))


def test_parametrised_rows_meet_the_named_ones():
    def value(row):
        return f_divergence(row, P, Q).item()

    assert value(weighted_jensen_shannon(0.5)) == pytest.approx(jensen_shannon(P, Q).item(), abs=1e-12)
    assert value(DIVERGENCES["jensen-shannon"]) == pytest.approx(2 * jensen_shannon(P, Q).item(), abs=1e-12)
    assert value(DIVERGENCES["gan"]) == pytest.approx(2 * jensen_shannon(P, Q).item() - math.log(4), abs=1e-12)
    assert value(DIVERGENCES["total-variation"]) == pytest.approx(total_variation(P, Q).item(), abs=1e-12)
    assert value(DIVERGENCES["jeffrey"]) == pytest.approx((kl(P, Q) + kl(Q, P)).item(), abs=1e-12)
    assert value(alpha(2)) == pytest.approx(value(DIVERGENCES["pearson"]) / 2, abs=1e-12)
    assert value(alpha(-1)) == pytest.approx(value(DIVERGENCES["neyman"]) / 2, abs=1e-12)
    assert value(alpha(0.5)) == pytest.approx(2 * value(DIVERGENCES["squared-hellinger"]), abs=1e-12)
    assert value(alpha(1.0001)) == pytest.approx(value(DIVERGENCES["kl"]), abs=1e-3)
    assert value(alpha(0.0001)) == pytest.approx(value(DIVERGENCES["reverse-kl"]), abs=1e-3)


def test_every_divergence_is_least_where_the_model_is_the_data():
    for row in ROWS.values():
        assert f_divergence(row, P, P) <= f_divergence(row, P, Q)
        assert f_divergence(row, P, P) <= f_divergence(row, CHANCE, P)


def test_parameters_out_of_range_are_refused():
    for order in (0, 1):
        with pytest.raises(ValueError, match="is a limit"):
            alpha(order)
    for weight in (0, 1, 1.5):
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            weighted_jensen_shannon(weight)
