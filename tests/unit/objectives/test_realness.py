"""RealnessGAN: the best critic and its loss, anchors and their skew, the three goals, the drawn head, the round."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sparring.objectives import NonSaturating
from sparring.objectives.realness import (
    Anchored,
    Anchors,
    Away,
    DrawnAnchors,
    FixedAnchors,
    Paired,
    Realness,
    divergence,
    histogram,
    skew_normal,
    skewed,
)
from sparring.recipes.realness import realness
from sparring.reports.run_report import equilibrium
from sparring.theory import jensen_shannon, kl, repeated_points
from support.closed_forms import P, Q
from support.realness import A0, A1, GOALS, drawn, fixed

ANCHORS = Anchors(A1, A0)


LOGITS = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


OTHERS = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def best_table(p, q, loss, outcomes=4):
    """Finds by search the answers (5, N) of the best critic on five points, and its loss."""
    logits = torch.zeros(5, outcomes, dtype=torch.float64, requires_grad=True)
    real, fake = repeated_points(p, 20), repeated_points(q, 20)
    search = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-11, line_search_fn="strong_wolfe")

    def closure():
        search.zero_grad()
        value = loss(logits[real], logits[fake])
        value.backward()
        return value

    search.step(closure)
    return logits.detach().softmax(1), closure().item()


def optimum(p, q):
    return (p[:, None] * A1 + q[:, None] * A0) / (p + q)[:, None]


# The theory: D*, V, and what follows from them


def test_the_best_critic_mixes_the_anchors_as_data_and_model_mix():
    answers, _ = best_table(P, Q, lambda real, fake: Realness(fixed()).critic(real, fake, ANCHORS))
    torch.testing.assert_close(answers, optimum(P, Q), atol=1e-5, rtol=0)


def test_the_value_is_twice_jsd_of_the_anchors_where_model_and_data_agree():
    answers, value = best_table(P, P, lambda real, fake: Realness(fixed()).critic(real, fake, ANCHORS))
    assert value == pytest.approx(2 * jensen_shannon(A1, A0).item(), abs=1e-9)
    torch.testing.assert_close(answers, ((A1 + A0) / 2).expand(5, 4), atol=1e-5, rtol=0)


def test_the_value_falls_below_by_twice_the_divergence_of_the_mixtures():
    """The criterion that G raises: V − V* = −2 KL((p A1 + q A0)/2 ‖ (p + q)(A1 + A0)/4), over points and outcomes."""
    _, value = best_table(P, Q, lambda real, fake: Realness(fixed()).critic(real, fake, ANCHORS))
    mixed = (P[:, None] * A1 + Q[:, None] * A0) / 2
    even = (P + Q)[:, None] * (A1 + A0) / 4
    assert value == pytest.approx(
        (2 * jensen_shannon(A1, A0) - 2 * kl(mixed.flatten(), even.flatten())).item(), abs=1e-9
    )


@pytest.mark.parametrize(
    "broken",
    {
        "swapped anchors": lambda real, fake: Realness(fixed()).critic(real, fake, Anchors(A0, A1)),
        "reversed KL": lambda real, fake: sum(
            (logits.softmax(1) * (logits.log_softmax(1) - anchor.log())).sum(1).mean()
            for logits, anchor in ((real, A1), (fake, A0))
        ),
        "averaged over outcomes of one side": lambda real, fake: divergence(A1, real) / 4 + divergence(A0, fake),
    }.items(),
    ids=lambda item: item[0],
)
def test_broken_twins_have_another_optimum(broken):
    answers, _ = best_table(P, Q, broken[1])
    assert (answers - optimum(P, Q)).abs().max() > 0.02


def test_two_outcomes_and_one_hot_anchors_are_binary_cross_entropy_of_the_logit_difference():
    one_hot = FixedAnchors((0.0, 1.0), (1.0, 0.0))
    real, fake = LOGITS[:, :2], OTHERS[:, :2]
    expected = NonSaturating().critic(real[:, 1] - real[:, 0], fake[:, 1] - fake[:, 0])
    assert Realness(one_hot).critic(real, fake, one_hot()).item() == pytest.approx(expected.item(), abs=1e-14)
    away = Away()(fake, one_hot())  # is then the minimax generator
    assert away.item() == pytest.approx(-nn.functional.softplus(fake[:, 1] - fake[:, 0]).mean().item(), abs=1e-14)


# The pieces of the objective


def test_divergence_is_kl_in_nats_summed_over_outcomes_and_averaged_over_the_batch():
    answers = LOGITS.softmax(1)
    expected = torch.stack([kl(A1, row) for row in answers])
    assert divergence(A1, LOGITS).item() == pytest.approx(expected.mean().item(), rel=1e-12)
    own = OTHERS.softmax(1)
    expected = torch.stack([kl(target, row) for target, row in zip(own, answers, strict=True)])
    assert divergence(own, LOGITS).item() == pytest.approx(expected.mean().item(), rel=1e-12)
    assert divergence(torch.tensor([0.25, 0.75]), torch.zeros(3, 2)).item() == pytest.approx(0.1308120, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_and_gradients_are_finite_at_extreme_logits(dtype):
    anchors = FixedAnchors((0.0, 0.0, 1.0), (0.9, 0.1, 0.0))
    logits = torch.tensor([[1e3, -1e3, 0.0], [-1e3, 1e3, 1e3]], dtype=dtype, requires_grad=True)
    for loss in (
        Realness(anchors).critic(logits, logits, anchors()),
        *(g(logits, anchors(), -logits) for g in GOALS.values()),
    ):
        assert torch.isfinite(loss)
        assert loss.dtype == torch.float32, "half precision is left before the logarithms"
        assert torch.isfinite(torch.autograd.grad(loss, logits)[0]).all()


def test_half_precision_ends_at_the_logits():
    half, other = LOGITS.bfloat16(), OTHERS.bfloat16()
    for name, goal in GOALS.items():
        exact = goal(half.double(), ANCHORS, other.double()).item()
        assert goal(half, fixed()(), other).item() == pytest.approx(exact, abs=1e-6), name


def test_the_goals_are_the_three_objectives():
    to_fake, to_real = divergence(A0, LOGITS), divergence(A1, LOGITS)
    to_pair = divergence(OTHERS.softmax(1), LOGITS)
    assert Away()(LOGITS, ANCHORS).item() == pytest.approx(-to_fake.item(), rel=1e-12)
    assert Paired()(LOGITS, ANCHORS, OTHERS).item() == pytest.approx((to_pair - to_fake).item(), rel=1e-12)
    assert Anchored()(LOGITS, ANCHORS).item() == pytest.approx((to_real - to_fake).item(), rel=1e-12)
    assert [goal.needs_real for goal in GOALS.values()] == [False, True, False]


def test_the_gradients_of_the_goals_equal_ds_output_minus_the_anchors():
    """d KL(A ‖ softmax(l)) / dl = softmax(l) − A, so the softmax cancels in the second and third goal."""
    logits = LOGITS.clone().requires_grad_()
    expected = {"away": A0 - LOGITS.softmax(1), "paired": A0 - OTHERS.softmax(1), "anchored": (A0 - A1).expand(6, 4)}
    for name, goal in GOALS.items():
        (gradient,) = torch.autograd.grad(goal(logits, ANCHORS, OTHERS), logits)
        torch.testing.assert_close(6 * gradient, expected[name], atol=1e-12, rtol=0)


def test_the_anchored_goal_is_zero_for_equal_anchors():
    logits = LOGITS.clone().requires_grad_()
    loss = Anchored()(logits, Anchors(A1, A1))
    assert loss.item() == 0.0
    assert torch.autograd.grad(loss, logits)[0].abs().max() == 0.0


def test_the_paired_goal_pairs_by_index_and_sends_nothing_back_through_its_target():
    real = OTHERS.clone().requires_grad_()
    fake = LOGITS.clone().requires_grad_()
    loss = Paired()(fake, ANCHORS, real)
    assert torch.autograd.grad(loss, real, allow_unused=True)[0] is None
    # A permutation costs the sum over pairs something: D(x) of the right partner is not the mean D(x).
    mean = divergence(OTHERS.softmax(1).mean(0), LOGITS) - divergence(A0, LOGITS)
    assert abs(loss.item() - mean.item()) > 0.1
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    assert Paired()(fake[order], ANCHORS, real[order]).item() == pytest.approx(loss.item(), rel=1e-12)


@pytest.mark.parametrize("real", [None, OTHERS[:5]])
def test_the_paired_goal_refuses_missing_or_too_few_reals(real):
    with pytest.raises(ValueError, match="draw as many reals"):
        Paired()(LOGITS, ANCHORS, real)


@pytest.mark.parametrize("name", GOALS)
def test_each_goal_leads_from_the_model_to_the_data(name):
    """The exact game on five points: D at its optimum, q follows G's gradient in its logits; it ends at p."""
    theta = Q.log().clone().requires_grad_()
    learner = torch.optim.Adam([theta], lr=0.02)
    for _ in range(400):
        q = theta.softmax(0)
        answers = optimum(P, q.detach()).log()
        prices = torch.stack(
            [torch.stack([GOALS[name](fake[None], ANCHORS, real[None]) for real in answers]) @ P for fake in answers]
        )
        learner.zero_grad()
        (q * prices).sum().backward()
        learner.step()
    assert kl(P, Q) > 0.49
    assert kl(P, theta.detach().softmax(0)) < 2e-3


