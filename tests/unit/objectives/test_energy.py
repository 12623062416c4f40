"""Energy-based GANs: margins against closed forms, the pulling-away term, the game, its autoencoders."""

import math

import pytest
import torch

from sparring.objectives.energy import margin_loss, pulling_away, reconstruction_error
from sparring.theory import repeated_points, total_variation
from support.closed_forms import P, Q


def best_energies(p, q, margin):
    """The energies at least 0 that minimise the shipped loss, by projected descent with shrinking steps."""
    real, fake = repeated_points(p, 20), repeated_points(q, 20)
    energies = torch.full((len(p),), margin / 3, dtype=torch.float64)
    for step in range(600):
        energies.requires_grad_()
        (slope,) = torch.autograd.grad(margin_loss(energies[real], energies[fake], margin), energies)
        energies = (energies.detach() - 0.97**step * margin * slope).clamp(min=0)
    return energies, margin_loss(energies[real], energies[fake], margin).item()


@pytest.mark.parametrize("margin", [1.0, 10.0])
def test_the_best_energy_is_nothing_on_data_and_the_margin_elsewhere(margin):
    energies, least = best_energies(P, Q, margin)
    assert energies.tolist() == pytest.approx([margin, 0, 0, 0, margin], abs=1e-6 * margin)
    assert least == pytest.approx(0.55 * margin, abs=1e-6 * margin)
    assert least == pytest.approx(margin * (1 - total_variation(P, Q).item()), abs=1e-6 * margin)


def test_at_the_nash_equilibrium_the_loss_is_the_margin():
    _, least = best_energies(P, P, 4.0)
    assert least == pytest.approx(4.0)
    for level in (0.0, 1.7, 4.0):  # every constant up to the margin is as good
        assert margin_loss(torch.full((6,), level), torch.full((6,), level), 4.0).item() == pytest.approx(4.0)


def test_every_sample_has_a_hinge_of_its_own():
    """A hinge of the mean would find [0, 9] beyond a margin of 4."""
    real = torch.tensor([1.0, 3.0], requires_grad=True)
    fake = torch.tensor([0.0, 9.0], requires_grad=True)
    loss = margin_loss(real, fake, 4.0)
    loss.backward()
    assert loss.item() == 4.0
    assert real.grad.tolist() == [0.5, 0.5]
    assert fake.grad.tolist() == [-0.5, 0.0]


def test_a_margin_is_positive():
    with pytest.raises(ValueError, match="positive"):
        margin_loss(torch.ones(2), torch.ones(2), 0.0)


def test_the_energy_is_the_norm_of_each_sample_and_both_sides_feel_it():
    made = torch.zeros(2, 1, 2, 2, requires_grad=True)
    x = torch.tensor([[[[2.0, 2.0], [2.0, 2.0]]], [[[0.0, 3.0], [4.0, 0.0]]]], requires_grad=True)
    energies = reconstruction_error(made, x)
    assert energies.tolist() == [4.0, 5.0]
    energies.sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx([0.5] * 4 + [0, 0.6, 0.8, 0])
    assert torch.equal(made.grad, -x.grad)


def test_the_slope_of_a_perfect_reconstruction_is_finite():
    x = torch.ones(2, 3, requires_grad=True)
    reconstruction_error(x * 1.0, x.detach()).sum().backward()
    assert x.grad.tolist() == [[0.0] * 3] * 2
    with pytest.raises(ValueError, match="shape"):
        reconstruction_error(torch.ones(2, 3), torch.ones(2, 1))


def test_pulling_away_is_0_for_orthogonal_and_1_for_parallel_codes():
    assert pulling_away(torch.eye(5, dtype=torch.float64)[:4] * 3).item() == 0
    assert pulling_away(torch.randn(1, 7, dtype=torch.float64).expand(6, 7)).item() == pytest.approx(1)


def test_pulling_away_is_the_mean_squared_cosine():
    torch.manual_seed(0)
    codes = torch.randn(8, 5, dtype=torch.float64)
    value = pulling_away(codes).item()
    signs = torch.tensor([1, -1, 1, -1, -1, 1, -1, 1], dtype=torch.float64)[:, None]
    assert pulling_away(signs * codes).item() == pytest.approx(value)
    assert pulling_away(codes * torch.rand(8, 1, dtype=torch.float64) * 9).item() == pytest.approx(value)
    pairs = [(a, b) for a in range(8) for b in range(8) if a != b]
    cosines = [torch.cosine_similarity(codes[a], codes[b], dim=0).item() for a, b in pairs]
    assert value == pytest.approx(sum(c * c for c in cosines) / (8 * 7))
    half = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])  # cosine 1/2
    assert pulling_away(half).item() == pytest.approx(0.25)


def test_pulling_away_reads_maps_ignores_dead_codes_and_needs_company():
    codes = torch.randn(4, 3, 2, 2)
    assert torch.equal(pulling_away(codes), pulling_away(codes.flatten(1)))
    dead = torch.zeros(3, 4, requires_grad=True)
    pulling_away(dead).backward()
    assert torch.isfinite(dead.grad).all()
    with pytest.raises(ValueError, match="two samples"):
        pulling_away(torch.ones(1, 4))
