"""Projected GAN: heads of a critic on fixed, projected features (Sauer, Chitta, Müller & Geiger, 2021, equation 3).

    min_G max_{Dₗ}  Σₗ  E log Dₗ(Pₗ(x)) + E log(1 − Dₗ(Pₗ(G(z))))

trained, as the authors do, with the hinge losses, each a mean over all positions of all heads:

    D minimises  E relu(1 − D(x)) + E relu(1 + D(G(z)))          D(x): all scores Dₗ(Pₗ(x)) side by side
    G minimises  −E D(G(z))                                      the same z as in D's move

P never learns. If it is differentiable and its maps together determine the image, equality of the distributions of all
Pₗ is equality of the distributions of images (their theorem 1); the gradient of G passes through P into the image. A
critic that begins with features of a network trained on a million photographs need not learn them from yours, and small
heads cannot memorise your images as a whole critic does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

from torch import nn

from sparring.game import CriticOutput, CriticSpec, Data, Move
from sparring.games.conditional import ConditionalGAN, ConditionalSettings
from sparring.objectives import Hinge, Objective

HINGE = Hinge()


class ProjectedGAN(ConditionalGAN):
    """D, then G, both on one draw of fakes; with or without classes.

    Args:
        G: Generator (N, latent), (N, classes) -> (N, C, H, W), with an attribute ``latent``.
        D: Critic (N, C, H, W), (N, classes) -> scores (N, K), see `sparring.networks.projected.ProjectedCritic`.
        objective: The two losses, means over all scores.
        settings: The classes, the optimisers and the schedule, see `ConditionalGAN`.
    """

    def __init__(
        self, G: nn.Module, D: nn.Module, objective: Objective = HINGE, **settings: Unpack[ConditionalSettings]
    ) -> None:
        super().__init__(G, D, objective, **settings)

    def critic_spec(self) -> CriticSpec:
        """Return that D gives several scores of an image."""
        return replace(super().critic_spec(), output=CriticOutput.PATCHES)

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G on the last fakes."""
        for _ in range(self.critic_steps):
            x, *labels = next(data)
            z, *y = self.split(self.noise(len(x)))
            fake = self.G(z, *y)
            real_scores, fake_scores = self.D(x, *self.one_hot(*labels)), self.D(fake.detach(), *y)
            yield Move("D", adversarial=self.objective.critic(real_scores, fake_scores))
        yield Move("G", adversarial=self.objective.generator(self.D(fake, *y)))
