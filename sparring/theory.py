"""What theory says a game's best critic and its loss are, on distributions small enough to know.

A distribution is a tensor of probabilities (N,) over N points; p is the data, q the model. Logarithms are natural, so a
Jensen–Shannon divergence is at most log 2. Closed forms (`optimal_critic`) stand next to a search that knows nothing of
them (`best_critic`): each checks the other, and both check the shipped objectives.

References: Goodfellow et al. (2014, section 4), Nowozin et al. (2016), Mescheder et al. (2018, Dirac-GAN), Arjovsky and
Bottou (2017, noise on the critic's inputs).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import torch
from torch import Tensor

from sparring.divergences import FGAN, Divergence
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


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Return KL(p‖q) = Σ p log(p/q) in nats; infinite where q misses a point of p. KL(q‖p) is the "reverse" one.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    _check(p, q)
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Return JSD(p, q) = ½KL(p‖m) + ½KL(q‖m) with m = (p + q)/2, in nats, so at most log 2.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    _check(p, q)
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Return ½ Σ |p − q|.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    _check(p, q)
    return (p - q).abs().sum() / 2


def f_divergence(divergence: Divergence, p: Tensor, q: Tensor) -> Tensor:
    """Return D_f(p‖q) = Σ q f(p/q) (Nowozin et al., 2016, equation 2).

    Args:
        divergence: The divergence.
        p: Probabilities (N,).
        q: Probabilities (N,), none of them zero.
    """
    _check(p, q)
    return (q * divergence.f(p / q)).sum()


def variational_bound(divergence: Divergence, critic: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """Return F = Σ p g_f(V) − Σ q f*(g_f(V)) ≤ D_f(p‖q) (Nowozin et al., 2016, equation 4).

    Args:
        divergence: The divergence.
        critic: Raw outputs V of any critic at the points (N,).
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    _check(p, q)
    return (p * divergence.activation(critic)).sum() - (q * divergence.composite(critic)).sum()


def wasserstein1(p: Tensor, q: Tensor, positions: Tensor | None = None) -> Tensor:
    """Return the least work that turns p into q on a line: ∫ |P(x) − Q(x)| dx over the distribution functions.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
        positions: Where the points lie, ascending (N,); 0, 1, 2, … if not given.
    """
    _check(p, q)
    at = torch.arange(len(p), device=p.device, dtype=p.dtype) if positions is None else positions
    return ((p - q).cumsum(0)[:-1].abs() * at.diff()).sum()


