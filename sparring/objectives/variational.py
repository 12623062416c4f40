"""Losses of variational autoencoders, as pure functions: negative log-likelihoods and the divergence from the prior.

    log p(x) ≥ E_q log p(x|z) − KL(q(z|x) ‖ p(z))                        Kingma & Welling (2014), equation 3

    gaussian     −log p(x|x̃) = Σ ½ (x − x̃)² / σ² + ½ log 2πσ²          over pixels
    bernoulli    −log p(x|x̃) = −Σ t log p + (1 − t) log(1 − p)           t = (x + 1) / 2, p = (x̃ + 1) / 2
    kl_to_prior  KL(N(μ, σ²) ‖ N(0, I)) = −½ Σ 1 + log σ² − μ² − σ²     over coordinates; appendix B

Each gives one number per sample, in nats, summed and with its constants: the balance of both sums decides how much
information a code may carry.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

Likelihood = Callable[[Tensor, Tensor], Tensor]
"""−log p(x|x̃) of data x and decoder outputs x̃, (N, *shape) each; one number per sample, (N,)."""

MIN_PROBABILITY = (
    1e-6  # smallest distance of a Bernoulli probability from 0 and 1, since tanh of a float can be exactly ±1
)


def gaussian(deviation: float) -> Likelihood:
    """Return the negative log-likelihood of independent normal pixels around x̃.

    Args:
        deviation: σ, on the scale of the data.

    Raises:
        ValueError: If the deviation is not positive.

    >>> import torch
    >>> gaussian(1.0)(torch.zeros(1, 2), torch.ones(1, 2)).item()  # 1 + log 2π
    2.837877035140991
    """
    if deviation <= 0:
        raise ValueError(f"A deviation must be positive, not {deviation}.")
    constant = math.log(2 * math.pi) / 2 + math.log(deviation)

    def surprise(x: Tensor, again: Tensor) -> Tensor:
        return (((x - again) / deviation).square() / 2 + constant).flatten(1).sum(1)

    return surprise


def bernoulli(x: Tensor, again: Tensor) -> Tensor:
    """Return the cross-entropy of grey values in [−1, 1], taken as probabilities of white."""
    target, white = (x + 1) / 2, ((again + 1) / 2).clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return -(target * white.log() + (1 - target) * (1 - white).log()).flatten(1).sum(1)


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, I)) of each row, (N, latent) to (N,).

    >>> import torch
    >>> kl_to_prior(torch.ones(1, 3), torch.zeros(1, 3)).item()
    1.5
    """
    return -(1 + log_variance - mean.square() - log_variance.exp()).sum(1) / 2


def active_units(codes: Tensor, threshold: float = 0.01) -> int:
    """Return the number of coordinates of codes (N, latent) whose variance over the data exceeds a threshold.

    A collapsed posterior has none (Burda et al., 2016, section 5: 10⁻²).
    """
    return int((codes.var(0) > threshold).sum())
