"""Optimal critics on known distributions, in closed form and by independent numerical search.

Each checks the other, and both check the objectives of the library. p is the data, q the model, probabilities (N,).

References: Goodfellow et al. (2014, proposition 1), Nowozin et al. (2016, equation 5), Mao et al. (2017, equation 5),
Jolicoeur-Martineau (2019), Xiangli et al. (2020, theorem 1), Ghosh et al. (2018, proposition 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Objective,
    Relativistic,
    RelativisticAverage,
    logistic,
    squared,
)
from sparring.objectives.f_divergences import FGAN
from sparring.theory.distances import check_pair, triangular
from sparring.theory.search import minimize_convex


def optimal_critic(objective: Objective, p: Tensor, q: Tensor) -> Tensor:
    """Return the outputs (N,) of the critic that minimises an objective's loss, where a closed form is known.

    Relativistic critics are determined up to a constant.

    Args:
        objective: The objective.
        p: Probabilities of the data (N,), none of them zero.
        q: Probabilities of the model (N,), none of them zero.

    Raises:
        ValueError: If no closed form is known; `best_critic` finds the critic by search.
    """
    match objective:
        case Minimax():
            return torch.log(p / q)  # σ(C) = p/(p + q)
        case NonSaturating(smoothing=real_target, fake_target=fake_target):
            return torch.logit((real_target * p + fake_target * q) / (p + q))
        case LeastSquares(a=a, b=b):
            return (b * p + a * q) / (p + q)
        case Hinge():
            return torch.sign(p - q)
        case FGAN(divergence=divergence):
            return divergence.optimum(p / q)
        case Relativistic(link=link) if link is logistic:
            return torch.log(p / q)
        # For squares C = κ (p − q)/(p + q). With δ = E_p C − E_q C the loss is stationary at κ = 1 − δ/2 in pairs, at
        # κ = 2 − 3δ/2 around averages, and δ = κΔ.
        case Relativistic(link=link) if link is squared:
            return 1 / (1 + triangular(p, q) / 2) * (p - q) / (p + q)
        case RelativisticAverage(link=link) if link is squared:
            return 2 / (1 + 3 * triangular(p, q) / 2) * (p - q) / (p + q)
    raise ValueError(f"no closed form is known for the optimal critic of {objective}: search it with best_critic")


def best_critic(objective: Objective, p: Tensor, q: Tensor, *, points: int = 20) -> tuple[Tensor, float]:
    """Return the outputs (N,) of the best critic found by search over a free table, and its loss.

    The objective is called as in training, on samples: each point occurs `points` · p times among the reals and
    `points` · q times among the fakes; an objective that compares is given every pair of real and fake. Of equally good
    critics the smallest is returned. `Wasserstein` has no best critic without a bound on its slope.

    Args:
        objective: The objective.
        p: Probabilities of the data (N,), multiples of 1/points.
        q: Probabilities of the model (N,), multiples of 1/points.
        points: Number of samples that represent a distribution.

    Raises:
        ValueError: If a probability is not a multiple of 1/points.
    """
    check_pair(p, q)
    real, fake = repeated_points(p, points), repeated_points(q, points)
    if objective.needs_real:  # compares pairs
        real, fake = real.repeat_interleave(points), fake.repeat(points)

    def loss(values: Tensor) -> Tensor:
        return objective.critic(values[real], values[fake])

    start = torch.zeros(len(p), dtype=torch.float64, device=p.device)
    values = minimize_convex(lambda values: loss(values) + 1e-9 * values.square().sum(), start)
    return values, loss(values).item()


def repeated_points(weights: Tensor, points: int) -> Tensor:
    """Return indices (points,) in which index i occurs weights[i] · points times.

    Args:
        weights: Probabilities (N,), multiples of 1/points.
        points: Number of samples.

    Raises:
        ValueError: If a probability is not a multiple of 1/points.

    >>> repeated_points(torch.tensor([0.25, 0.75]), 4)
    tensor([0, 1, 1, 1])
    """
    counts = (weights * points).round().long()
    if counts.sum() != points or not torch.allclose(counts / points, weights.float(), atol=1e-6):
        raise ValueError(f"{points} samples cannot represent the probabilities {weights.tolist()}: choose more points")
    return torch.arange(len(weights), device=weights.device).repeat_interleave(counts)


def optimal_noisy_critic(x: Tensor, distance: float, scale: float) -> Tensor:
    """Return the logits (θ² − 2θx)/(2σ²) of N(0, σ²) against N(θ, σ²), of slope −θ/σ² (Arjovsky and Bottou, 2017).

    This is the optimal critic of the cross-entropy between a real and a fake point under instance noise.

    Args:
        x: Points at which the critic is evaluated (N,).
        distance: θ, where the fake lies; the real one is at 0.
        scale: σ of the noise.

    >>> optimal_noisy_critic(torch.tensor([0.5]), distance=1.0, scale=0.3)
    tensor([0.])
    """
    return (distance**2 - 2 * distance * x) / (2 * scale**2)


def optimal_realness(p: Tensor, q: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """Return D(x, u) = (p A₁(u) + q A₀(u))/(p + q), shape (N, U): the anchors mixed by the share of real at each point.

    It minimises E_p KL(A₁‖D(x)) + E_q KL(A₀‖D(x)) (Xiangli et al., 2020, theorem 1).

    Args:
        p: Probabilities of the data (N,).
        q: Probabilities of the model (N,), nowhere zero together with p.
        real: The anchor A₁, probabilities over U outcomes.
        fake: The anchor A₀.
    """
    check_pair(p, q)
    return (torch.outer(p, real) + torch.outer(q, fake)) / (p + q)[:, None]


def best_realness(p: Tensor, q: Tensor, real: Tensor, fake: Tensor) -> tuple[Tensor, float]:
    """Return the outcomes' probabilities (N, U) of the best critic of RealnessGAN found by search, and its loss.

    Args:
        p: Probabilities of the data (N,).
        q: Probabilities of the model (N,).
        real: The anchor A₁, probabilities over U outcomes.
        fake: The anchor A₀.
    """
    entropies = torch.xlogy(real, real).sum() + torch.xlogy(fake, fake).sum()
    found, cost = _best_outcomes([(p, real), (q, fake)])
    return found, cost + entropies.item()


def optimal_classifier(p: Tensor, models: Tensor) -> Tensor:
    """Return the probabilities of each source, K models and the data (last), (N, K + 1) (MAD-GAN; Ghosh et al., 2018).

    Args:
        p: Probabilities of the data (N,).
        models: Probabilities of the models (K, N).
    """
    everyone = torch.cat([models, p[None]]).T
    return everyone / everyone.sum(1, keepdim=True)


def best_classifier(p: Tensor, models: Tensor) -> tuple[Tensor, float]:
    """Return the best classifier (N, K + 1) of K models and the data found by search, and its cross-entropy.

    Args:
        p: Probabilities of the data (N,).
        models: Probabilities of the models (K, N).
    """
    classes = torch.eye(len(models) + 1, dtype=torch.float64)
    return _best_outcomes(list(zip([*models, p], classes, strict=True)))


def _best_outcomes(groups: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, float]:
    """Return the table of probabilities (N, U) of least cross-entropy to the target (U,) of each group of points."""
    wanted = sum(torch.outer(weights, target) for weights, target in groups)
    assert isinstance(wanted, Tensor)

    def loss(logits: Tensor) -> Tensor:
        return -(wanted * logits.reshape(wanted.shape).log_softmax(1)).sum()

    logits = minimize_convex(lambda logits: loss(logits) + 1e-12 * logits.square().sum(), torch.zeros(wanted.numel()))
    return logits.reshape(wanted.shape).softmax(1), loss(logits).item()
