"""Relativistic GANs: D scores how much more real a real image is than a fake one (Jolicoeur-Martineau, 2019).

    paired:   D minimises  mean φ(D(x) - D(G(z)))                          G minimises the same, real and fake exchanged
    average:  D minimises  mean φ(D(x) - mean D(G)) + mean φ(mean D(x) - D(G))     G the same, exchanged

With φ(t) = log(1 + e⁻ᵗ) these are RSGAN and RaSGAN, with (t - 1)² RaLSGAN, with max(0, 1 - t) RaHinge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import torch
from torch import nn

from sparring.game import Data, Move, PlayerSettings
from sparring.games.common.adversarial import AdversarialGame
from sparring.games.common.turns import require_positive
from sparring.objectives import Objective


class RelativisticGAN(AdversarialGame):
    """Algorithm 1 of Jolicoeur-Martineau (2019): G's move also compares with real images, and draws new ones.

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Critic (N, *shape) -> (N,).
        objective: `Relativistic` or `RelativisticAverage`.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    adversarial = "relativistic"

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        objective: Objective,
        *,
        critic_steps: int = 1,
        generator_steps: int = 1,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        require_positive(critic_steps=critic_steps, generator_steps=generator_steps)
        self.objective, self.critic_steps, self.generator_steps = objective, critic_steps, generator_steps

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G against new real images."""
        for _ in range(self.critic_steps):
            x, *_ = next(data)
            yield Move("D", relativistic=self.objective.critic(self.D(x), self.D(self.fakes(len(x)))))
        for _ in range(self.generator_steps):
            x, *_ = next(data)
            with torch.no_grad():  # no path from the real scores to G
                real = self.D(x)
            yield Move("G", relativistic=self.objective.generator(self.D(self.G(self.noise(len(x)))), real))