def test_five_outcomes_have_the_measured_effective_anchors():
    anchors = drawn(5)
    torch.testing.assert_close(anchors.fake, torch.tensor([0.739, 0.231, 0.030, 0.0, 0.0]), atol=0.012, rtol=0)
    torch.testing.assert_close(anchors.real, torch.tensor([0.0, 0.0, 0.202, 0.199, 0.599]), atol=0.005, rtol=0)


@pytest.mark.parametrize(("outcomes", "low", "high"), [(10, 0.618, 0.550), (20, 0.561, 0.526), (51, 0.522, 0.509)])
def test_the_skew_piles_half_of_the_mass_on_the_ends_and_parts_the_anchors(outcomes, low, high):
    anchors = drawn(outcomes)
    assert anchors.fake[0].item() == pytest.approx(low, abs=0.012)
    assert anchors.real[-1].item() == pytest.approx(high, abs=0.006)
    assert torch.minimum(*anchors).sum() < 0.035


@pytest.mark.parametrize("outcomes", [5, 10, 20, 51])
def test_without_the_skew_the_anchors_nearly_coincide(outcomes):
    real, fake = drawn(outcomes, skew=0.0)
    assert 0.3 < (real - fake).abs().sum() / 2 < 0.42
    assert 2 * jensen_shannon(real, fake) < 0.35, "of 2 log 2 = 1.386"
    assert 2 * jensen_shannon(*drawn(outcomes)) > 1.25


