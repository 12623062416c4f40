"""Generative adversarial networks with any objective (Goodfellow et al., 2014, Algorithm 1).

    repeat k times:  D minimises  L_D(D(x), D(G(z)))        G held fixed
    then (once):     G minimises  L_G(D(G(z)))              D held fixed

The objective decides the rest: minimax and non-saturating (Goodfellow et al., 2014), least squares (Mao et al., 2017),
hinge (Lim & Ye, 2017; Miyato et al., 2018), every f-divergence (Nowozin et al., 2016). D scores real and fake images in
separate passes, so that batch norm does not mix their statistics. In G's move D stays in training
mode and holds its parameters; its statistics and power iterations move with every pass, as in the authors' codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from torch import nn

from sparring.game import Data, Move, PlayerSettings
from sparring.games.common.adversarial import AdversarialGame
from sparring.games.common.turns import require_positive
from sparring.objectives import Objective


class GAN(AdversarialGame):
    """Algorithm 1: k moves of D, each against new fakes, then one of G (or more) against new noise.

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Critic (N, *shape) -> (N,).
        objective: The two losses.
        critic_steps: k, the moves of D in a round.
        generator_steps: Moves of G in a round.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

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
        """Play D k times, then G."""
        for _ in range(self.critic_steps):
            x, *_ = next(data)
            fake = self.fakes(len(x))
            yield Move("D", adversarial=self.objective.critic(self.D(x), self.D(fake)))
        for _ in range(self.generator_steps):
            yield Move("G", adversarial=self.objective.generator(self.D(self.G(self.noise(len(x))))))


class SharedFakesGAN(AdversarialGame):
    """The round of DCGAN's code (Radford et al., 2016): D, then G, both on one draw of fakes.

    It saves one of the two generator passes of `GAN`; the fakes that D has just learned from are those G improves on.

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Critic (N, *shape) -> (N,).
        objective: The two losses.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    def __init__(self, G: nn.Module, D: nn.Module, objective: Objective, **settings: Unpack[PlayerSettings]):
        super().__init__(G, D, **settings)
        self.objective = objective

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G, on the same fakes."""
        x, *_ = next(data)
        fake = self.G(self.noise(len(x)))
        yield Move("D", adversarial=self.objective.critic(self.D(x), self.D(fake.detach())))
        yield Move("G", adversarial=self.objective.generator(self.D(fake)))
