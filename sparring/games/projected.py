"""Projected GAN: heads of a critic on fixed, projected features (Sauer, Chitta, Müller & Geiger, 2021, equation 3).

    min_G max_{Dₗ}  Σₗ  E log Dₗ(Pₗ(x)) + E log(1 − Dₗ(Pₗ(G(z))))

trained, as the authors do, with the hinge losses, each a mean over all positions of all heads:

    D minimises  E relu(1 − D(x)) + E relu(1 + D(G(z)))          D(x): all scores Dₗ(Pₗ(x)) side by side
    G minimises  −E D(G(z))                                      the same z as in D's move

P never learns. If it is differentiable and its maps together determine the image, equality of the distributions of all
Pₗ is equality of the distributions of images (their theorem 1); the gradient of G passes through P into the image. A
critic that begins with features of a network trained on a million photographs need not learn them from yours, and small
heads cannot memorise your images as a whole critic does.

Such features tell wholes and edges apart, and colours less so. As in Vision-aided GAN (Kumari, Zhang, Shechtman & Zhu,
2022, equation 2) an ordinary critic X of the pixels may play beside the heads, with an objective of its own; here that
of the relativistic GAN (Jolicoeur-Martineau, 2019), on pairs of a real image and a fake of one batch:

    D, X minimise  … + E φ(X(x) − X(G(z)))                       φ(t) = log(1 + e⁻ᵗ)
    G minimises    … + E φ(X(G(z)) − X(x))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.game import CriticOutput, CriticSpec, Data, Move
from sparring.games.conditional import ConditionalGAN, ConditionalSettings
from sparring.objectives import Hinge, Objective, Relativistic

HINGE = Hinge()
Given = tuple[Tensor, ...] | list[Tensor]


class ProjectedGAN(ConditionalGAN):
    """D, then G, both on one draw of fakes; with or without classes.

    Args:
        G: Generator (N, latent), (N, classes) -> (N, C, H, W), with an attribute ``latent``.
        D: Critic (N, C, H, W), (N, classes) -> scores (N, K), see `sparring.networks.projected.ProjectedCritic`.
        objective: The two losses, means over all scores.
        X: Critic of the pixels, (N, C, H, W), (N, classes) -> (N,), which moves with D; None for none.
        pixel_objective: The two losses of X. Default: those of the relativistic GAN.
        settings: The classes, the optimisers and the schedule, see `ConditionalGAN`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        objective: Objective = HINGE,
        *,
        X: nn.Module | None = None,
        pixel_objective: Objective | None = None,
        **settings: Unpack[ConditionalSettings],
    ) -> None:
        super().__init__(G, D, objective, **settings)
        self.X, self.pixel_objective = X, pixel_objective or Relativistic()

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D, which owns X too, and of G."""
        critics = self.D if self.X is None else nn.ModuleList([self.D, self.X])
        return {"D": self._optimisers["D"](critics), "G": self._optimisers["G"](self.G)}

    def critic_networks(self) -> tuple[str, ...]:
        """Return D, and X if there is one."""
        return ("D",) if self.X is None else ("D", "X")

    def critic_spec(self) -> CriticSpec:
        """Return that D gives several scores of an image, and the names of G's terms."""
        terms = (self.adversarial,) if self.X is None else (self.adversarial, "pixels")
        return replace(super().critic_spec(), output=CriticOutput.PATCHES, adversarial_terms=terms)

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G on the last fakes."""
        for _ in range(self.critic_steps):
            x, *labels = next(data)
            z, *y = self.split(self.noise(len(x)))
            real_y, fake = self.one_hot(*labels), self.G(z, *y)
            yield Move("D", **self._critic_terms(x, real_y, fake.detach(), y))
        yield Move("G", **self._generator_terms(x, real_y, fake, y))

    def critic_terms(self, x: Tensor, fake: Tensor, step: int = 0) -> dict[str, Tensor]:
        """Return what D minimises without classes, given real samples and fakes (N, C, H, W)."""
        return self._critic_terms(x, (), fake, ())

    def generator_terms(self, x: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return what G minimises without classes, given real samples and fakes (N, C, H, W)."""
        return self._generator_terms(x, (), fake, ())

    def _critic_terms(self, x: Tensor, real_y: Given, fake: Tensor, fake_y: Given) -> dict[str, Tensor]:
        terms = {"adversarial": self.objective.critic(self.D(x, *real_y), self.D(fake, *fake_y))}
        if self.X is not None:
            terms["pixels"] = self.pixel_objective.critic(self.X(x, *real_y), self.X(fake, *fake_y))
        return terms

    def _generator_terms(self, x: Tensor, real_y: Given, fake: Tensor, fake_y: Given) -> dict[str, Tensor]:
        terms = {"adversarial": self.objective.generator(self.D(fake, *fake_y))}
        if self.X is not None:
            with torch.no_grad():  # no path from the real scores to G
                real = self.X(x, *real_y) if self.pixel_objective.needs_real else None
            terms["pixels"] = self.pixel_objective.generator(self.X(fake, *fake_y), real)
        return terms