def test_each_anchor_spans_its_own_sample_and_is_drawn_anew_from_torchs_generator():
    torch.manual_seed(3)
    first, second = DrawnAnchors(51, skew=0.0)(), DrawnAnchors(51, skew=0.0)()
    assert not torch.equal(first.real, second.real)
    assert not torch.equal(first.fake, second.fake)
    torch.manual_seed(3)
    assert torch.equal(DrawnAnchors(51, skew=0.0)().real, first.real)
    for anchor in first:
        assert anchor.sum().item() == pytest.approx(1.0, abs=1e-6)
        assert anchor[0] > 0, "the least number is in the first bin"
        assert anchor[-1] > 0, "and the largest in the last"


def test_histogram_counts_as_numpy_does():
    draws = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    counts, _ = np.histogram(draws.numpy(), 17)
    assert (1000 * histogram(draws, 17)).round().tolist() == counts.tolist()
    assert torch.equal(histogram(draws, 17), histogram(100 * draws - 3, 17)), "scale and place do not matter"


@pytest.mark.parametrize("outcomes", [2, 5, 10, 51])
def test_the_projection_keeps_all_mass_and_is_the_identity_without_skew(outcomes):
    anchor = torch.rand(3, outcomes, dtype=torch.float64, generator=torch.Generator().manual_seed(outcomes))
    assert torch.equal(skewed(anchor, 0.0), anchor)
    support = torch.linspace(-1, 1, outcomes, dtype=torch.float64)
    for by in (-2.0, -1.0, -0.37, 0.01, 0.5, 1.0, 2.0):
        moved = skewed(anchor, by)
        torch.testing.assert_close(moved.sum(1), anchor.sum(1), atol=1e-12, rtol=0)
        assert moved.min() >= 0
        mean = (anchor * (support + by).clamp(-1, 1)).sum(1)  # sharing between neighbours keeps the mean
        torch.testing.assert_close((moved * support).sum(1), mean, atol=1e-12, rtol=0)
        torch.testing.assert_close(skewed(anchor.flip(1), -by), moved.flip(1), atol=1e-12, rtol=0)
    assert (skewed(anchor, 2.0)[:, :-1] == 0).all(), "everything has left for the upper end"


