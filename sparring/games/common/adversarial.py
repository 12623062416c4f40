"""Games whose players minimise an objective of D's scores: their terms as functions of samples.

    critic_terms(x, x̃)       L_D(D(x), D(x̃))         what a step of D descends, and so what G may unroll
    generator_terms(x, x̃)    L_G(D(x̃), D(x))         G's adversarial term, under the name that it has in G's move

Both are functions of D's parameters and of the samples, in the graph of all of them. A subclass whose D minimises more
adds it to `critic_terms`; its other terms of G are those of its move.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from sparring.game import CriticSpec, LatentGame
from sparring.objectives import Objective


class AdversarialGame(LatentGame):
    """A `LatentGame` with an objective.

    Attributes:
        objective: The two losses.
        adversarial: The name of its terms in the moves of both players.
    """

    objective: Objective
    adversarial: ClassVar[str] = "adversarial"

    def critic_spec(self) -> CriticSpec:
        """Return the plain case, with the name of G's term."""
        return replace(super().critic_spec(), adversarial_terms=(self.adversarial,))

    def critic_terms(self, x: Tensor, fake: Tensor, step: int = 0) -> dict[str, Tensor]:
        """Return what D minimises at a step, given real samples and fakes (N, *shape)."""
        return {self.adversarial: self.objective.critic(self.D(x), self.D(fake))}

    def generator_terms(self, x: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return G's adversarial term, given real samples and fakes (N, *shape)."""
        real = self.D(x) if self.objective.needs_real else None
        return {self.adversarial: self.objective.generator(self.D(fake), real)}
