"""Drawing from what an encoder says, so that its parameters get the gradient (Kingma & Welling, 2014, section 2.4).

z = μ + σ ⊙ ε,   ε ~ N(0, I),   (μ, log σ²) = E(x)
"""

from __future__ import annotations

from torch import Tensor

from sparring.chance import normal


def stated(encoded: Tensor) -> tuple[Tensor, Tensor]:
    """Cuts what E says of x, (N, 2 latent), into means and log variances, (N, latent) each."""
    mean, log_variance = encoded.chunk(2, 1)
    return mean, log_variance


def drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Draws a code from each row's normal distribution; gradients reach its mean and its variance."""
    return mean + (log_variance / 2).exp() * normal(*mean.shape, device=mean.device)
