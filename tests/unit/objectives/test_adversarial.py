"""Objectives: their formulas, optima, equilibria, gradients and symmetries."""

import math
import subprocess
import sys
import textwrap

import pytest
import torch

from sparring.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Objective,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    hinged,
    logistic,
    squared,
)
from sparring.theory import best_critic, jensen_shannon, kl, total_variation
from support.closed_forms import OBJECTIVES, RELATIVISTIC, P, Q, divergence_gradient, generator_gradient

every_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
every_relativistic = pytest.mark.parametrize("objective", RELATIVISTIC.values(), ids=RELATIVISTIC)
REAL = torch.tensor([2.0, -0.5, 0.25, 1.125], dtype=torch.float64)
FAKE = torch.tensor([-1.25, 0.75, 0.5, -3.2], dtype=torch.float64)


def sp(t):
    return math.log1p(math.exp(t))


def log_sigmoid(t):
    return -sp(-t)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


R, F = REAL.tolist(), FAKE.tolist()
R_MEAN, F_MEAN = mean(R), mean(F)
BCE = -mean(log_sigmoid(r) for r in R) - mean(log_sigmoid(-f) for f in F)
WRITTEN_OUT = {
    "minimax": (Minimax(), BCE, mean(log_sigmoid(-f) for f in F)),
    "non-saturating": (NonSaturating(), BCE, -mean(log_sigmoid(f) for f in F)),
    "smoothed": (
        NonSaturating(0.9, 0.2),
        -mean(0.9 * log_sigmoid(r) + 0.1 * log_sigmoid(-r) for r in R)
        - mean(0.2 * log_sigmoid(f) + 0.8 * log_sigmoid(-f) for f in F),
        -mean(log_sigmoid(f) for f in F),
    ),
    "least squares": (
        LeastSquares(-2, 3, 0.5),
        mean((r - 3) ** 2 for r in R) / 2 + mean((f + 2) ** 2 for f in F) / 2,
        mean((f - 0.5) ** 2 for f in F) / 2,
    ),
    "hinge": (Hinge(), mean(max(0, 1 - r) for r in R) + mean(max(0, 1 + f) for f in F), -F_MEAN),
    "wasserstein": (Wasserstein(), F_MEAN - R_MEAN, -F_MEAN),
    "RSGAN": (
        Relativistic(logistic),
        mean(sp(f - r) for r, f in zip(R, F, strict=True)),
        mean(sp(r - f) for r, f in zip(R, F, strict=True)),
    ),
    "RaLSGAN": (
        RelativisticAverage(squared),
        mean((r - F_MEAN - 1) ** 2 for r in R) + mean((f - R_MEAN + 1) ** 2 for f in F),
        mean((f - R_MEAN - 1) ** 2 for f in F) + mean((r - F_MEAN + 1) ** 2 for r in R),
    ),
    "RaHinge": (
        RelativisticAverage(hinged),
        mean(max(0, 1 - (r - F_MEAN)) for r in R) + mean(max(0, 1 + (f - R_MEAN)) for f in F),
        mean(max(0, 1 - (f - R_MEAN)) for f in F) + mean(max(0, 1 + (r - F_MEAN)) for r in R),
    ),
    "RaSGAN": (
        RelativisticAverage(logistic),
        mean(sp(F_MEAN - r) for r in R) + mean(sp(f - R_MEAN) for f in F),
        mean(sp(r - F_MEAN) for r in R) + mean(sp(R_MEAN - f) for f in F),
    ),
}


@pytest.mark.parametrize(("objective", "critic", "generator"), WRITTEN_OUT.values(), ids=WRITTEN_OUT)
def test_the_losses_are_the_papers_formulas(objective, critic, generator):
    assert objective.critic(REAL, FAKE).item() == pytest.approx(critic, abs=1e-12)
    assert objective.generator(FAKE, REAL).item() == pytest.approx(generator, abs=1e-12)


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating()])
def test_the_best_cross_entropy_critic_is_the_share_of_real(objective):
    critic, loss = best_critic(objective, P, Q)
    assert torch.allclose(critic.sigmoid(), P / (P + Q), atol=1e-5)
    assert loss == pytest.approx(1.159762, abs=1e-6)
    assert loss == pytest.approx(2 * math.log(2) - 2 * jensen_shannon(P, Q).item(), abs=1e-9)
    assert best_critic(objective, P, P)[1] == pytest.approx(1.386294, abs=1e-6)


def test_non_saturating_generator_follows_reverse_kl_minus_twice_jensen_shannon():
    optimal = torch.log(P / Q)
    expected = divergence_gradient(lambda q: kl(q, P) - 2 * jensen_shannon(P, q))
    assert torch.allclose(generator_gradient(NonSaturating(), optimal), expected, rtol=0, atol=1e-12)


