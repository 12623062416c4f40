"""RealnessGAN: D outputs a distribution over outcomes, trained towards two anchors (Xiangli et al., 2020).

    each round draws the anchors A1 (real) and A0 (fake)
    repeat k times:    D minimises  E KL(A1 ‖ D(x)) + E KL(A0 ‖ D(G(z)))      G held fixed
    repeat k_G times:  G minimises its goal, by default  E KL(D(x) ‖ D(G(z))) − E KL(A0 ‖ D(G(z)))      D held fixed

Formulas, goals and anchors are in `sparring.objectives.realness`. D's outputs for images are themselves drawn
(`sparring.layers.simple`): each pass draws its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn

from sparring.game import CriticOutput, CriticSpec, Data, LatentGame, Move, PlayerSettings
from sparring.games.common.turns import require_positive
from sparring.objectives.realness import Realness
from sparring.rng import replicated


class RealnessGAN(LatentGame):
    """The round of the authors' code: k moves of D, then k_G of G, each of G's on new noise and new real samples.

    Args:
        G: Generator (B, latent) -> (B, *shape).
        D: Critic (B, *shape) -> (B, N), logits of N outcomes.
        objective: The anchors of a round, and G's goal.
        critic_steps: k, the moves of D in a round.
        generator_steps: k_G, the moves of G in a round; the paper's toys have more of them the more outcomes there are.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        objective: Realness,
        *,
        critic_steps: int = 1,
        generator_steps: int = 1,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        require_positive(critic_steps=critic_steps, generator_steps=generator_steps)
        self.objective, self.critic_steps, self.generator_steps = objective, critic_steps, generator_steps

    def critic_spec(self) -> CriticSpec:
        """Return that D outputs a distribution over outcomes."""
        ahead = "each round draws anchors of its own"
        return replace(
            super().critic_spec(),
            output=CriticOutput.OUTCOMES,
            adversarial_terms=("realness",),
            custom_critic_step=ahead,
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G, both against the anchors of this round."""
        with replicated(self.device):
            anchors = self.objective.anchors(self.device)
        for _ in range(self.critic_steps):
            x, *_ = next(data)
            fake = self.fakes(len(x))
            yield Move("D", realness=self.objective.critic(self.D(x), self.D(fake), anchors))
        for _ in range(self.generator_steps):
            real = self.judged(data) if self.objective.goal.needs_real else None
            fake = self.G(self.noise(len(x)))
            yield Move("G", realness=self.objective.generator(self.D(fake), anchors, real))

    def judged(self, data: Data) -> Tensor:
        """Return D's outputs for a new real batch, without a graph: they are targets."""
        x, *_ = next(data)
        with torch.no_grad():
            scores: Tensor = self.D(x)
            return scores
