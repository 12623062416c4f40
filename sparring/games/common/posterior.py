"""Gaussian posteriors of encoders, and samples from them by the reparametrisation trick.

Kingma & Welling (2014), section 2.4:

z = μ + σ ⊙ ε,   ε ~ N(0, I),   (μ, log σ²) = E(x)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.game import Game, latent
from sparring.rng import randn


class PosteriorGame(Game):
    """A game whose codes are the noise that its generator starts from.

    Args:
        E: Encoder (N, *shape) -> (N, 2 latent), means and log variances.
        G: Decoder (N, latent) -> (N, *shape), with an attribute ``latent``.
    """

    def __init__(self, E: nn.Module, G: nn.Module) -> None:
        super().__init__()
        self.E, self.G = E, G

    def sampling_networks(self) -> tuple[str, ...]:
        """Sampling uses G; its codes come from E, which is averaged as well."""
        return ("E", "G")

    def noise(self, n: int) -> Tensor:
        """Draw codes z ~ N(0, I), shape (n, latent)."""
        return randn(n, latent(self.G), device=self.device)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples, shape (n, *shape), from the given codes (n, latent) or from fresh ones."""
        with torch.no_grad():
            samples: Tensor = self.G(self.noise(n) if noise is None else noise)
            return samples

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean code of each row of x, (N, latent)."""
        with torch.no_grad():
            return mean_and_log_variance(self.E(x))[0]


def mean_and_log_variance(encoded: Tensor) -> tuple[Tensor, Tensor]:
    """Split E's output for x, (N, 2 latent), into means and log variances, (N, latent) each."""
    mean, log_variance = encoded.chunk(2, 1)
    return mean, log_variance


def reparameterise(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Draw a code from each row's normal distribution; gradients reach its mean and its variance."""
    return mean + (log_variance / 2).exp() * randn(*mean.shape, device=mean.device)
