"""Penalties: their values on critics with known slopes, what they differentiate, and weight clipping."""

import math

import pytest
import torch
from torch import nn

from sparring.objectives import Minimax, Wasserstein
from sparring.objectives.penalties import clip, dragan, full_precision, gradient_penalty, orthogonal_penalty, r1, r2
from sparring.theory import dirac_eigenvalues, penalised_slope, wasserstein1
from support.closed_forms import P, Q

IMAGES = (6, 3, 4, 4)


def double(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Linear:
    """The critic C(x) = ⟨a, x⟩, which records its inputs."""

    def __init__(self, a):
        self.a = a

    def __call__(self, x):
        self.x = x.detach()
        return (x * self.a).flatten(1).sum(1)


def smooth_critic():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def norm_five():
    a = double(3, 4, 4)
    return 5 * a / a.norm()


@pytest.mark.parametrize(
    "penalty",
    [lambda C: gradient_penalty(C, double(*IMAGES), double(*IMAGES, seed=1)), lambda C: dragan(C, double(*IMAGES))],
)
def test_the_penalty_of_a_linear_critic_of_slope_five_is_160(penalty):
    assert 10 * penalty(Linear(norm_five())).item() == pytest.approx(160, abs=1e-9)


def test_penalty_counts_from_its_target_on_both_sides():
    for target, expected in ((0.0, 25.0), (3.0, 4.0), (5.0, 0.0), (6.0, 1.0)):
        value = gradient_penalty(Linear(norm_five()), double(*IMAGES), double(*IMAGES, seed=1), target=target)
        assert value.item() == pytest.approx(expected, abs=1e-9)


def test_penalty_is_the_mean_of_the_samples_not_the_penalty_of_their_mean():
    # C = ½|x|² has the slope |x|: at 2 and 4 the penalty is (1 + 9)/2.
    x = torch.tensor([[2.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
    value = gradient_penalty(lambda x: x.square().sum(1) / 2, x, x)
    assert value.item() == pytest.approx(5.0, abs=1e-9)


def test_each_sample_lies_at_one_place_between_its_real_and_its_fake():
    critic, real, fake = Linear(norm_five()), double(*IMAGES), double(*IMAGES, seed=1)
    gradient_penalty(critic, real, fake)
    shares = ((critic.x - fake) / (real - fake)).flatten(1)
    assert (shares.std(1) < 1e-9).all(), "one share per sample, over all its dimensions"
    assert shares[:, 0].unique().numel() == len(real), "another one for every sample"
    assert ((shares > 0) & (shares < 1)).all()
    mix = torch.linspace(0, 1, 6, dtype=torch.float64)
    gradient_penalty(critic, real, fake, mix=mix)
    assert torch.equal(critic.x[0], fake[0])
    assert torch.equal(critic.x[5], real[5])
    assert torch.allclose(critic.x[2], 0.4 * real[2] + 0.6 * fake[2])


def test_shapes_must_match():
    with pytest.raises(ValueError, match="draw as many fakes as reals"):
        gradient_penalty(Linear(norm_five()), double(*IMAGES), double(5, 3, 4, 4))


def test_noise_around_the_data_stays_within_its_reach():
    critic, real = Linear(torch.ones(400, dtype=torch.float64)), 3 * double(200, 400)
    dragan(critic, real, spread=0.5)
    moved = (critic.x - real) / real.std()
    assert moved.min() >= 0
    assert moved.max() < 0.5
    reach = 2 * moved.mean(1) / 0.5  # each sample's α, from the mean of its uniform noise
    assert reach.min() < 0.1
    assert reach.max() > 0.9
    assert reach.mean().item() == pytest.approx(0.5, abs=0.1)
    assert (moved.std(1) > 0.2 * moved.mean(1)).all(), "noise differs between the coordinates"


@pytest.mark.parametrize("penalty", [r1, r2])
def test_squared_slopes_are_summed_over_a_sample_and_averaged_over_the_batch(penalty):
    assert penalty(Linear(norm_five()), double(*IMAGES)).item() == pytest.approx(25, abs=1e-9)
    x = double(*IMAGES)
    value = penalty(lambda x: x.square().flatten(1).sum(1) / 2, x)
    assert value.item() == pytest.approx(x.square().flatten(1).sum(1).mean().item(), abs=1e-9)


def test_many_outputs_are_added_up():
    a, b = double(4), double(4, seed=1)
    value = r1(lambda x: torch.stack([x @ a, x @ b], 1), double(6, 4, seed=2))
    assert value.item() == pytest.approx((a + b).square().sum().item(), abs=1e-9)


def penalties(critic, real, fake):
    mix = torch.linspace(0.1, 0.9, len(real), dtype=torch.float64)
    yield lambda: gradient_penalty(critic, real, fake, mix=mix)
    yield lambda: r1(critic, real)
    yield lambda: r2(critic, fake)
    yield lambda: torch.manual_seed(0) and dragan(critic, real)


def test_double_backward_agrees_with_finite_differences():
    critic = smooth_critic()
    weight = critic[0].weight
    for penalty in penalties(critic, double(4, 3), double(4, 3, seed=1)):
        (gradient,) = torch.autograd.grad(penalty(), weight)
        with torch.no_grad():
            direction = double(5, 3, seed=2)
            step = 1e-5 * direction
            weight += step
            above = penalty().item()
            weight -= 2 * step
            below = penalty().item()
            weight += step
        assert (gradient * direction).sum().item() == pytest.approx((above - below) / 2e-5, rel=1e-6)


def test_gradient_is_finite_where_the_slope_is_exactly_zero():
    critic = nn.Linear(3, 1)
    nn.init.zeros_(critic.weight)
    for penalty in penalties(critic, torch.randn(4, 3), torch.randn(4, 3)):
        (gradient,) = torch.autograd.grad(penalty(), critic.weight)
        assert gradient.isfinite().all()


def test_penalties_ignore_the_graph_of_the_samples():
    real, fake = double(4, 3).requires_grad_(), double(4, 3, seed=1).requires_grad_()
    for penalty in penalties(smooth_critic(), real, fake):
        gradients = torch.autograd.grad(penalty(), (real, fake), allow_unused=True)
        assert gradients == (None, None)


def test_penalties_run_in_full_precision_under_autocast():
    critic = smooth_critic().float()
    real, fake = torch.randn(4, 3), torch.randn(4, 3)
    for penalty in penalties(critic, real, fake):
        expected = penalty()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert critic(real).dtype == torch.bfloat16
            value = penalty()
        assert value.dtype == torch.float32
        assert torch.equal(value, expected)
    half = r1(critic, real.bfloat16())
    assert half.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16), full_precision(real):
        assert critic(real).dtype == torch.float32


def test_penalised_slope_exceeds_one():
    slope = torch.ones(1, dtype=torch.float64, requires_grad=True)
    real, fake = torch.full((1, 1), 2.0, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    optimizer = torch.optim.SGD([slope], lr=0.02)

    def critic(x):
        return x @ slope

    for _ in range(200):
        loss = Wasserstein().critic(critic(real), critic(fake)) + 10 * gradient_penalty(critic, real, fake)
        (slope.grad,) = torch.autograd.grad(loss, slope)
        optimizer.step()
    assert slope.item() == pytest.approx(1.1, abs=1e-9)
    assert slope.item() == pytest.approx(penalised_slope(distance=2, penalty=10), abs=1e-9)
    assert -loss.item() == pytest.approx(2.1, abs=1e-9)


def test_clipping_keeps_every_parameter_in_the_box():
    module = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.LayerNorm(8), nn.Linear(8, 1))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
    before = {name: parameter.clone() for name, parameter in module.named_parameters()}
    clip(module, 0.3)
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, before[name].clip(-0.3, 0.3)), name
        assert parameter.requires_grad
    with pytest.raises(ValueError, match="must be positive"):
        clip(module, 0.0)


def test_clipped_linear_critic_finds_the_signs_of_the_difference_of_means():
    real, fake = double(64, 4) + torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64), double(64, 4, seed=1)
    critic = nn.Linear(4, 1).double()
    optimizer = torch.optim.RMSprop(critic.parameters(), lr=0.01)
    for _ in range(50):
        optimizer.zero_grad()
        torch.autograd.backward(Wasserstein().critic(critic(real), critic(fake)))
        optimizer.step()
        clip(critic, 0.1)
    difference = real.mean(0) - fake.mean(0)
    assert torch.allclose(critic.weight[0], 0.1 * difference.sign(), atol=1e-12)
    value = -Wasserstein().critic(critic(real), critic(fake)).item()
    assert value == pytest.approx(0.1 * difference.abs().sum().item(), abs=1e-9)


def test_best_lipschitz_critic_measures_the_distance_of_the_pair():
    # On a line the best 1-Lipschitz critic steps down where the model lags behind, and up elsewhere.
    steps = -torch.sign((P - Q).cumsum(0)[:-1])
    critic = torch.cat([torch.zeros(1, dtype=torch.float64), steps.cumsum(0)])
    value = (P @ critic - Q @ critic).item()
    assert value == pytest.approx(0.6, abs=1e-12)
    assert wasserstein1(P, Q).item() == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        (0.0, (0.5j, -0.5j)),
        (0.5, (-0.25 + 0.433013j, -0.25 - 0.433013j)),
        (1.0, (-0.5, -0.5)),
        (4.0, (-0.063508, -3.936492)),
    ],
)
def test_squared_slopes_damp_the_dirac_game(gamma, expected):
    objective, zero = Minimax(), torch.zeros(1, dtype=torch.float64)

    def field(players):
        """Descent of both players: data at 0, model at θ, critic ψx, penalty γ/2 E‖∇C‖²."""
        θ, ψ = players[:1], players[1:]
        critic_loss = objective.critic(ψ * zero, ψ * θ) + gamma / 2 * r1(lambda x: x @ ψ[:, None], zero[None])
        generator_loss = objective.generator(ψ * θ)
        (down_ψ,) = torch.autograd.grad(-critic_loss, ψ, create_graph=True)
        (down_θ,) = torch.autograd.grad(-generator_loss, θ, create_graph=True)
        return torch.cat([down_θ, down_ψ])

    jacobian = torch.autograd.functional.jacobian(field, torch.zeros(2, dtype=torch.float64))
    measured = sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda z: (-z.real, -z.imag))
    assert measured == pytest.approx(list(expected), abs=1e-6)
    assert list(dirac_eigenvalues(gamma)) == pytest.approx(list(expected), abs=1e-6)
    assert math.isclose(sum(measured).real, -gamma, abs_tol=1e-9)