def wasserstein1_samples(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance W1 between two equally large samples of numbers: each goes to its peer in rank.

    Args:
        x: Samples (N,).
        y: Samples (N,).

    Raises:
        ValueError: If the shapes differ or are not (N,).
    """
    if x.dim() != 1 or x.shape != y.shape:
        raise ValueError(f"samples must both be of one shape (N,), got {tuple(x.shape)} and {tuple(y.shape)}")
    return (x.sort().values - y.sort().values).abs().mean()


def gaussian_jensen_shannon(distance: float, scale: float) -> float:
    """Return JSD(N(0, scale²), N(distance, scale²)) in nats: what instance noise leaves of two separate points.

    It tends to log 2 without noise and to (distance/scale)²/8 under much of it. The trapezoid rule on a smooth
    function that vanishes at both ends is exact to rounding.

    Args:
        distance: Between the two means.
        scale: Standard deviation of both.

    >>> round(gaussian_jensen_shannon(1.0, 1.0), 6)
    0.111421
    """
    shift = min(abs(distance) / scale, 40.0)  # in standard deviations; 40 of them are infinitely far
    x = torch.arange(-12, shift + 12, 1 / 16, dtype=torch.float64)
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    # The logit between the two is linear; by symmetry both halves of the divergence are equal.
    logit = shift * shift / 2 - shift * x
    return math.log(2) - (density * torch.nn.functional.softplus(-logit)).sum().item() / 16


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
            return 1 / (1 + _contrast(p, q) / 2) * (p - q) / (p + q)
        case RelativisticAverage(link=link) if link is squared:
            return 2 / (1 + 3 * _contrast(p, q) / 2) * (p - q) / (p + q)
    raise ValueError(f"no closed form is known for the optimal critic of {objective}: search it with best_critic")


def _contrast(p: Tensor, q: Tensor) -> Tensor:
    """Return Δ = Σ (p − q)²/(p + q)."""
    return ((p - q).square() / (p + q)).sum()


def best_critic(objective: Objective, p: Tensor, q: Tensor, *, points: int = 20) -> tuple[Tensor, float]:
    """Return the outputs (N,) of the best critic found by search over a free table, and its loss.

    The objective is called as in training, on samples: each point occurs `points` · p times among the reals and
    `points` · q times among the fakes, and every real is paired with every fake. Float64 and L-BFGS; of equally good
    critics the smallest is taken. `Wasserstein` has no best critic without a bound on its slope.

    Args:
        objective: The objective.
        p: Probabilities of the data (N,), multiples of 1/points.
        q: Probabilities of the model (N,), multiples of 1/points.
        points: Number of samples that stand for a distribution.

    Raises:
        ValueError: If a probability is not a multiple of 1/points.
    """
    _check(p, q)
    real = repeated_points(p, points).repeat_interleave(points)
    fake = repeated_points(q, points).repeat(points)
    values = torch.zeros(len(p), dtype=torch.float64, device=p.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [values], max_iter=2000, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        return objective.critic(values[real], values[fake]) + 1e-9 * values.square().sum()

    def slope() -> Tensor:
        return torch.autograd.grad(loss(), values)[0]

    def closure() -> float:
        values.grad = slope()
        return loss().item()

    optimizer.step(closure)
    if slope().norm() > 1e-5:  # the loss has kinks, where L-BFGS stalls
        _descend_by_ellipsoids(slope, values.detach())
    values = values.detach()
    return values, objective.critic(values[real], values[fake]).item()


def _descend_by_ellipsoids(slope: Callable[[], Tensor], center: Tensor, radius: float = 20.0) -> None:
    """Move `center` in place to the minimum of a convex function, smooth or not, that lies within `radius`.

    The ellipsoid method: a subgradient cuts the region in half, and the least ellipsoid around the kept half is the
    next region. The root below bounds what is still to be gained, so the end is certain.
    """
    n = len(center)
    region = radius**2 * torch.eye(n, dtype=center.dtype, device=center.device)
    while True:
        g = slope()
        cut = region @ g
        root = (g @ cut).clamp(min=0).sqrt()
        if root < 1e-9:
            return
        center -= cut / ((n + 1) * root)
        region = n**2 / (n**2 - 1) * (region - 2 / (n + 1) * torch.outer(cut, cut) / root**2)


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
        raise ValueError(f"{points} samples cannot stand for the probabilities {weights.tolist()}: choose more points")
    return torch.arange(len(weights), device=weights.device).repeat_interleave(counts)


def dirac_eigenvalues(penalty: float, slope: float = 0.5) -> tuple[complex, complex]:
    """Return the eigenvalues of the Dirac-GAN's gradient field at its equilibrium (Mescheder et al., 2018, lemma 4.1).

    Data at 0, model at θ, critic ψx: the Jacobian is [[0, −f'(0)], [f'(0), −γ]] under an R1 penalty of γ/2. Without
    penalty the eigenvalues are imaginary and the players circle; at γ = 2f'(0) damping is critical.

    Args:
        penalty: γ.
        slope: f'(0), ½ for the logistic losses.

    >>> round(dirac_eigenvalues(4.0)[0].real, 4)
    -0.0635
    """
    root = cmath.sqrt(penalty**2 / 4 - slope**2)
    return -penalty / 2 + root, -penalty / 2 - root


def penalised_slope(distance: float, penalty: float) -> float:
    """Return the slope 1 + d/(2λ) of the best WGAN-GP critic between one real and one fake point on a line.

    It minimises −sd + λ(s − 1)²: the critic exceeds the slope 1, and the loss overestimates W1 = d by d²/(4λ).

    Args:
        distance: d, between the two points.
        penalty: λ, the weight of the gradient penalty.

    >>> penalised_slope(distance=2.0, penalty=10.0)
    1.1
    """
    return 1 + distance / (2 * penalty)


def _check(p: Tensor, q: Tensor) -> None:
    if p.dim() != 1 or p.shape != q.shape:
        raise ValueError(f"probabilities must both be of one shape (N,), got {tuple(p.shape)} and {tuple(q.shape)}")
    for weights in (p.detach(), q.detach()):
        if weights.min() < 0 or abs(weights.sum() - 1) > 1e-4:
            raise ValueError(f"probabilities must be at least 0 and sum to 1, got {weights.tolist()}")