def test_minimax_generator_follows_twice_jensen_shannon():
    optimal = torch.log(P / Q)
    expected = divergence_gradient(lambda q: 2 * jensen_shannon(P, q))
    assert torch.allclose(generator_gradient(Minimax(), optimal), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("objective", [Wasserstein(), Hinge()])
def test_minus_the_logit_of_a_cross_entropy_critic_follows_reverse_kl(objective):
    optimal = torch.log(P / Q)
    expected = divergence_gradient(lambda q: kl(q, P))
    assert torch.allclose(generator_gradient(objective, optimal), expected, rtol=0, atol=1e-12)


def test_generators_of_one_critic_pull_the_same_way_with_their_own_strength():
    logits = torch.tensor([-6.0, -1.0, 0.0, 2.0, 9.0], dtype=torch.float64, requires_grad=True)
    (non_saturating,) = torch.autograd.grad(NonSaturating().generator(logits), logits)
    (minimax,) = torch.autograd.grad(Minimax().generator(logits), logits)
    assert torch.allclose(5 * non_saturating, -torch.sigmoid(-logits), rtol=0, atol=1e-12)
    assert torch.allclose(5 * minimax, -torch.sigmoid(logits), rtol=0, atol=1e-12)


def test_one_sided_smoothing_caps_the_critic():
    critic, _ = best_critic(NonSaturating(smoothing=0.9), P, Q)
    expected = torch.tensor([0.225, 0.6, 0.6, 0.75, 0.245455], dtype=torch.float64)
    assert torch.allclose(critic.sigmoid(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("coding", "twice_generator"), [(LeastSquares(0, 1, 1), 0.607576), (LeastSquares(-1, 1, 0), 0.430303)]
)
def test_least_squares_codings_of_which_the_second_is_a_pearson_divergence(coding, twice_generator):
    critic, _ = best_critic(coding, P, Q)
    assert torch.allclose(critic, (coding.b * P + coding.a * Q) / (P + Q), atol=1e-5)
    # 2C(G) of the paper's equation 8: the generator's loss with its constant term over the data kept.
    cost = 2 * sum(weight * coding.generator(output.reshape(1)) for weight, output in zip(P + Q, critic, strict=True))
    assert cost.item() == pytest.approx(twice_generator, abs=1e-5)
    pearson = ((2 * Q - (P + Q)).square() / (P + Q)).sum().item()
    assert (abs(cost.item() - pearson) < 1e-5) is (coding.a == -1)


def test_best_hinge_critic_is_the_sign():
    critic, loss = best_critic(Hinge(), P, Q)
    assert torch.allclose(critic, torch.sign(P - Q), atol=1e-5)
    assert loss == pytest.approx(1.10, abs=1e-6)
    assert loss == pytest.approx(2 * (1 - total_variation(P, Q).item()), abs=1e-6)
    assert (P @ critic - Q @ critic).item() == pytest.approx(0.9, abs=1e-5)


def test_best_paired_critic_is_the_log_ratio_up_to_a_constant():
    critic, loss = best_critic(Relativistic(logistic), P, Q)
    ratio = torch.log(P / Q)
    assert torch.allclose(critic - critic[0], ratio - ratio[0], atol=1e-5)
    assert loss == pytest.approx(0.490074, abs=1e-6)
    joint, swapped = torch.outer(P, Q).flatten(), torch.outer(Q, P).flatten()
    assert loss == pytest.approx(math.log(2) - jensen_shannon(joint, swapped).item(), abs=1e-9)


def test_best_average_critics():
    critic, loss = best_critic(RelativisticAverage(logistic), P, Q)
    assert loss == pytest.approx(0.756117, abs=1e-6)
    assert (critic[(P / Q).argsort()].diff() >= -1e-5).all()
    critic, loss = best_critic(RelativisticAverage(squared), P, Q)
    assert loss == pytest.approx(0.953959, abs=1e-6)
    contrast = (P - Q) / (P + Q)
    assert torch.allclose(critic - critic.mean(), 1.215470 * (contrast - contrast.mean()), atol=1e-5)


@every_objective
def test_equilibrium_is_the_loss_of_the_best_critic_when_the_model_is_the_data(objective):
    critic, loss = best_critic(objective, P, P)
    points = torch.arange(5).repeat_interleave((20 * P).round().long())
    generator = objective.generator(critic[points], critic[points]).item()
    assert objective.equilibrium["D"] == pytest.approx(loss, abs=1e-6)
    assert objective.equilibrium.get("G", generator) == pytest.approx(generator, abs=1e-5)


def test_equilibrium_names_both_players_unless_a_value_is_free():
    free = {name for name, objective in OBJECTIVES.items() if set(objective.equilibrium) != {"D", "G"}}
    assert free == {"wasserstein"}
    assert NonSaturating().equilibrium == pytest.approx({"D": 1.386294, "G": 0.693147}, abs=1e-6)
    assert Minimax().equilibrium["G"] == pytest.approx(-0.693147, abs=1e-6)


@every_relativistic
def test_relativistic_losses_ignore_a_constant(objective):
    for loss in (objective.critic, objective.generator):
        assert loss(REAL + 7.5, FAKE + 7.5).item() == pytest.approx(loss(REAL, FAKE).item(), abs=1e-12)
        assert abs(loss(REAL + 0.5, FAKE).item() - loss(REAL, FAKE).item()) > 1e-3


@every_relativistic
def test_exchanging_real_and_fake_exchanges_the_relativistic_players(objective):
    assert torch.equal(objective.generator(fake=FAKE, real=REAL), objective.critic(real=FAKE, fake=REAL))
    assert not torch.isclose(objective.critic(REAL, FAKE), objective.critic(FAKE, REAL))


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating(), LeastSquares(-1, 1, 0), Hinge(), Wasserstein()])
def test_critics_are_antisymmetric(objective):
    assert objective.critic(REAL, FAKE).item() == pytest.approx(objective.critic(-FAKE, -REAL).item(), abs=1e-12)


