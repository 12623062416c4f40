"""The variational autoencoder (Kingma & Welling, 2014): no critic; one player, encoder and decoder together.

    E and G minimise  −E log p(x|G(z)) + β KL(N(μ, σ²) ‖ N(0, I)),     z ~ N(μ, σ²), (μ, log σ²) = E(x)    (equation 10)

At β = 1 this is minus the evidence lower bound; other β trade reconstruction for regular codes (Higgins et al., 2017).
β may rise from 0, so that codes become informative before the KL term makes them normal (Bowman et al., 2016). The
likelihood sums over pixels: with a mean in its place the KL term dominates, and codes carry no information.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.game import Data, Move, Optimiser
from sparring.games.common.posterior import PosteriorGame, mean_and_log_variance, reparameterise
from sparring.objectives.variational import Likelihood, kl_to_prior


class VAE(PosteriorGame):
    """One move: the likeness of a reconstruction and the distance of its code from the prior.

    Args:
        E: Encoder (N, *shape) -> (N, 2 latent), means and log variances.
        G: Decoder (N, latent) -> (N, *shape), with an attribute ``latent``.
        likelihood: −log p(x|x̃) of each sample.
        autoencoder: Builds the optimiser of E and G.
        beta: β, the weight of the prior.
        warm_up: Steps over which β rises from 0.
        schedule: Factor of all learning rates, as a function of the step.
    """

    def __init__(
        self,
        E: nn.Module,
        G: nn.Module,
        likelihood: Likelihood,
        *,
        autoencoder: Optimiser,
        beta: float = 1.0,
        warm_up: int = 0,
        schedule: Callable[[int], float] = lambda step: 1.0,
    ) -> None:
        super().__init__(E, G)
        self.likelihood = likelihood
        self.beta, self.warm_up = beta, warm_up
        self._autoencoder, self._schedule = autoencoder, schedule

    def players(self) -> dict[str, Optimizer]:
        """Return the optimiser of encoder and decoder."""
        return {"AE": self._autoencoder(nn.ModuleList([self.E, self.G]))}

    def lr_scale(self, step: int) -> float:
        """Follow the schedule given at construction."""
        return self._schedule(step)

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play one move of encoder and decoder."""
        x, *_ = next(data)
        mean, log_variance = mean_and_log_variance(self.E(x))
        again = self.G(reparameterise(mean, log_variance))
        prior = self.weight(step) * kl_to_prior(mean, log_variance).mean()
        yield Move("AE", likeness=self.likelihood(x, again).mean(), prior=prior)

    def weight(self, step: int) -> float:
        """Return β at a step."""
        return self.beta * min(1.0, step / self.warm_up) if self.warm_up else self.beta

    def elbo(self, x: Tensor) -> Tensor:
        """Return a lower bound of log p(x) of each row, in nats, (N,), constants included, from one draw a row."""
        with torch.no_grad():
            mean, log_variance = mean_and_log_variance(self.E(x))
            return -self.likelihood(x, self.G(reparameterise(mean, log_variance))) - kl_to_prior(mean, log_variance)
