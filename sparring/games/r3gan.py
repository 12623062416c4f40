"""R3GAN: the relativistic pairing game with two zero-centred gradient penalties (Huang et al., 2024).

    D minimises  mean φ(D(x) − D(G(z))) + γ/2 (E ‖∇D(x)‖² + E ‖∇D(G(z))‖²)          φ(t) = log(1 + e⁻ᵗ)
    G minimises  mean φ(D(G(z)) − D(x))                                            new z, new x

The pairing lets D separate each fake from a real image near it instead of all fakes from all reals at once, so that no
mode is worth dropping; the two penalties, R1 on reals and R2 on fakes (Mescheder et al., 2018), make the game converge,
which the pairing alone does not. Both are paid at every step. γ may fall over a burn-in, as in the authors' code. The
slopes are those in the images themselves: gradients pass through what D does to them first, such as augmentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn

from sparring.game import CriticSpec, Data, LatentGame, Move, PlayerSettings
from sparring.objectives import Relativistic
from sparring.objectives.penalties import scores_and_squared_norms

relativistic = Relativistic()


class R3GAN(LatentGame):
    """Pairs and both penalties at every step (Huang et al., 2024, section 3; authors' code for G's loss).

    D must score each sample by itself: neither batch norm nor minibatch statistics.

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Critic (N, *shape) -> (N,).
        penalty: γ as a function of the step.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    def __init__(
        self, G: nn.Module, D: nn.Module, *, penalty: Callable[[int], float], **settings: Unpack[PlayerSettings]
    ):
        super().__init__(G, D, **settings)
        self.penalty = penalty

    def critic_spec(self) -> CriticSpec:
        """Return that D pays R1 and R2 on each sample, and that only differences of scores count."""
        return replace(
            super().critic_spec(),
            adversarial_terms=("relativistic",),
            gradient_penalties=("r1", "r2"),
            penalty_target=0,
            per_sample=True,
            zero_centred=False,
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D with both penalties, then G against new real images."""
        x, *_ = next(data)
        yield Move("D", **self.critic_terms(x, None, step))
        x, *_ = next(data)
        with torch.no_grad():  # no path from the real scores to G
            real = self.D(x)
        yield Move("G", relativistic=relativistic.generator(self.D(self.G(self.noise(len(x)))), real))

    def critic_terms(self, x: Tensor, fake: Tensor | None = None, step: int = 0) -> dict[str, Tensor]:
        """Return what D minimises at a step, given real samples and fakes (N, *shape), or new fakes."""
        real, r1 = scores_and_squared_norms(self.D, x)
        made, r2 = scores_and_squared_norms(self.D, self.fakes(len(x)) if fake is None else fake, through=True)
        half = self.penalty(step) / 2
        return {"relativistic": relativistic.critic(real, made), "r1": half * r1.mean(), "r2": half * r2.mean()}

    def generator_terms(self, x: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return G's term, given real samples and fakes (N, *shape)."""
        return {"relativistic": relativistic.generator(self.D(fake), self.D(x))}