@every_objective
def test_a_linear_critic_pulls_the_generator_towards_the_data(objective):
    for side in (1.0, -1.0):
        data = side * torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
        model = (-data).requires_grad_()
        slope = torch.zeros((), dtype=torch.float64, requires_grad=True)
        (descent,) = torch.autograd.grad(-objective.critic(slope * data, slope * model.detach()), slope)
        assert side * descent > 0, "the critic must come to be larger on the data"
        step = 0.1 * descent.sign()
        (pull,) = torch.autograd.grad(-objective.generator(step * model, step * data), model)
        assert (side * pull > 0).all(), "the generator must be pulled towards the data"


@every_objective
def test_losses_are_means_over_the_batch(objective):
    twice = objective.critic(REAL.repeat(2), FAKE.repeat(2))
    assert twice.item() == pytest.approx(objective.critic(REAL, FAKE).item(), abs=1e-12)
    twice = objective.generator(FAKE.repeat(2), REAL.repeat(2))
    assert twice.item() == pytest.approx(objective.generator(FAKE, REAL).item(), abs=1e-12)


@every_objective
def test_losses_and_gradients_are_finite_far_out_in_single_precision(objective):
    for sign in (1, -1):
        real = (sign * torch.tensor([1e3, -1e3, 0.0])).requires_grad_()
        fake = (sign * torch.tensor([-1e3, -1e3, 1e3])).requires_grad_()
        for loss in (objective.critic(real, fake), objective.generator(fake, real)):
            gradients = torch.autograd.grad(loss, (real, fake), allow_unused=True)
            assert loss.isfinite()
            assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


@every_objective
def test_every_occurrence_of_an_output_is_in_the_graph(objective):
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    assert torch.autograd.gradcheck(objective.critic, (real, fake))
    assert torch.autograd.gradcheck(lambda f, r: objective.generator(f, r), (fake, real))


@every_objective
def test_objectives_conform_and_declare_whether_they_need_reals(objective):
    assert isinstance(objective, Objective)
    if objective.needs_real:
        with pytest.raises(ValueError, match="pass `real`"):
            objective.generator(FAKE)
    else:
        assert torch.equal(objective.generator(FAKE), objective.generator(FAKE, REAL))


def test_pairs_must_match_in_shape():
    with pytest.raises(ValueError, match="draw as many fakes as reals"):
        Relativistic().critic(REAL, FAKE[:, None])
    with pytest.raises(ValueError, match="draw as many fakes as reals"):
        Relativistic().generator(FAKE, REAL[:3])


@pytest.mark.parametrize(("smoothing", "fake_target"), [(1.1, 0.0), (0.5, 0.5), (0.9, -0.1)])
def test_smoothed_targets_must_leave_real_above_fake(smoothing, fake_target):
    with pytest.raises(ValueError, match="fake_target < smoothing"):
        NonSaturating(smoothing, fake_target)


TWO_PROCESSES = """
    import sys, torch, torch.distributed as dist
    from sparring.objectives import RelativisticAverage, logistic
    from sparring.objectives.batch_statistics import batch_mean

    rank, store = int(sys.argv[1]), sys.argv[2]
    torch.manual_seed(0)
    x, z = torch.randn(8, 3, dtype=torch.float64), torch.randn(8, 3, dtype=torch.float64) + 1
    w = torch.randn(3, dtype=torch.float64, requires_grad=True)
    objective = RelativisticAverage(logistic)

    def gradient(x, z):
        loss = objective.critic((x @ w).tanh(), (z @ w).tanh())
        return torch.stack([loss.detach(), *torch.autograd.grad(loss, w)[0]])

    whole = gradient(x, z)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    share = slice(4 * rank, 4 * rank + 4)
    mine = gradient(x[share], z[share])
    assert not torch.allclose(mine, whole), "each process alone must differ, or nothing is shown"
    dist.all_reduce(mine)
    assert torch.allclose(mine / 2, whole, rtol=0, atol=1e-12), (mine / 2, whole)
    dist.destroy_process_group()
"""


def test_averages_run_over_all_processes(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(TWO_PROCESSES)]
    ranks = [subprocess.Popen([*command, str(rank), str(tmp_path / "store")]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