def test_orthogonal_penalty_by_hand_counts_pairs_of_rows_twice_and_lengths_not_at_all():
    orthogonal = torch.tensor([[3.0, 0.0], [0.0, 5.0]])
    alike = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.0, 1.0]])  # products 1, 2, -1
    assert orthogonal_penalty([orthogonal]).item() == 0
    assert orthogonal_penalty([orthogonal, alike]).item() == 2 * (1 + 4 + 1)
    assert orthogonal_penalty([alike.reshape(3, 2, 1, 1)]).item() == 12, "filters are rows"


def test_gradient_of_the_orthogonal_penalty_is_four_times_the_products_times_the_weights():
    weight = double(4, 2, 3, 3).requires_grad_()
    rows = weight.detach().flatten(1)
    (gradient,) = torch.autograd.grad(orthogonal_penalty([weight]), weight)
    apart = (rows @ rows.T) * (1 - torch.eye(4, dtype=torch.float64))
    assert torch.allclose(gradient.flatten(1), 4 * apart @ rows)
    assert torch.autograd.gradcheck(lambda w: orthogonal_penalty([w]), weight)


def test_orthogonal_penalty_stays_in_full_precision_under_autocast():
    weight = double(8, 16).float()
    with torch.autocast("cpu", torch.bfloat16):
        value = orthogonal_penalty([weight])
    assert value.item() == pytest.approx(orthogonal_penalty([weight]).item(), rel=1e-6)
