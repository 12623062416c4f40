"""FastGAN: a hinge game whose critic must rebuild the real images from its features (Liu et al., 2021).

    D minimises  E relu(1 − D(x)) + E relu(1 + D(G(z))) + λ Σ_f E ‖decoder_f(f(x)) − T_f(x)‖₁
    G minimises  −E D(G(z))                                                the same z as in D's move

f runs over two of D's feature maps, T is the whole image for the coarser one and a random quarter of it for the finer
one. A critic of few images would otherwise learn the least that tells them from fakes; what rebuilds an image describes
all of it (self-supervision). Only real images are rebuilt. Where samples are augmented on their way into D, what is
rebuilt is the augmented image, as in the authors' code. D scores patches, and every score counts alike. Without a
pre-trained network the distance is the mean absolute difference; the authors' is a perceptual one.

Their code draws the margins of the hinge from [.8, 1]; here they are 1, as in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Self, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from sparring.game import CriticOutput, CriticSpec, Data, Move
from sparring.games.common.multiscale import Perception
from sparring.games.conditional import ConditionalGAN, ConditionalSettings
from sparring.objectives import Hinge, Objective

HINGE = Hinge()


class FastGAN(ConditionalGAN):
    """D, which also rebuilds the reals, then G, both on one draw of fakes; with or without classes.

    Args:
        G: Generator (N, latent), (N, classes) -> (N, C, H, W), with an attribute ``latent``.
        D: Critic (N, C, H, W), (N, classes) -> scores (N, h, w), with a method ``reconstruct`` that returns the scores
            and pairs of what was rebuilt and what it should be, see `sparring.networks.fastgan.FastGANCritic`.
        objective: The two losses.
        reconstruction: λ.
        perception: A perceptual distance in place of the mean absolute difference; its network is kept as it is.
        settings: The classes, the optimisers and the schedule, see `ConditionalGAN`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        objective: Objective = HINGE,
        *,
        reconstruction: float = 1.0,
        perception: Perception | None = None,
        **settings: Unpack[ConditionalSettings],
    ) -> None:
        super().__init__(G, D, objective, **settings)
        self.reconstruction, self.distance = reconstruction, perception or l1_loss
        self.V = perception and perception.network.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every network but V, which stays in evaluation mode."""
        super().train(mode)
        if self.V is not None:
            self.V.eval()
        return self

    def critic_spec(self) -> CriticSpec:
        """Return that D scores patches, and that its features also rebuild images."""
        return replace(
            super().critic_spec(), output=CriticOutput.PATCHES, features_shared_with="the reconstruction of images"
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G on the last fakes."""
        for _ in range(self.critic_steps):
            x, *labels = next(data)
            z, *y = self.split(self.noise(len(x)))
            fake = self.G(z, *y)
            yield Move("D", **self._critic_terms(x, self.one_hot(*labels), fake.detach(), y))
        yield Move("G", adversarial=self.objective.generator(self.D(fake, *y)))

    def critic_terms(self, x: Tensor, fake: Tensor, step: int = 0) -> dict[str, Tensor]:
        """Return what D minimises without classes, given real samples and fakes (N, C, H, W)."""
        return self._critic_terms(x, (), fake, ())

    def _critic_terms(
        self, x: Tensor, real_y: tuple[Tensor, ...], fake: Tensor, fake_y: tuple[Tensor, ...] | list[Tensor]
    ) -> dict[str, Tensor]:
        scores, pairs = self.D.reconstruct(x, *real_y)  # type: ignore[operator]
        distances = torch.stack([self.distance(made, wanted) for made, wanted in pairs])
        return {
            "adversarial": self.objective.critic(scores, self.D(fake, *fake_y)),
            "reconstruction": self.reconstruction * distances.sum(),
        }