def test_the_projection_moves_to_where_it_should():
    bell = torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1])
    torch.testing.assert_close(skewed(bell, 1.0), torch.tensor([0.0, 0.0, 0.1, 0.2, 0.7]))
    torch.testing.assert_close(skewed(bell, -1.0), torch.tensor([0.7, 0.2, 0.1, 0.0, 0.0]))
    torch.testing.assert_close(skewed(bell, 0.25), torch.tensor([0.05, 0.15, 0.3, 0.3, 0.2]))


@pytest.mark.parametrize("outcomes", [2, 5, 10, 51])
@pytest.mark.parametrize("distance", [0.01, 1.66, 5.11, 7.81, 11.05])
def test_skew_normal_anchors_have_the_requested_distance(outcomes, distance):
    source = skew_normal(outcomes, distance)
    real, fake = (torch.tensor(anchor, dtype=torch.float64) for anchor in (source.real, source.fake))
    assert kl(real, fake).item() == pytest.approx(distance, rel=1e-9)
    assert real.flip(0).tolist() == pytest.approx(fake.tolist(), rel=1e-12)
    assert (real * torch.arange(outcomes)).sum() > (outcomes - 1) / 2, "large outcomes are real"
    assert all(torch.equal(anchor, again) for anchor, again in zip(source(), source(), strict=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DrawnAnchors(1),
        lambda: DrawnAnchors(5, draws=1),
        lambda: FixedAnchors((0.5, 0.5), (0.5, 0.5)),
        lambda: FixedAnchors((0.5, 0.5), (0.2, 0.3, 0.5)),
        lambda: FixedAnchors((0.5, 0.6), (0.5, 0.5)),
        lambda: FixedAnchors((1.5, -0.5), (0.5, 0.5)),
        lambda: skew_normal(1, 1.0),
        lambda: skew_normal(5, 0.0),
    ],
)
def test_senseless_anchors_are_refused(make):
    with pytest.raises(ValueError, match="anchor"):
        make()


def test_the_equilibrium_is_known_and_leaves_no_trace():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    m = (A1 + A0) / 2
    for name, expected in {"away": -kl(A0, m), "paired": -kl(A0, m), "anchored": kl(A1, m) - kl(A0, m)}.items():
        found = Realness(fixed(), GOALS[name]).equilibrium
        assert found["D"] == pytest.approx(2 * jensen_shannon(A1, A0).item(), abs=1e-5)
        assert found["G"] == pytest.approx(expected.item(), abs=1e-5)
    assert Realness(DrawnAnchors(51)).equilibrium["D"] == pytest.approx(2 * math.log(2), abs=0.06)
    assert torch.equal(torch.get_rng_state(), before)
    assert equilibrium(realness((2,), width=4)).keys() == {"D", "G"}, "the curves of a run show it"
