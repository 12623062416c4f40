"""Theory: divergences of known distributions, optimal critics in closed form and by search."""

import math

import pytest
import torch

from sparring.game import LatentGame, Move
from sparring.games.gan import GAN
from sparring.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    hinged,
    logistic,
    squared,
)
from sparring.objectives.penalties import r1
from sparring.theory import (
    alternating,
    best_classifier,
    best_critic,
    best_realness,
    dirac_eigenvalues,
    dirac_gradient_field,
    divergence_gradient,
    fit_gaussian,
    gaussian_jensen_shannon,
    gaussian_model_gradient,
    generator_gradient,
    historical_averaging,
    jensen_shannon,
    kl,
    minimize_convex,
    minimize_smooth,
    optimal_classifier,
    optimal_critic,
    optimal_noisy_critic,
    optimal_realness,
    ordered_pairs,
    output_slopes,
    penalised_slope,
    repeated_points,
    simultaneous,
    spectral_radius,
    total_variation,
    trajectory,
    triangular,
    wasserstein1,
    wasserstein1_samples,
)
from sparring.training.trainer import train
from support import closed_forms
from support.closed_forms import OBJECTIVES, P, Q

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


# Anchors of RealnessGAN, in effect, for five outcomes.
A1 = torch.tensor([0.0, 0.0, 0.202, 0.199, 0.599], dtype=torch.float64)
A0 = torch.tensor([0.739, 0.231, 0.030, 0.0, 0.0], dtype=torch.float64)


def test_triangular_discrimination():
    assert triangular(P, Q).item() == pytest.approx(0.430303, abs=1e-6)
    assert triangular(P, Q).item() == pytest.approx(triangular(Q, P).item(), abs=1e-12)
    assert triangular(P, P) == 0


def test_both_orders_are_each_others_mirror():
    both, swapped = (table.reshape(5, 5) for table in ordered_pairs(P, Q))
    assert both[1, 4].item() == pytest.approx(0.20 * 0.40)
    assert torch.equal(both.T, swapped)
    assert math.log(2) - jensen_shannon(*ordered_pairs(P, Q)).item() == pytest.approx(0.490074, abs=1e-6)


def test_descent_and_search_find_minima():
    assert torch.allclose(minimize_smooth(lambda x: (x - 3).square().sum(), torch.zeros(2)), torch.tensor(3.0).double())
    corner = torch.tensor([1.5, -2.0, 0.25], dtype=torch.float64)
    weights = torch.tensor([1 / 3, 1e-2, 5.0])
    kinked = minimize_convex(lambda x: (weights * (x - corner).abs()).sum(), torch.zeros(3))
    assert torch.allclose(kinked, corner, atol=1e-6)


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


class Model(torch.nn.Module):
    """G(z) = θ."""

    latent = 1

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, z):
        return self.value + 0 * z


class Slope(Model):
    """D(x) = ψx."""

    def forward(self, x):
        return (self.value * x)[:, 0]


class Dirac(LatentGame):
    """Both players at once, D under R1."""

    gamma = 0.0

    def round(self, data, step):
        x, *_ = next(data)
        fake = self.G(self.noise(len(x)))
        yield (
            Move("D", game=Minimax().critic(self.D(x), self.D(fake.detach())), slope=self.gamma / 2 * r1(self.D, x)),
            Move("G", game=Minimax().generator(self.D(fake))),
        )


def played(game, steps):
    origin = iter(lambda: (torch.zeros(1, 1, dtype=torch.float64),), None)
    for _ in train(game, origin, steps=steps):
        pass
    return [game.G.value.item(), game.D.value.item()]


def test_steps_are_those_of_the_games_that_train_images():
    learn = dict.fromkeys(("critic", "generator"), lambda network: torch.optim.SGD(network.parameters(), lr=0.2))
    assert played(GAN(Model(), Slope(), Minimax(), **learn), 25) == pytest.approx(
        trajectory(alternating(Minimax(), 0.2), (1.0, 1.0), 25)[-1].tolist(), abs=1e-9
    )
    for gamma in (0.0, 1.0):
        game = Dirac(Model(), Slope(), **learn)
        game.gamma = gamma
        expected = trajectory(simultaneous(Minimax(), 0.2, gamma), (1.0, 1.0), 25)[-1].tolist()
        assert played(game, 25) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 4.0])
def test_factors_of_a_step_come_from_the_eigenvalues(gamma):
    rate = 0.2
    largest = max(abs(1 + rate * value) for value in dirac_eigenvalues(gamma))
    assert spectral_radius(simultaneous(Minimax(), rate, gamma)) == pytest.approx(largest, abs=1e-6)
    # D first: ψ' = (1 − hγ)ψ − (h/2)θ, then θ' = θ + (h/2)ψ'.
    one = torch.tensor([[1, 0], [-rate / 2, 1 - rate * gamma]], dtype=torch.float64)
    two = torch.tensor([[1, rate / 2], [0, 1]], dtype=torch.float64)
    largest = torch.linalg.eigvals(two @ one).abs().max().item()
    assert spectral_radius(alternating(Minimax(), rate, gamma)) == pytest.approx(largest, abs=1e-6)


def test_jacobian_of_the_dirac_game():
    def field(state):
        return torch.cat(dirac_gradient_field(Minimax(), state, 3.0))

    jacobian = torch.autograd.functional.jacobian(field, torch.zeros(2, dtype=torch.float64))
    assert torch.allclose(jacobian, torch.tensor([[0, 0.5], [-0.5, -3]], dtype=torch.float64), atol=1e-9)


def test_linear_turing_game_is_twice_the_relativistic_one():
    scores = torch.randn(2, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    real, fake = scores
    turing = Minimax().critic(real - fake, fake - real)
    assert turing.item() == pytest.approx(2 * Relativistic(logistic).critic(real, fake).item(), abs=1e-12)


def test_the_critic_learns_to_separate_and_the_model_to_follow():
    down_θ, down_ψ = dirac_gradient_field(Minimax(), torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert down_ψ.item() == pytest.approx(-1 / (1 + math.exp(-0.5)), abs=1e-12)
    assert down_θ.item() == pytest.approx(0.5 / (1 + math.exp(-0.5)), abs=1e-12)


@pytest.mark.parametrize(("weight", "distance"), [(0.0, 2533), (0.1, 0.0015), (0.5, 0.091), (1.0, 0.47)])
def test_historical_averaging_breaks_the_spiral(weight, distance):
    way = historical_averaging(weight)
    assert len(way) == 6001
    assert way[0] == pytest.approx(math.sqrt(2))
    assert way[-1] == pytest.approx(distance, rel=0.05 if weight == 0.1 else 0.005)
