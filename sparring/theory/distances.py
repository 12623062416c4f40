"""Distances between known distributions: probabilities (N,) over N points, p the data, q the model.

Logarithms are natural, so a Jensen–Shannon divergence is at most log 2.

References: Goodfellow et al. (2014, section 4), Nowozin et al. (2016), Arjovsky and Bottou (2017, noise on the critic's
inputs), Arjovsky et al. (2017, the distance W1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.objectives.f_divergences import Divergence


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Return KL(p‖q) = Σ p log(p/q) in nats; infinite where q misses a point of p. KL(q‖p) is the "reverse" one.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    check_pair(p, q)
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Return JSD(p, q) = ½KL(p‖m) + ½KL(q‖m) with m = (p + q)/2, in nats, so at most log 2.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    check_pair(p, q)
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Return ½ Σ |p − q|.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    check_pair(p, q)
    return (p - q).abs().sum() / 2


def triangular(p: Tensor, q: Tensor) -> Tensor:
    """Return Δ = Σ (p − q)²/(p + q), the triangular discrimination; also the χ²(p + q ‖ 2q) of least squares GANs.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,), nowhere zero together with p.
    """
    check_pair(p, q)
    return ((p - q).square() / (p + q)).sum()


def ordered_pairs(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Return p ⊗ q and q ⊗ p (N²,): (real, fake) and (fake, real) pairs; entry iN + j is the pair (i, j).

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    check_pair(p, q)
    return torch.outer(p, q).flatten(), torch.outer(q, p).flatten()


def f_divergence(divergence: Divergence, p: Tensor, q: Tensor) -> Tensor:
    """Return D_f(p‖q) = Σ q f(p/q) (Nowozin et al., 2016, equation 2).

    Args:
        divergence: The divergence.
        p: Probabilities (N,).
        q: Probabilities (N,), none of them zero.
    """
    check_pair(p, q)
    return (q * divergence.f(p / q)).sum()


def variational_bound(divergence: Divergence, critic: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """Return F = Σ p g_f(V) − Σ q f*(g_f(V)) ≤ D_f(p‖q) (Nowozin et al., 2016, equation 4).

    Args:
        divergence: The divergence.
        critic: Raw outputs V of any critic at the points (N,).
        p: Probabilities (N,).
        q: Probabilities (N,).
    """
    check_pair(p, q)
    return (p * divergence.activation(critic)).sum() - (q * divergence.composite(critic)).sum()


def wasserstein1(p: Tensor, q: Tensor, positions: Tensor | None = None) -> Tensor:
    """Return the distance W1 of p and q on a line: ∫ |P(x) − Q(x)| dx over the distribution functions.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).
        positions: Positions of the points, ascending (N,). Default: 0, 1, 2, …
    """
    check_pair(p, q)
    at = torch.arange(len(p), device=p.device, dtype=p.dtype) if positions is None else positions
    return ((p - q).cumsum(0)[:-1].abs() * at.diff()).sum()


def wasserstein1_samples(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance W1 between two equally large samples of numbers: sorted samples are paired by rank.

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
    """Return JSD(N(0, scale²), N(distance, scale²)) in nats: the divergence of two points under instance noise.

    It tends to log 2 without noise and to (distance/scale)²/8 under much of it. The trapezoid rule on a smooth
    function that vanishes at both ends is exact to rounding.

    Args:
        distance: Between the two means.
        scale: Standard deviation of both.

    >>> round(gaussian_jensen_shannon(1.0, 1.0), 6)
    0.111421
    """
    shift = min(abs(distance) / scale, 40.0)  # in standard deviations; beyond 40 the densities do not overlap
    x = torch.arange(-12, shift + 12, 1 / 16, dtype=torch.float64)
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    # The logit between the two is linear; by symmetry both halves of the divergence are equal.
    logit = shift * shift / 2 - shift * x
    return math.log(2) - (density * torch.nn.functional.softplus(-logit)).sum().item() / 16


def check_pair(p: Tensor, q: Tensor) -> None:
    """Raise an error unless p and q are distributions over the same points.

    Args:
        p: Probabilities (N,).
        q: Probabilities (N,).

    Raises:
        ValueError: If the shapes differ, or weights are negative or do not sum to one.
    """
    if p.dim() != 1 or p.shape != q.shape:
        raise ValueError(f"probabilities must both be of one shape (N,), got {tuple(p.shape)} and {tuple(q.shape)}")
    for weights in (p.detach(), q.detach()):
        if weights.min() < 0 or abs(weights.sum() - 1) > 1e-4:
            raise ValueError(f"probabilities must be at least 0 and sum to 1, got {weights.tolist()}")
